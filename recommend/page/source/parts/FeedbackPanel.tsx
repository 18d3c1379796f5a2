import { useEffect, useState } from "react";
import { Button, Switch } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { save } from "../core/save";
import type { FeedbackState } from "../core/types";
import { useWords } from "../language";

/** What was liked: how much is kept, a copy of it, its end, and whether it takes part in shared learning. */
export function FeedbackPanel() {
  const { api } = useAdviser();
  const words = useWords().feedback;
  const [kept, setKept] = useState<FeedbackState | null>(null);
  const [asking, setAsking] = useState(false);
  const [said, setSaid] = useState("");

  useEffect(() => {
    let current = true;
    api.feedback().then(
      (answer) => current && setKept(answer),
      () => current && setKept(null),
    );
    return () => void (current = false);
  }, [api, said]);

  if (!kept) return null;

  const attempt = (work: Promise<unknown>, done: string) =>
    work.then(
      () => setSaid(done),
      () => setSaid(words.failed),
    );

  return (
    <section className="feedback">
      <h3>{words.heading}</h3>
      <p>{words.lead}</p>
      <p className="count">{words.count(kept.count)}</p>
      <div className="row">
        <Button
          className="button small"
          onPress={() =>
            void attempt(
              api.exportFeedback().then((blob) => save(blob, "mien-feedback.json")),
              words.exported,
            )
          }
        >
          {words.export}
        </Button>
        {asking ? (
          <span className="row" role="group" aria-label={words.resetSure}>
            <span>{words.resetSure}</span>
            <Button
              className="button small danger"
              onPress={() => {
                setAsking(false);
                void attempt(api.resetFeedback(), words.resetDone);
              }}
            >
              {words.resetYes}
            </Button>
            <Button className="button small" autoFocus onPress={() => setAsking(false)}>
              {words.resetNo}
            </Button>
          </span>
        ) : (
          <Button className="button small" onPress={() => setAsking(true)}>
            {words.reset}
          </Button>
        )}
      </div>
      <Switch
        className="switch"
        isSelected={kept.sharing}
        onChange={(on) => {
          setKept({ ...kept, sharing: on });
          api.share(on).catch(() => {
            setKept({ ...kept, sharing: !on });
            setSaid(words.failed);
          });
        }}
      >
        <span className="switch-track" aria-hidden="true" />
        <span>
          {words.sharing}
          <small>{words.sharingHint}</small>
        </span>
      </Switch>
      <p role="status" className="quiet">
        {said}
      </p>
    </section>
  );
}
