import { useId } from "react";
import type { Named } from "../core/types";
import { capital } from "../language";

/**
 * One of several, folded into the browser's own list: it is the most familiar control on every device, and
 * phones open it as a wheel or a sheet.
 */
export function Pick({
  label, choices, value, empty, onChange, quietLabel = false,
}: {
  label: string;
  choices: readonly Named[];
  value: string | null;
  /** The words for "nothing said", or null where something must be chosen. */
  empty: string | null;
  onChange: (value: string | null) => void;
  quietLabel?: boolean;
}) {
  const id = useId();
  return (
    <div className="pick">
      <label htmlFor={id} className={quietLabel ? "unseen" : undefined}>
        {capital(label)}
      </label>
      <select id={id} value={value ?? ""} onChange={(event) => onChange(event.target.value || null)}>
        {empty !== null && <option value="">{capital(empty)}</option>}
        {choices.map((choice) => (
          <option key={choice.id} value={choice.id}>
            {capital(choice.name)}
          </option>
        ))}
      </select>
    </div>
  );
}
