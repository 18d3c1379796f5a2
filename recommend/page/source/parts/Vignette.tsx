import { useMemo } from "react";
import { useAdviser } from "../core/adviser";
import { boundsOf, headBox, outlinesOf, pathOf, zoomBox } from "../core/geometry";
import type { Card } from "../core/types";

/** A small cut-out of the photo with the card's zone, for narrow windows, where the photo is far above the card. */
export function Vignette({ card, colour }: { card: Card; colour: string | undefined }) {
  const { state } = useAdviser();
  const read = state.reading?.reading;
  const outlines = outlinesOf(card);
  const box = useMemo(() => {
    if (!read || outlines.length === 0) return null;
    const head = headBox(read.landmarks, read.size);
    return zoomBox(boundsOf(outlines.flatMap(({ points }) => points)), head, 1.4, 0.5);
  }, [read, outlines]);
  if (!read || !box || !state.photoUrl) return null;
  return (
    <svg className="vignette" viewBox={`${box.x} ${box.y} ${box.width} ${box.height}`} aria-hidden="true">
      <image href={state.photoUrl} width={read.size[0]} height={read.size[1]} preserveAspectRatio="none" />
      {outlines.map((outline, index) => (
        <path key={index} d={pathOf(outline)} fill={colour} fillOpacity={0.22} fillRule="evenodd" stroke={colour} />
      ))}
    </svg>
  );
}
