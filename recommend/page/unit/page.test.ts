import { describe, expect, it } from "vitest";
import { brightnessOf, hintFor } from "../source/core/framing";
import { GROUPS, moved, reset, samePoints } from "../source/core/handles";
import { counted, isLocal, NO_TRAFFIC } from "../source/core/sent";
import { initialState, reduce, type State } from "../source/core/state";
import { ratios, tint } from "../source/core/tint";
import type { Look, Options } from "../source/core/types";
import { en } from "../source/language/en";
import { zh } from "../source/language/zh";
import { face } from "./face";

describe("words", () => {
  const flat = (value: unknown, path = ""): string[] =>
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => flat(inner, `${path}.${key}`))
      : [`${path}: ${typeof value}`];
  it("are the same set in both languages", () => expect(flat(zh)).toEqual(flat(en)));
  it("leave no English in the Chinese", () => {
    const texts = JSON.stringify(zh).replaceAll(/mien (serve|doctor)|Mien|JPEG|PNG|WebP|HEIC|Shift|MB|zh-Hans/g, "");
    expect(texts.match(/"[^"]*[A-Za-z]{4,}[^"]*"(?!:)/g)).toBeNull();
  });
});

describe("tint", () => {
  it("leaves every pixel outside the mask as it is", () => {
    const pixels = Uint8ClampedArray.from({ length: 4 * 256 }, (_, i) => (i * 37) % 256);
    const before = pixels.slice();
    tint(pixels, new Uint8ClampedArray(256), "#d9a884", "#b04050");
    expect(pixels).toEqual(before);
  });
  it("turns bare skin into skin with the colour on it, and keeps what is lighter lighter", () => {
    const pixels = Uint8ClampedArray.from([217, 168, 132, 255, 230, 190, 160, 255]);
    tint(pixels, Uint8ClampedArray.from([255, 255]), "#d9a884", "#c08070");
    expect([...pixels.slice(0, 3)].map((value, i) => Math.abs(value - [192, 128, 112][i]!) <= 1)).toEqual([true, true, true]);
    expect(pixels[4]!).toBeGreaterThan(pixels[0]!);
  });
  it("does nothing at strength 0 and bounds what dark skin could do", () => {
    const pixels = Uint8ClampedArray.from([40, 30, 20, 255]);
    tint(pixels, Uint8ClampedArray.from([255]), "#281e14", "#ffffff", 0);
    expect([...pixels]).toEqual([40, 30, 20, 255]);
    expect(Math.max(...ratios("#000000", "#ffffff"))).toBe(4);
  });
});

describe("points", () => {
  it("move alone, stay in the photo, and go back", () => {
    const next = moved(face, GROUPS.chin[2]!, [0, 9999], [400, 400]);
    expect(next[8]![1]).toBe(399);
    expect(next.filter(([x, y], i) => x !== face[i]![0] || y !== face[i]![1])).toHaveLength(1);
    expect(samePoints(reset(next, face, [8]), face)).toBe(true);
  });
  it("belong to one group each, and all but the hairline's are among the 68", () => {
    const all = Object.values(GROUPS).flat(2);
    expect(new Set(all).size).toBe(all.length);
    expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 68 }, (_, i) => i));
  });
});

describe("what was sent", () => {
  const origin = "http://127.0.0.1:8420";
  it("knows its own device", () => {
    expect(isLocal(`${origin}/look`, origin)).toBe(true);
    expect(isLocal("blob:http://127.0.0.1:8420/1", origin)).toBe(true);
    expect(isLocal("http://127.0.0.1:8421/look", origin)).toBe(false);
    expect(isLocal("https://elsewhere.test/", origin)).toBe(false);
  });
  it("counts requests and bytes on either side", () => {
    const after = counted(NO_TRAFFIC, [
      { name: `${origin}/look`, transferSize: 300, encodedBodySize: 200 },
      { name: "https://elsewhere.test/pixel", transferSize: 0, encodedBodySize: 43 },
    ], origin);
    expect(after).toMatchObject({ local: 1, localBytes: 300, remote: 1, remoteBytes: 43 });
  });
});

describe("hints before the camera", () => {
  const size: [number, number] = [400, 400];
  it("are good for a face in the middle", () => expect(hintFor(face, size, 120)).toBe("good"));
  it("say what to do", () => {
    expect(hintFor(null, size, 120)).toBe("none");
    expect(hintFor(null, size, 10)).toBe("dark");
    expect(hintFor(face, [1000, 1000], 120)).toBe("small");
    expect(hintFor(face.map(([x, y]) => [x + 120, y] as const), size, 120)).toBe("off");
    expect(hintFor(face.map(([x, y], i) => [i === 30 ? x + 40 : x, y] as const), size, 120)).toBe("turned");
  });
  it("measure light", () => expect(brightnessOf(new Uint8ClampedArray(320).fill(77))).toBe(77));
});

describe("the state", () => {
  const defaults = { language: "en", occasion: "day", style: "natural", intent: "accent", skill: "some", minutes: 20, season: null, nose: false, confirmed: {} };
  const options = { defaults } as unknown as Options;
  const look = (...rules: string[]) => ({ look: { cards: rules.map((rule, i) => ({ rule, number: i + 1 })) } }) as unknown as Look;
  const started: State = reduce(initialState("en"), { type: "options", options });

  it("keeps the answers when the language changes", () => {
    const answered = reduce(reduce(started, { type: "prefer", change: { minutes: 5 } }), { type: "language", language: "zh" });
    expect(answered.preferences).toMatchObject({ minutes: 5, language: "zh" });
  });
  it("takes back what the person said", () => {
    const told = reduce(started, { type: "confirm", attribute: "lid_type", answer: "monolid" });
    expect(told.preferences!.confirmed).toEqual({ lid_type: "monolid" });
    expect(reduce(told, { type: "confirm", attribute: "lid_type", answer: null }).preferences!.confirmed).toEqual({});
  });
  it("marks what a change brought, over a whole drag, and keeps the active card by its rule", () => {
    let state = reduce(started, { type: "look", look: look("a", "b"), at: 10_000 });
    expect(state.fresh.size).toBe(0);
    state = reduce(state, { type: "active", card: 2 });
    state = reduce(state, { type: "look", look: look("c", "a", "b"), at: 20_000 });
    expect([...state.fresh]).toEqual(["c"]);
    expect(state.active).toBe(3);
    state = reduce(state, { type: "look", look: look("c", "d", "a"), at: 20_400 });
    expect([...state.fresh].sort()).toEqual(["c", "d"]);
    expect(state.active).toBeNull();
    state = reduce(state, { type: "look", look: look("c", "d", "a"), at: 30_000 });
    expect(state.fresh.size).toBe(0);
  });
  it("forgets everything of the person", () => {
    let state = reduce(started, { type: "photos", photos: [new Blob(["x"])] });
    state = reduce(state, { type: "look", look: look("a"), at: 1 });
    state = reduce(state, { type: "liked", rule: "a", liked: true });
    state = reduce(state, { type: "confirm", attribute: "minor", answer: "yes" });
    state = reduce(state, { type: "forget", message: "gone" });
    expect(state).toEqual({ ...initialState("en"), options, preferences: defaults, message: "gone" });
  });
});
