/** Paints the placement preview: the head as it is, and the same pixels tinted where the cards put colour. */

import { type Box, boundsOf, eyesAndMouth, frameOf, pathOf } from "./geometry";
import { tint } from "./tint";
import type { Card, Point } from "./types";

const MAX_WIDTH = 900;
/** How soft the edge of a part is, in distances between the eyes: as its brush or finger leaves it. */
const FEATHER: Record<string, number> = {
  base: 0.09, blush: 0.13, contour: 0.08, highlight: 0.07, brows: 0.02, eyes: 0.035, lips: 0.012, nose: 0.04, finish: 0.09,
};
/** A difference (ΔE2000) below this is not painted: the colour vanishes on the skin. */
const SEEN = 1;

export interface Painting {
  image: CanvasImageSource;
  head: Box;
  /** Width of the canvas on the page, in CSS pixels. */
  width: number;
  cards: readonly Card[];
  landmarks: readonly Point[];
  strength: number;
  before: HTMLCanvasElement;
  after: HTMLCanvasElement;
}

export function paintPlacement({ image, head, width, cards, landmarks, strength, before, after }: Painting): void {
  const scale = Math.min(MAX_WIDTH, width * Math.min(window.devicePixelRatio, 2)) / head.width;
  for (const canvas of [before, after]) {
    canvas.width = Math.round(head.width * scale);
    canvas.height = Math.round(head.height * scale);
  }
  const bare = before.getContext("2d")!;
  const painted = after.getContext("2d", { willReadFrequently: true })!;
  bare.drawImage(image, head.x, head.y, head.width, head.height, 0, 0, before.width, before.height);
  painted.drawImage(before, 0, 0);
  const openings = new Path2D(eyesAndMouth(landmarks));
  const unit = frameOf(landmarks).unit * scale;
  for (const card of cards) {
    const colour = card.colours[0];
    if (!colour || colour.difference < SEEN) continue;
    const outlines = card.where.flatMap((place) => place.outlines);
    if (outlines.length === 0) continue;
    const blur = (FEATHER[card.domain] ?? 0.04) * unit;
    const box = inside(boundsOf(outlines.flatMap(({ points }) => points)), head, scale, 3 * blur, after);
    if (!box) continue;
    const zone = new Path2D(outlines.map(pathOf).join(""));
    const mask = maskOf(zone, openings, box, head, scale, blur);
    const pixels = painted.getImageData(box.x, box.y, box.width, box.height);
    tint(pixels.data, mask, colour.bare, colour.on_skin, strength);
    painted.putImageData(pixels, box.x, box.y);
  }
}

/** The pixels of the canvas that a zone and its soft edge can touch. */
function inside(zone: Box, head: Box, scale: number, room: number, canvas: HTMLCanvasElement): Box | null {
  const left = Math.max(0, Math.floor((zone.x - head.x) * scale - room));
  const top = Math.max(0, Math.floor((zone.y - head.y) * scale - room));
  const right = Math.min(canvas.width, Math.ceil((zone.x + zone.width - head.x) * scale + room));
  const bottom = Math.min(canvas.height, Math.ceil((zone.y + zone.height - head.y) * scale + room));
  return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : null;
}

/** How much each pixel of `box` belongs to the zone: a soft edge, and nothing in the eyes or the mouth. */
function maskOf(zone: Path2D, openings: Path2D, box: Box, head: Box, scale: number, blur: number): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(box.width, box.height);
  const pen = canvas.getContext("2d")!;
  pen.setTransform(scale, 0, 0, scale, -head.x * scale - box.x, -head.y * scale - box.y);
  pen.filter = `blur(${Math.max(0.5, blur).toFixed(2)}px)`;
  pen.fill(zone, "evenodd");
  pen.filter = "blur(0.8px)";
  pen.globalCompositeOperation = "destination-out";
  pen.fill(openings);
  const { data } = pen.getImageData(0, 0, box.width, box.height);
  return Uint8ClampedArray.from({ length: box.width * box.height }, (_, pixel) => data[4 * pixel + 3]!);
}
