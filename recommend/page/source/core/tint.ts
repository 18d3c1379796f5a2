/**
 * The placement preview: pixels inside a mask take on a card's colour, everything else stays as it is.
 *
 * Each pixel is multiplied, in linear light, by the ratio of the colour on the skin to the bare skin, so
 * texture and shading stay. No pixel moves and none is averaged with its neighbours: nothing is reshaped,
 * nothing smoothed.
 */

const TO_LINEAR = Float32Array.from({ length: 256 }, (_, value) => {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
});

function toByte(linear: number): number {
  const share = Math.min(Math.max(linear, 0), 1);
  return Math.round(255 * (share <= 0.0031308 ? 12.92 * share : 1.055 * share ** (1 / 2.4) - 0.055));
}

export function channels(hex: string): [number, number, number] {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** How each channel of the bare skin changes, in linear light; bounded, as dark channels divide badly. */
export function ratios(bare: string, onSkin: string): [number, number, number] {
  const from = channels(bare);
  const to = channels(onSkin);
  const one = (i: 0 | 1 | 2) => Math.min((TO_LINEAR[to[i]]! + 0.002) / (TO_LINEAR[from[i]]! + 0.002), 4);
  return [one(0), one(1), one(2)];
}

/** Tint `pixels` (RGBA) in place where `mask` (one byte a pixel) is above zero. */
export function tint(
  pixels: Uint8ClampedArray,
  mask: Uint8ClampedArray,
  bare: string,
  onSkin: string,
  strength = 1,
): void {
  const ratio = ratios(bare, onSkin);
  mask.forEach((cover, pixel) => {
    if (cover === 0) return;
    const share = (cover / 255) * strength;
    for (let channel = 0; channel < 3; channel += 1) {
      const at = 4 * pixel + channel;
      const linear = TO_LINEAR[pixels[at]!]!;
      pixels[at] = toByte(linear * (1 + (ratio[channel]! - 1) * share));
    }
  });
}
