import { useMemo } from "react";
import { eyesAndMouth, pathOf, usedZones, WIDE_ZONES } from "../core/geometry";
import type { Card, Domain, Point } from "../core/types";
import { Hatches } from "./Hatches";

/** The zones of the cards over the photo: the pattern and line of their part; the active card's stand out. */
export function Zones({
  cards, landmarks, domains, active, pixel, onHover, onPick,
}: {
  cards: readonly Card[];
  landmarks: readonly Point[];
  domains: readonly Domain[];
  active: number | null;
  /** How many pixels of the photo one CSS pixel shows. */
  pixel: number;
  onHover: ((card: number | null) => void) | undefined;
  onPick: ((card: Card) => void) | undefined;
}) {
  const zones = useMemo(() => usedZones(cards), [cards]);
  const openings = useMemo(() => eyesAndMouth(landmarks), [landmarks]);
  const colours = new Map(domains.map(({ id, colour }) => [id, colour]));
  return (
    <>
      <Hatches domains={domains} prefix="zone" scale={pixel} />
      {zones.map(({ zone, cards: users, outlines }) => {
        const lit = users.find(({ number }) => number === active);
        const card = lit ?? users[0]!;
        const colour = colours.get(card.domain) ?? "#5a6b74";
        const wide = WIDE_ZONES.has(zone);
        const quiet = active !== null && !lit;
        return (
          <g
            key={zone}
            className={lit ? "zone lit" : quiet ? "zone quiet" : "zone"}
            data-zone={zone}
            data-cards={users.map(({ number }) => number).join(" ")}
            onPointerEnter={(event) => event.pointerType === "mouse" && !wide && onHover?.(card.number)}
            onPointerLeave={(event) => event.pointerType === "mouse" && !wide && onHover?.(null)}
            onClick={() => !wide && onPick?.(card)}
          >
            {outlines.map((outline, index) => {
              // Large areas go around the eyes and the mouth, also where the outline does not say so.
              const whole = wide && !outline.holes?.length ? pathOf(outline) + openings : pathOf(outline);
              const fill = wide && !lit ? "none" : `url(#zone-${card.domain})`;
              return (
                <g key={index}>
                  <path d={pathOf(outline)} className="halo" />
                  <path d={whole} fill={fill} fillRule="evenodd" stroke={colour} className="edge" />
                </g>
              );
            })}
          </g>
        );
      })}
    </>
  );
}
