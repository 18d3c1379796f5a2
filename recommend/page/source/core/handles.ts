/** Which landmarks are moved together, and in which groups they are offered. Numbers as in iBUG 300-W, from 0. */

import type { Point } from "./types";

export type GroupName = "hairline" | "jaw_right" | "chin" | "jaw_left" | "brow_right" | "brow_left" | "eye_right" | "eye_left" | "nose" | "lips" | "lip_line";

const run = (from: number, to: number): number[][] => Array.from({ length: to - from + 1 }, (_, i) => [from + i]);

/** One entry a handle: the landmarks that it moves. The inner lips move in pairs, as they lie on each other. */
export const GROUPS: Record<GroupName, readonly (readonly number[])[]> = {
  hairline: [],
  jaw_right: run(0, 5),
  chin: run(6, 10),
  jaw_left: run(11, 16),
  brow_right: run(17, 21),
  brow_left: run(22, 26),
  eye_right: run(36, 41),
  eye_left: run(42, 47),
  nose: run(27, 35),
  lips: run(48, 59),
  lip_line: [[60], [61, 67], [62, 66], [63, 65], [64]],
};

export const GROUP_NAMES = Object.keys(GROUPS) as GroupName[];

/** The lines that are drawn through the landmarks. */
export const STROKES: readonly (readonly number[])[] = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
  [17, 18, 19, 20, 21],
  [22, 23, 24, 25, 26],
  [27, 28, 29, 30],
  [31, 32, 33, 34, 35],
  [36, 37, 38, 39, 40, 41, 36],
  [42, 43, 44, 45, 46, 47, 42],
  [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 48],
  [60, 61, 62, 63, 64, 65, 66, 67, 60],
];

/** Return the landmarks with some of them moved, kept inside the photo. */
export function moved(
  landmarks: readonly Point[],
  indices: readonly number[],
  [dx, dy]: Point,
  [width, height]: readonly [number, number],
): Point[] {
  const inside = (value: number, end: number) => Math.min(Math.max(value, 0), end - 1);
  return landmarks.map(([x, y], index) =>
    indices.includes(index) ? ([inside(x + dx, width), inside(y + dy, height)] as const) : ([x, y] as const),
  );
}

export function reset(landmarks: readonly Point[], original: readonly Point[], indices: readonly number[]): Point[] {
  return landmarks.map((point, index) => (indices.includes(index) ? original[index]! : point));
}

export function samePoints(a: readonly Point[], b: readonly Point[]): boolean {
  return a.length === b.length && a.every(([x, y], i) => Math.abs(x - b[i]![0]) < 0.01 && Math.abs(y - b[i]![1]) < 0.01);
}
