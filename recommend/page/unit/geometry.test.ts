import { describe, expect, it } from "vitest";
import { areaOf, boundsOf, headBox, pathOf, placeLabels, spread, usedZones, zoomBox } from "../source/core/geometry";
import type { Card, Outline, Point } from "../source/core/types";
import { face } from "./face";

const square = (x: number, y: number, side: number): Point[] => [[x, y], [x + side, y], [x + side, y + side], [x, y + side]];

function card(number: number, zone: string, outlines: Outline[]): Card {
  return {
    number, rank: number, rule: `rule-${number}`, domain: "base", title: "", reason: "", steps: [], minutes: 1, tools: [],
    where: [{ zone, name: zone, text: "", estimated_hairline: false, outlines }],
    colours: [], why: [], why_not: [], confidence: { value: 1, word: "" }, evidence: { grade: "C", word: "", sources: [] },
  };
}

describe("spread", () => {
  it("keeps the order, the gap and the borders", () => {
    const rows = spread([10, 11, 12, 90], 0, 100, 20);
    expect(rows.every((row, i) => i === 0 || row - rows[i - 1]! >= 20 - 1e-9)).toBe(true);
    expect(Math.min(...rows)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...rows)).toBeLessThanOrEqual(100);
  });
  it("leaves heights alone that are far enough apart", () => expect(spread([10, 50, 90], 0, 100, 20)).toEqual([10, 50, 90]));
  it("moves closer together where there is no room", () => {
    const rows = spread([1, 2, 3, 4, 5, 6], 0, 50, 20);
    rows.forEach((row, i) => expect(row).toBeCloseTo(i * 10));
  });
  it("takes none and one", () => {
    expect(spread([], 0, 10, 5)).toEqual([]);
    expect(spread([20], 0, 10, 5)).toEqual([10]);
  });
});

describe("boxes", () => {
  it("holds the whole face and stays in the photo", () => {
    const head = headBox(face, [400, 400]);
    const all = boundsOf(face);
    expect(head.x).toBeLessThan(all.x);
    expect(head.y).toBeLessThan(all.y);
    expect(head.x + head.width).toBeLessThanOrEqual(400);
    expect(head.y + head.height).toBeLessThanOrEqual(400);
  });
  it("zooms with the same proportions, inside", () => {
    const shape = { x: 10, y: 20, width: 300, height: 400 };
    const box = zoomBox({ x: 15, y: 30, width: 40, height: 10 }, shape);
    expect(box.width / box.height).toBeCloseTo(0.75);
    expect(box.x).toBeGreaterThanOrEqual(shape.x);
    expect(box.y).toBeGreaterThanOrEqual(shape.y);
  });
});

describe("zones", () => {
  const large: Outline = { side: "middle", points: square(0, 0, 100), holes: [square(40, 40, 10)] };
  const small: Outline = { side: "right", points: square(10, 10, 20) };
  it("measures and draws outlines with their holes", () => {
    expect(areaOf(small.points)).toBe(400);
    expect(pathOf(large).match(/M/g)).toHaveLength(2);
  });
  it("come once each, the largest first, with every card that uses them", () => {
    const zones = usedZones([card(1, "small", [small]), card(2, "large", [large]), card(3, "small", [small])]);
    expect(zones.map(({ zone }) => zone)).toEqual(["large", "small"]);
    expect(zones[1]!.cards.map(({ number }) => number)).toEqual([1, 3]);
  });
  it("get one number each, half of them on either side, without crossing lines", () => {
    const cards = Array.from({ length: 9 }, (_, i) => card(i + 1, `z${i}`, [{ side: "middle", points: square(90, 10 + 37 * ((i * 4) % 9), 8) }]));
    const labels = placeLabels(cards, { x: 0, y: 0, width: 200, height: 400 }, 30);
    expect(labels).toHaveLength(9);
    for (const side of ["left", "right"] as const) {
      const mine = labels.filter((label) => label.side === side).sort((a, b) => a.row - b.row);
      expect(mine.length).toBeGreaterThanOrEqual(4);
      expect(mine.map(({ target }) => target[1])).toEqual([...mine.map(({ target }) => target[1])].sort((a, b) => a - b));
    }
  });
});
