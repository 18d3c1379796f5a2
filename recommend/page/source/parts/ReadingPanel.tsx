import { useAdviser } from "../core/adviser";
import type { Attribute, Measurement } from "../core/types";
import { capital, useWords } from "../language";
import { AskedPick } from "./Answers";
import { Notices } from "./Notices";
import { Pick } from "./Pick";
import { ValueBar } from "./ValueBar";

/** What was measured, with intervals; what is undecided says so, and the person may decide it. */
export function ReadingPanel() {
  const { state } = useAdviser();
  const words = useWords().reading;
  const { look, options } = state;
  if (!look || !options) return null;
  const measured = options.attributes.filter(({ id }) => id in look.reading.measurements);
  const decided = measured.filter(({ id }) => look.reading.measurements[id]!.answer !== null).length;
  const estimated = options.attributes.filter(({ kind }) => kind === "estimated");
  const asked = options.attributes.filter(({ kind, id }) => kind === "asked" && id !== "minor");
  return (
    <div className="reading">
      <p>{words.lead}</p>
      <section>
        <h2>{words.photo}</h2>
        {look.notices.length === 0 && <p>{words.goodPhoto}</p>}
        <Notices />
      </section>
      <section>
        <h2>{words.summary}</h2>
        <dl className="facts wide">
          {(look.summary ?? []).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <div className="picks">
          {estimated.map((attribute) => (
            <Overrule key={attribute.id} attribute={attribute} />
          ))}
        </div>
      </section>
      <section>
        <h2>
          {words.measures} <span className="quiet">{words.decided(decided, measured.length)}</span>
        </h2>
        <ul className="measures">
          {measured.map((attribute) => (
            <Measure key={attribute.id} attribute={attribute} found={look.reading.measurements[attribute.id]!} />
          ))}
        </ul>
        <p className="quiet">{words.reference(look.reading.reference.people, words.referenceSet)}</p>
      </section>
      <section>
        <h2>{words.only}</h2>
        <div className="picks">
          {asked.map((attribute) => (
            <AskedPick key={attribute.id} attribute={attribute} />
          ))}
        </div>
      </section>
    </div>
  );
}

function Measure({ attribute, found }: { attribute: Attribute; found: Measurement }) {
  const { state } = useAdviser();
  const words = useWords().reading;
  const number = (value: number) => (attribute.unit === "degrees" ? `${value.toFixed(1)}°` : value.toFixed(2));
  const told = state.preferences?.confirmed[attribute.id];
  const decided = told ?? found.answer;
  const name = attribute.answers.find(({ id }) => id === decided)?.name;
  const why = found.undecided.includes("near_cut") ? words.nearCut : words.blocked;
  return (
    <li className={decided ? "measure" : "measure open"} data-attribute={attribute.id}>
      <h3>{capital(attribute.name)}</h3>
      <p className="measure-answer">
        {capital(name ?? words.undecided)}
        {told && <small> {words.told}</small>}
        {!decided && <small> {why}</small>}
      </p>
      <ValueBar value={found.value} interval={found.interval_90} cuts={found.cuts} />
      <p className="measure-figures">
        <strong>{number(found.value)}</strong> {words.interval(number(found.interval_90[0]), number(found.interval_90[1]))} ·{" "}
        {words.percentile(Math.round(found.percentile))}
      </p>
      <Overrule attribute={attribute} quietLabel />
    </li>
  );
}

/** The person's own word on an attribute, which outweighs the photo's. */
function Overrule({ attribute, quietLabel = false }: { attribute: Attribute; quietLabel?: boolean }) {
  const { state, confirm } = useAdviser();
  const words = useWords().reading;
  return (
    <Pick
      label={words.say(attribute.name)}
      quietLabel={quietLabel}
      choices={attribute.answers}
      value={state.preferences?.confirmed[attribute.id] ?? null}
      empty={words.asRead}
      onChange={(answer) => confirm(attribute.id, answer)}
    />
  );
}
