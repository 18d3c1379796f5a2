/** Where things are on a photo: the head to show, outlines as paths, and numbers in the margins. All in pixels of the photo. */

import type { Card, Outline, Point } from "./types";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Drawn as a line only: a hatch over half the face would hide it. */
export const WIDE_ZONES: ReadonlySet<string> = new Set(["base_lower", "forehead", "beard_shadow"]);

const EYES_AND_MOUTH = [
  [36, 37, 38, 39, 40, 41],
  [42, 43, 44, 45, 46, 47],
  [60, 61, 62, 63, 64, 65, 66, 67],
];

export function mean(points: readonly Point[]): Point {
  const sum = points.reduce(([x, y], [px, py]) => [x + px, y + py] as Point, [0, 0] as Point);
  return [sum[0] / points.length, sum[1] / points.length];
}

export function boundsOf(points: readonly Point[]): Box {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const x = Math.min(...xs);
  const y = Math.min(...ys);
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** The axes of a face, as in recommend/reading/geometry.py: the unit is the distance between the eye centres. */
export function frameOf(landmarks: readonly Point[]): { unit: number; up: Point } {
  const right = mean(landmarks.slice(36, 42));
  const left = mean(landmarks.slice(42, 48));
  const unit = Math.hypot(left[0] - right[0], left[1] - right[1]) || 1;
  return { unit, up: [(left[1] - right[1]) / unit, -(left[0] - right[0]) / unit] };
}

/** Where the hairline is expected on the midline: the middle third again, above the brows. */
export function estimatedHairline(landmarks: readonly Point[]): Point {
  const brow = mean([landmarks[21]!, landmarks[22]!]);
  const nose = landmarks[33]!;
  const third = Math.hypot(nose[0] - brow[0], nose[1] - brow[1]);
  const { up } = frameOf(landmarks);
  return [brow[0] + up[0] * third, brow[1] + up[1] * third];
}

/** The head with some room around it, kept inside the photo (recommend/draw.py cuts the same). */
export function headBox(landmarks: readonly Point[], [width, height]: readonly [number, number]): Box {
  const { unit, up } = frameOf(landmarks);
  const hairline = estimatedHairline(landmarks);
  const top: Point = [hairline[0] + up[0] * 0.45 * unit, hairline[1] + up[1] * 0.45 * unit];
  const all = boundsOf([...landmarks, top]);
  const left = Math.max(0, Math.floor(all.x - 0.55 * unit));
  const upper = Math.max(0, Math.floor(all.y - 0.1 * unit));
  const right = Math.min(width, Math.ceil(all.x + all.width + 0.55 * unit));
  const lower = Math.min(height, Math.ceil(all.y + all.height + 0.4 * unit));
  return { x: left, y: upper, width: Math.max(2, right - left), height: Math.max(2, lower - upper) };
}

/** A box of the same proportions as `shape` that holds `inner` with some room, inside `shape` where that is possible. */
export function zoomBox(inner: Box, shape: Box, room = 1.6, least = 0.3): Box {
  const ratio = shape.width / shape.height;
  const wanted = Math.max(inner.width * room, inner.height * room * ratio, shape.width * least);
  const width = Math.min(shape.width, wanted);
  const height = width / ratio;
  const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
  return {
    x: clamp(inner.x + inner.width / 2 - width / 2, shape.x, shape.x + shape.width - width),
    y: clamp(inner.y + inner.height / 2 - height / 2, shape.y, shape.y + shape.height - height),
    width,
    height,
  };
}

function ring(points: readonly Point[]): string {
  return `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}

/** An outline as SVG path data; holes are cut by the even-odd rule. */
export function pathOf(outline: Outline): string {
  return [outline.points, ...(outline.holes ?? [])].map(ring).join("");
}

/** What no zone may tint: the eyes and the inside of the mouth. */
export function eyesAndMouth(landmarks: readonly Point[]): string {
  return EYES_AND_MOUTH.map((indices) => ring(indices.map((index) => landmarks[index]!))).join("");
}

export function areaOf(points: readonly Point[]): number {
  let twice = 0;
  points.forEach(([x, y], index) => {
    const [nextX, nextY] = points[(index + 1) % points.length]!;
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

export interface UsedZone {
  zone: string;
  cards: Card[];
  outlines: Outline[];
}

/** Every zone of a look once, the largest first, so that small ones are drawn on top. */
export function usedZones(cards: readonly Card[]): UsedZone[] {
  const found = new Map<string, UsedZone>();
  for (const card of cards) {
    for (const place of card.where) {
      const known = found.get(place.zone);
      if (known) known.cards.push(card);
      else found.set(place.zone, { zone: place.zone, cards: [card], outlines: place.outlines });
    }
  }
  const size = ({ outlines }: UsedZone) => Math.max(...outlines.map(({ points }) => areaOf(points)));
  return [...found.values()].filter(({ outlines }) => outlines.length > 0).sort((a, b) => size(b) - size(a));
}

export function outlinesOf(card: Card): Outline[] {
  return card.where.flatMap((place) => place.outlines);
}

export interface Label {
  card: Card;
  side: "left" | "right";
  /** Height of the number, and where its line ends. */
  row: number;
  target: Point;
}

/** Give every card with a zone a row in the left or right margin, `gap` apart, lines not crossing. */
export function placeLabels(cards: readonly Card[], area: Box, gap: number): Label[] {
  const placed = cards.filter((card) => outlinesOf(card).length > 0);
  const byHeight = [...placed].sort((a, b) => mean(nearest(a, "left").points)[1] - mean(nearest(b, "left").points)[1]);
  const labels: Label[] = [];
  byHeight.forEach((card, index) => {
    const side = index % 2 === 0 ? "left" : "right";
    labels.push({ card, side, row: 0, target: targetOf(card, side, area) });
  });
  for (const side of ["left", "right"] as const) {
    const mine = labels.filter((label) => label.side === side).sort((a, b) => a.target[1] - b.target[1]);
    const rows = spread(mine.map(({ target }) => target[1]), area.y + gap / 2, area.y + area.height - gap / 2, gap);
    mine.forEach((label, index) => (label.row = rows[index]!));
  }
  return labels;
}

function nearest(card: Card, side: "left" | "right"): Outline {
  const sign = side === "left" ? 1 : -1;
  return outlinesOf(card).reduce((best, one) => (mean(one.points)[0] * sign < mean(best.points)[0] * sign ? one : best));
}

/** A line ends inside a zone that is large and off the middle, else on the edge that is nearest. */
function targetOf(card: Card, side: "left" | "right", area: Box): Point {
  const outline = nearest(card, side);
  const centre = mean(outline.points);
  const aside = Math.abs(centre[0] - (area.x + area.width / 2)) > 0.08 * area.width;
  const wide = card.where.some((place) => place.outlines.includes(outline) && WIDE_ZONES.has(place.zone));
  if (aside && !wide && areaOf(outline.points) > 0.004 * area.height ** 2) return centre;
  const sign = side === "left" ? 1 : -1;
  return outline.points.reduce((best, point) => (point[0] * sign < best[0] * sign ? point : best));
}

/** Move sorted heights at least `gap` apart (less where there is no room), near where they were. */
export function spread(wanted: readonly number[], low: number, high: number, gap: number): number[] {
  const room = wanted.length < 2 ? 0 : Math.min(gap, (high - low) / (wanted.length - 1));
  const average = (pool: number[]) => pool.reduce((a, b) => a + b, 0) / pool.length;
  // Shifted by their rank the heights only have to be non-decreasing: pool neighbours that are not.
  const pools: number[][] = [];
  wanted.forEach((y, index) => {
    pools.push([y - index * room]);
    while (pools.length > 1 && average(pools.at(-2)!) > average(pools.at(-1)!)) {
      const last = pools.pop()!;
      pools.at(-1)!.push(...last);
    }
  });
  const flat = pools.flatMap((pool) => pool.map(() => average(pool)));
  const top = high - Math.max(0, wanted.length - 1) * room;
  return flat.map((y, index) => Math.min(Math.max(y, low), top) + index * room);
}
