import type { Point } from "../source/core/types";

/** A plain upright face of 68 points: eyes 72 apart, the midline at x = 200. Made by hand, of nobody. */
const arc = (n: number, x: (t: number) => number, y: (t: number) => number): Point[] =>
  Array.from({ length: n }, (_, i) => [x(i / (n - 1)), y(i / (n - 1))] as const);
const loop = (n: number, cx: number, cy: number, rx: number, ry: number): Point[] =>
  Array.from({ length: n }, (_, i) => [cx - rx * Math.cos((2 * Math.PI * i) / n), cy - ry * Math.sin((2 * Math.PI * i) / n)] as const);

export const face: Point[] = [
  ...arc(17, (t) => 200 - 110 * Math.cos(Math.PI * t), (t) => 200 + 170 * Math.sin(Math.PI * t)),
  ...arc(5, (t) => 116 + 66 * t, (t) => 158 - 14 * Math.sin(Math.PI * t)),
  ...arc(5, (t) => 218 + 66 * t, (t) => 158 - 14 * Math.sin(Math.PI * t)),
  ...arc(4, () => 200, (t) => 195 + 45 * t),
  ...arc(5, (t) => 182 + 36 * t, (t) => 252 + 6 * Math.sin(Math.PI * t)),
  ...loop(6, 164, 200, 18, 8),
  ...loop(6, 236, 200, 18, 8),
  ...loop(12, 200, 293, 34, 14),
  ...loop(8, 200, 293, 26, 3),
];
