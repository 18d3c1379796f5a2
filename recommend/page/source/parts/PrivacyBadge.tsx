import { useEffect, useId, useRef, useState } from "react";
import { Button } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { NO_TRAFFIC, type Traffic, watchTraffic } from "../core/sent";
import type { Status } from "../core/types";
import { useWords } from "../language";
import { FeedbackPanel } from "./FeedbackPanel";
import { Shield } from "./Icons";

/** How much left this device, always in view; behind it how that is counted, and how to be forgotten. */
export function PrivacyBadge() {
  const { api, state } = useAdviser();
  const words = useWords();
  const [traffic, setTraffic] = useState<Traffic>(NO_TRAFFIC);
  const [status, setStatus] = useState<Status | null>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const [open, setOpen] = useState(false);

  useEffect(() => watchTraffic(setTraffic), []);

  // After every answer the adviser's own count is asked for anew.
  useEffect(() => {
    let current = true;
    api.status().then(
      (answer) => current && setStatus(answer),
      () => current && setStatus(null),
    );
    return () => void (current = false);
  }, [api, state.reading, state.phase, state.problem, open]);

  const bytes = (status?.bytes_sent_off_device ?? 0) + traffic.remoteBytes;
  const alarm = traffic.remote > 0 || bytes > 0;
  const label = traffic.remote > 0 ? words.privacy.badgeAlarm(traffic.remote) : words.privacy.badge(words.bytes(bytes));

  return (
    <>
      <Button
        className={alarm ? "badge alarm" : "badge"}
        aria-haspopup="dialog"
        data-remote={traffic.remote}
        data-bytes={bytes}
        onPress={() => {
          setOpen(true);
          dialog.current?.showModal();
        }}
      >
        <Shield />
        <span>{label}</span>
      </Button>
      <dialog
        ref={dialog}
        className="panel"
        aria-labelledby="privacy-heading"
        onClose={() => setOpen(false)}
        onClick={(event) => event.target === dialog.current && dialog.current.close()}
      >
        {open && <PrivacyPanel traffic={traffic} status={status} close={() => dialog.current?.close()} />}
      </dialog>
    </>
  );
}

function PrivacyPanel({ traffic, status, close }: { traffic: Traffic; status: Status | null; close: () => void }) {
  const { forget } = useAdviser();
  const words = useWords();
  const { privacy } = words;
  const rows: [string, string][] = [
    [privacy.server, status ? words.bytes(status.bytes_sent_off_device) : privacy.unknown],
    [privacy.remote, String(traffic.remote)],
    [privacy.remoteBytes, words.bytes(traffic.remoteBytes)],
    [privacy.refused, String(traffic.refused.length)],
    [privacy.localLabel, privacy.local(traffic.local, words.bytes(traffic.localBytes))],
    [privacy.memory, status ? String(status.readings_in_memory) : privacy.unknown],
  ];
  const hint = useId();
  const end = async (likesToo: boolean) => {
    await forget(likesToo);
    close();
  };
  return (
    <div className="panel-body">
      <h2 id="privacy-heading">{privacy.heading}</h2>
      <dl className="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {traffic.refused.length > 0 && <p className="quiet">{traffic.refused.join(" · ")}</p>}
      <p className="quiet">{privacy.how}</p>
      <div className="panel-end">
        <div className="row">
          <Button className="button" onPress={() => void end(false)}>
            {privacy.forgetPhoto}
          </Button>
          <Button className="button danger" aria-describedby={hint} onPress={() => void end(true)}>
            {privacy.forget}
          </Button>
        </div>
        <p id={hint} className="quiet">
          {privacy.forget}
          {words.colon}
          {privacy.forgetHint}
        </p>
      </div>
      <FeedbackPanel />
      <div className="row end">
        <a className="quiet small" href="assets/licences.txt" target="_blank" rel="noreferrer">
          {privacy.licences}
        </a>
        <Button className="button" onPress={close}>
          {privacy.close}
        </Button>
      </div>
    </div>
  );
}
