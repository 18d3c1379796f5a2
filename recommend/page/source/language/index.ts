import { createContext, useContext } from "react";
import type { Language } from "../core/types";
import { en, type Words } from "./en";
import { zh } from "./zh";

export type { Words };
export const WORDS: Record<Language, Words> = { en, zh };
export const WordsContext = createContext<Words>(en);
export const useWords = (): Words => useContext(WordsContext);

/** The language to begin with: the browser's, where it is one of the two. */
export function firstLanguage(wanted: readonly string[] = navigator.languages): Language {
  const known = wanted.find((tag) => /^(zh|en)\b/i.test(tag));
  return known?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** A name as the beginning of a line: "an evening out" becomes "An evening out". */
export function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
