import { useEffect, useRef } from "react";
import { useAdviser } from "../core/adviser";
import type { Card } from "../core/types";
import { useWords } from "../language";
import { CardView } from "./CardView";

/** The cards in the order in which they are put on; the one that is active on the photo is brought into view. */
export function CardList({ cards }: { cards: readonly Card[] }) {
  const { state } = useAdviser();
  const words = useWords().result;
  const list = useRef<HTMLOListElement>(null);
  const { active } = state;

  useEffect(() => {
    if (active === null) return;
    const card = list.current?.querySelector<HTMLElement>(`[data-card="${active}"]`);
    // A card that the pointer or the focus is on is in view already.
    if (!card || card.matches(":hover, :focus-within")) return;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    card.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }, [active]);

  if (cards.length === 0) return <p className="note">{words.empty}</p>;
  return (
    <ol className="cards" ref={list}>
      {cards.map((card) => (
        <li key={card.rule}>
          <CardView card={card} />
        </li>
      ))}
    </ol>
  );
}
