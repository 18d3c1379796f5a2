import { Disclosure, DisclosurePanel, Heading, Button, Radio, RadioGroup, Label, Switch } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Attribute, Choice, Named } from "../core/types";
import { capital, useWords } from "../language";
import { Arrow } from "./Icons";
import { Pick } from "./Pick";

const MINUTES = [5, 10, 20, 40];
const WISHES: Choice[] = ["style", "intent", "skill", "season"];

/** Everything the person may say; the first two fields are the two questions, the rest is optional. */
export function Answers() {
  const { state, prefer } = useAdviser();
  const { loading, questions: words } = useWords();
  const { options, preferences } = state;
  if (!options || !preferences) return <p className="quiet">{loading}</p>;
  const minutes = MINUTES.includes(preferences.minutes) ? MINUTES : [...MINUTES, preferences.minutes].sort((a, b) => a - b);
  return (
    <div className="answers">
      <Choices
        label={words.occasion}
        choices={options.choices.occasion}
        value={preferences.occasion}
        onChange={(occasion) => prefer({ occasion })}
      />
      <Choices
        label={words.minutes}
        choices={minutes.map((n) => ({ id: String(n), name: words.minutesValue(n) }))}
        value={String(preferences.minutes)}
        onChange={(n) => prefer({ minutes: Number(n) })}
      />
      <Disclosure className="fold">
        <Heading level={2}>
          <Button slot="trigger" className="fold-button">
            <Arrow />
            {words.more}
          </Button>
        </Heading>
        <DisclosurePanel>
          <More />
        </DisclosurePanel>
      </Disclosure>
    </div>
  );
}

function More() {
  const { state, prefer, confirm } = useAdviser();
  const words = useWords().questions;
  const options = state.options!;
  const preferences = state.preferences!;
  const asked = options.attributes.filter(({ kind, id }) => kind === "asked" && id !== "minor");
  const nameOf = (choice: Choice) => words.choices[choice];
  return (
    <div className="more">
      <p className="quiet">{words.moreLead}</p>
      <fieldset>
        <legend>{words.wishes}</legend>
        <div className="picks">
          {WISHES.map((choice) => (
            <Pick
              key={choice}
              label={nameOf(choice)}
              choices={options.choices[choice]}
              value={preferences[choice]}
              empty={choice === "season" ? words.unsaid : null}
              onChange={(value) => prefer({ [choice]: value })}
            />
          ))}
        </div>
      </fieldset>
      <fieldset>
        <legend>{words.skin}</legend>
        <div className="picks">
          {asked.map((attribute) => (
            <AskedPick key={attribute.id} attribute={attribute} />
          ))}
        </div>
      </fieldset>
      <Option label={words.nose} hint={words.noseHint} on={preferences.nose} onChange={(nose) => prefer({ nose })} />
      <Option
        label={words.minor}
        hint={words.minorHint}
        on={preferences.confirmed.minor === "yes"}
        onChange={(minor) => confirm("minor", minor ? "yes" : null)}
      />
    </div>
  );
}

export function AskedPick({ attribute }: { attribute: Attribute }) {
  const { state, confirm } = useAdviser();
  const words = useWords().questions;
  return (
    <Pick
      label={attribute.question ?? attribute.name}
      choices={attribute.answers}
      value={state.preferences?.confirmed[attribute.id] ?? null}
      empty={words.unsaid}
      onChange={(answer) => confirm(attribute.id, answer)}
    />
  );
}

function Choices({
  label, choices, value, onChange,
}: {
  label: string;
  choices: Named[];
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <RadioGroup className="choices" value={value} onChange={onChange}>
      <Label className="question">{label}</Label>
      <div className="chips">
        {choices.map(({ id, name }) => (
          <Radio key={id} value={id} className="chip">
            {capital(name)}
          </Radio>
        ))}
      </div>
    </RadioGroup>
  );
}

function Option({ label, hint, on, onChange }: { label: string; hint: string; on: boolean; onChange: (on: boolean) => void }) {
  return (
    <Switch className="switch" isSelected={on} onChange={onChange}>
      <span className="switch-track" aria-hidden="true" />
      <span>
        {label}
        <small>{hint}</small>
      </span>
    </Switch>
  );
}
