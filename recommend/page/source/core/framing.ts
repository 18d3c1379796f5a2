/** What to say to somebody in front of the camera, from the points on their face and the picture's brightness. */

import { boundsOf, frameOf, mean } from "./geometry";
import type { Point } from "./types";

export type Hint = "waiting" | "none" | "small" | "large" | "off" | "turned" | "tilted" | "dark" | "good";

const SMALL = 0.11; // distance between the eyes, of the picture's width
const LARGE = 0.36;
const OFF_CENTRE = 0.17; // of the picture's width or height
const TURNED = 0.16; // difference of the two halves of the face, of its width
const TILTED = 12; // degrees
/** Mean of the whole picture, 0 to 255: the scene's light. The face alone is not asked: skin may be dark. */
const DARK = 42;

export function hintFor(landmarks: readonly Point[] | null, [width, height]: readonly [number, number], brightness: number): Hint {
  if (!landmarks) return brightness < DARK ? "dark" : "none";
  const face = boundsOf(landmarks);
  const { unit, up } = frameOf(landmarks);
  const nose = landmarks[30]!;
  const left = nose[0] - landmarks[1]![0];
  const right = landmarks[15]![0] - nose[0];
  if (unit < SMALL * width) return "small";
  if (unit > LARGE * width) return "large";
  const [x, y] = mean([[face.x, face.y], [face.x + face.width, face.y + face.height]]);
  if (Math.abs(x - width / 2) > OFF_CENTRE * width || Math.abs(y - height / 2) > OFF_CENTRE * height * 1.3) return "off";
  if (Math.abs(Math.atan2(up[0], -up[1])) * (180 / Math.PI) > TILTED) return "tilted";
  if (Math.abs(left - right) > TURNED * (left + right)) return "turned";
  return brightness < DARK ? "dark" : "good";
}

/** The mean of the green channel of RGBA pixels, every eighth of them. */
export function brightnessOf(pixels: Uint8ClampedArray): number {
  let sum = 0;
  let count = 0;
  for (let at = 1; at < pixels.length; at += 32) {
    sum += pixels[at]!;
    count += 1;
  }
  return count === 0 ? 0 : sum / count;
}
