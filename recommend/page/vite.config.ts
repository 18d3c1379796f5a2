/// <reference types="vitest/config" />
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const HERE = import.meta.dirname;
const OUTPUT = join(HERE, "../serve/static");
/** What the built page is made of; tests/recommend/page computes the same hash without Node. */
const SOURCES = ["public", "source", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

function files(path: string): string[] {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const inner = join(path, entry.name);
    return entry.isDirectory() ? files(inner) : [inner];
  });
}

function sourceHash(): string {
  const all = SOURCES.flatMap((name) => (name.includes(".") ? [join(HERE, name)] : files(join(HERE, name))));
  const names = all.map((path) => relative(HERE, path).split(sep).join("/"));
  const hash = createHash("sha256");
  for (const name of names.sort()) {
    const content = createHash("sha256").update(readFileSync(join(HERE, name))).digest("hex");
    hash.update(`${content}  ${name}\n`);
  }
  return hash.digest("hex");
}

/** Leaves `build.json` beside the page: the hash of the sources it was built from. */
function stamp(): Plugin {
  return {
    name: "stamp",
    apply: "build",
    generateBundle() {
      this.emitFile({
        type: "asset",
        fileName: "build.json",
        source: `${JSON.stringify({ sources_sha256: sourceHash() })}\n`,
      });
    },
  };
}

interface Manifest {
  name: string;
  version: string;
  license: string;
}

/** The package that a bundled file belongs to: the folder of the nearest package.json that has a version. */
function packageOf(file: string): string | null {
  for (let folder = dirname(file); folder.includes("node_modules"); folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, "utf8")) as Manifest).version) return folder;
  }
  return null;
}

/** Name, version and whole licence of a package; a package without a licence's text stops the build. */
function notice(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const texts = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  if (texts.length === 0) throw new Error(`${name} ${version} (${license}) ships no text of its licence`);
  const words = texts.map((file) => readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim());
  return `${name} ${version} (${license})\n\n${words.join("\n\n")}\n`;
}

/** Leaves `assets/licences.txt`: the notices of every package that a file of the page was made from. */
function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
      const folders = modules.map((id) => packageOf(id.replace(/^\0/, "").split("?")[0]!)).filter((folder) => folder !== null);
      const notices = [...new Set(folders)].map(notice);
      const source = `The page of Mien contains these packages.\n\n${[...new Set(notices)].sort().join(`\n${"-".repeat(78)}\n\n`)}`;
      this.emitFile({ type: "asset", fileName: "assets/licences.txt", source });
    },
  };
}

/** React Aria brings its few words in 34 languages; the page speaks two, and a browser of a third hears English. */
function ownLanguagesOnly(): Plugin {
  return {
    name: "own-languages-only",
    enforce: "pre",
    load(id) {
      const language = /react-(?:aria|stately)[\w-]*\/.*\/intl\/.*\/([a-z]{2}-[A-Z]{2})\.m?js$/.exec(id)?.[1];
      return language && !["en-US", "zh-CN"].includes(language) ? "export default {};" : null;
    },
  };
}

export default defineConfig({
  root: HERE,
  base: "./",
  publicDir: "public",
  plugins: [ownLanguagesOnly(), react(), licences(), stamp()],
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    sourcemap: false,
    chunkSizeWarningLimit: 700,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        entryFileNames: "assets/page.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  test: { include: ["unit/**/*.test.ts"] },
});
