import { ToggleButton } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Card } from "../core/types";
import { useWords } from "../language";
import { Hatches } from "./Hatches";

/** The key to colours and patterns, which also shows and hides the parts. */
export function Legend({
  cards, hidden, onHidden,
}: {
  cards: readonly Card[];
  hidden: ReadonlySet<string>;
  onHidden: (hidden: ReadonlySet<string>) => void;
}) {
  const { state } = useAdviser();
  const words = useWords().result;
  const used = new Set(cards.filter(({ where }) => where.length > 0).map(({ domain }) => domain));
  const domains = (state.options?.domains ?? []).filter(({ id }) => used.has(id));
  return (
    <div className="legend" role="group" aria-label={`${words.legend}. ${words.legendHint}`}>
      {domains.map(({ id, name }) => (
        <ToggleButton
          key={id}
          className="legend-item"
          isSelected={!hidden.has(id)}
          onChange={(on) => {
            const next = new Set(hidden);
            if (on) next.delete(id);
            else next.add(id);
            onHidden(next);
          }}
        >
          <svg className="key" viewBox="0 0 26 16" aria-hidden="true">
            <Hatches domains={domains.filter((domain) => domain.id === id)} prefix="key" scale={0.8} />
            <rect x="0.75" y="0.75" width="24.5" height="14.5" rx="3" fill={`url(#key-${id})`} className={`line domain-${id}`} />
          </svg>
          {name}
        </ToggleButton>
      ))}
    </div>
  );
}
