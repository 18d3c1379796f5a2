import { Button, ProgressBar } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { useWords } from "../language";
import { Answers } from "./Answers";
import { Arrow } from "./Icons";
import { Notices } from "./Notices";

/** Two questions while the photo is read; whatever else could be told is folded away. */
export function Questions() {
  const { state, showResult, go } = useAdviser();
  const words = useWords();
  return (
    <div className="questions">
      <div className="questions-words">
        <h1>{words.questions.heading}</h1>
        <p className="lead">{words.questions.lead}</p>
        <PhotoState />
      </div>
      <div className="sheet-box">
        <Answers />
        <div className="row end">
          <Button className="button" onPress={() => go("welcome")}>
            {words.questions.another}
          </Button>
          <Button className="button primary" isDisabled={!state.reading} onPress={showResult}>
            {words.questions.show}
            <Arrow />
          </Button>
        </div>
      </div>
    </div>
  );
}

function PhotoState() {
  const { state } = useAdviser();
  const words = useWords().questions;
  if (state.busy === "reading") {
    return (
      <ProgressBar isIndeterminate aria-label={words.reading} className="working">
        <span className="working-line" aria-hidden="true" />
        <span>{words.reading}</span>
      </ProgressBar>
    );
  }
  if (!state.reading || !state.photoUrl) return null;
  return (
    <>
      <figure className="photo-read">
        <img src={state.photoUrl} alt="" />
        <figcaption role="status">{words.ready}</figcaption>
      </figure>
      <Notices />
    </>
  );
}
