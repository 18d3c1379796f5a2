import { useEffect, useMemo, useRef, useState } from "react";
import { Button, ProgressBar } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Card } from "../core/types";
import { useWords } from "../language";
import { Arrow } from "./Icons";
import { Swatches } from "./Swatches";

interface Step {
  card: Card;
  step: number;
}

/** One step at a time in large words, with its zone enlarged on the photo. */
export function StepPlayer({ cards }: { cards: readonly Card[] }) {
  const { activate, state } = useAdviser();
  const { colon, player: words } = useWords();
  const steps = useMemo<Step[]>(() => cards.flatMap((card) => card.steps.map((_, step) => ({ card, step }))), [cards]);
  const [index, setIndex] = useState(0);
  const at = Math.min(index, steps.length - 1);
  const current = steps[at];
  const number = current?.card.number ?? null;
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    activate(number);
    return () => activate(null);
  }, [number, activate]);

  if (!current) return null;
  const { card, step } = current;
  const last = at === steps.length - 1;
  const go = (to: number) => setIndex(Math.min(Math.max(to, 0), steps.length - 1));
  const colour = state.options?.domains.find(({ id }) => id === card.domain)?.colour;
  return (
    <div
      className="player"
      ref={box}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight" || event.key === "ArrowDown") go(at + 1);
        else if (event.key === "ArrowLeft" || event.key === "ArrowUp") go(at - 1);
        else return;
        event.preventDefault();
      }}
    >
      <ProgressBar aria-label={words.progress} value={at + 1} minValue={0} maxValue={steps.length} className="player-progress">
        {({ percentage }) => <span className="player-done" style={{ width: `${percentage}%` }} />}
      </ProgressBar>
      <p className="player-place">
        <span className="number" style={{ backgroundColor: colour }} aria-hidden="true">
          {card.number}
        </span>
        <span>{words.place(card.number, cards.length)}</span>
        <span>{words.step(step + 1, card.steps.length)}</span>
      </p>
      <div aria-live="polite" className="player-words">
        <h2>{card.title}</h2>
        <p className="player-step">{card.steps[step]}</p>
        {last && <p className="quiet">{words.done}</p>}
      </div>
      {card.where.length > 0 && (
        <p className="where">
          {card.where.map((place) => (
            <span key={place.zone}>
              <strong>{place.name}</strong>
              {colon}
              {place.text}{" "}
            </span>
          ))}
        </p>
      )}
      <Swatches card={card} />
      <div className="row player-keys">
        <Button className="button large" isDisabled={at === 0} onPress={() => go(at - 1)}>
          <Arrow back />
          {words.back}
        </Button>
        {last ? (
          <Button className="button large primary" onPress={() => go(0)}>
            {words.again}
          </Button>
        ) : (
          <Button className="button large primary" onPress={() => go(at + 1)}>
            {words.next}
            <Arrow />
          </Button>
        )}
      </div>
      <p className="quiet">{words.keys}</p>
    </div>
  );
}
