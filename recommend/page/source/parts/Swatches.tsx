import type { Card } from "../core/types";
import { useWords } from "../language";

/** A smaller difference (ΔE2000) than this nobody sees: the colour vanishes on the skin, as it should. */
const SEEN = 1;

/** The colours of a card: the product, and the skin without and with it. Every swatch has its words. */
export function Swatches({ card }: { card: Card }) {
  const words = useWords().card;
  if (card.colours.length === 0) return null;
  return (
    <ul className="swatches">
      {card.colours.map((tint) => (
        <li key={tint.name}>
          <span className="swatch" aria-hidden="true">
            <i style={{ backgroundColor: tint.product }} />
            <i style={{ backgroundColor: tint.bare }} />
            <i style={{ backgroundColor: tint.on_skin }} />
          </span>
          <span>
            {tint.name}
            <small>
              {words.product} <code>{tint.product}</code> · {tint.difference < SEEN ? words.invisible : `${words.bare} → ${words.on}`}
            </small>
          </span>
        </li>
      ))}
    </ul>
  );
}
