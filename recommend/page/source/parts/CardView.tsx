import { Button, Disclosure, DisclosurePanel, Heading, ToggleButton } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Card } from "../core/types";
import { useWords } from "../language";
import { Arrow, Cross, Heart, Star } from "./Icons";
import { Swatches } from "./Swatches";
import { ValueBar } from "./ValueBar";
import { Vignette } from "./Vignette";

const STARTERS = 3;
/** Care is not a matter of taste: it is asked of everybody, so it cannot be disliked away. */
const CARE = "care";

/** One piece of advice: where, how, colours; and behind "why", the measure, the rule, and how sure it is. */
export function CardView({ card }: { card: Card }) {
  const { state, activate } = useAdviser();
  const all = useWords();
  const words = all.card;
  const domain = state.options?.domains.find(({ id }) => id === card.domain);
  const active = state.active === card.number;
  const starred = card.starred ?? card.rank <= STARTERS;
  return (
    <article
      className={active ? "card active" : "card"}
      data-card={card.number}
      data-rule={card.rule}
      aria-labelledby={`card-${card.number}`}
      style={{ borderInlineStartColor: domain?.colour }}
      onPointerEnter={(event) => event.pointerType === "mouse" && activate(card.number)}
      onPointerLeave={(event) => event.pointerType === "mouse" && activate(null)}
      onFocus={() => activate(card.number)}
      onClick={() => activate(card.number)}
    >
      <header className="card-head">
        <span className="number" style={{ backgroundColor: domain?.colour }} aria-hidden="true">
          {card.number}
        </span>
        <h2 id={`card-${card.number}`}>
          <span className="unseen">{card.number}. </span>
          {card.title}
        </h2>
        <p className="card-meta">
          {starred && (
            <span className="tag star-tag">
              <Star />
              {all.result.start}
            </span>
          )}
          {state.fresh.has(card.rule) && <span className="tag">{all.result.changed}</span>}
          <span>{domain?.name}</span>
          <span>{words.minutes(card.minutes)}</span>
        </p>
      </header>
      <div className="card-place">
        <Where card={card} />
        <Vignette card={card} colour={domain?.colour} />
      </div>
      <ol className="steps">
        {card.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <Swatches card={card} />
      {card.tools.length > 0 && (
        <p className="tools-needed">
          <span>{words.tools}</span> {card.tools.join(all.htmlLang === "en" ? ", " : "、")}
        </p>
      )}
      <p className="reason">{card.reason}</p>
      <Disclosure className="fold">
        <Heading level={3}>
          <Button slot="trigger" className="fold-button">
            <Arrow />
            {words.why}
          </Button>
        </Heading>
        <DisclosurePanel>
          <WhyPanel card={card} />
        </DisclosurePanel>
      </Disclosure>
      {card.domain !== CARE && <Reaction card={card} />}
    </article>
  );
}

function Where({ card }: { card: Card }) {
  const { colon, card: words } = useWords();
  if (card.where.length === 0) return <p className="where quiet">{words.noZone}</p>;
  return (
    <div className="where">
      {card.where.map((place) => (
        <p key={place.zone}>
          <strong>{place.name}</strong>
          {colon}
          {place.text}
        </p>
      ))}
      {card.where.some((place) => place.estimated_hairline) && <p className="quiet">{words.estimated}</p>}
    </div>
  );
}

function WhyPanel({ card }: { card: Card }) {
  const { colon, card: words } = useWords();
  return (
    <div className="why">
      {card.why.map((reason) => (
        <div key={reason.sentence} className="why-one">
          <p>{reason.sentence}</p>
          {reason.cuts && reason.value !== undefined && reason.low !== undefined && reason.high !== undefined && (
            <ValueBar value={reason.value} interval={[reason.low, reason.high]} cuts={reason.cuts} />
          )}
        </div>
      ))}
      <dl className="facts">
        <div>
          <dt>{words.sure}</dt>
          <dd>
            <meter min={0} max={1} value={card.confidence.value} aria-label={words.sure} />
            {card.confidence.word}
          </dd>
        </div>
        <div>
          <dt>{words.evidence}</dt>
          <dd>{card.evidence.word}</dd>
        </div>
        <div>
          <dt>{words.sources}</dt>
          <dd>{card.evidence.sources.join(" · ")}</dd>
        </div>
      </dl>
      {card.why_not.length > 0 && (
        <>
          <h4>{words.whyNot}</h4>
          <ul className="why-not">
            {card.why_not.map((other) => (
              <li key={other.rule}>
                <strong>{other.title}</strong>
                {colon}
                {other.reason}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Reaction({ card }: { card: Card }) {
  const { state, react } = useAdviser();
  const words = useWords().card;
  const liked = state.liked[card.rule];
  return (
    <div className="reaction" role="group" aria-label={card.title}>
      <ToggleButton className="react" isSelected={liked === true} onChange={() => liked !== true && void react(card.rule, true)}>
        <Heart />
        {words.like}
      </ToggleButton>
      <ToggleButton className="react" isSelected={liked === false} onChange={() => liked !== false && void react(card.rule, false)}>
        <Cross />
        {words.dislike}
      </ToggleButton>
    </div>
  );
}
