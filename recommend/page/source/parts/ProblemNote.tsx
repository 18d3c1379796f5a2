import { useEffect, useRef } from "react";
import { Button } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import type { Problem } from "../core/state";
import { useWords, type Words } from "../language";
import { PhotoButton } from "./PhotoButton";

type Known = Exclude<keyof Words["problem"], "retry" | "choose" | "camera" | "back" | "dismiss">;

/** Problems that another photo can mend; for the others trying again is the way. */
const ABOUT_THE_PHOTO = new Set(["NoFaceError", "SeveralFacesError", "UnreadableImageError", "ImageTooLargeError", "unsupported", "dark"]);

/** What went wrong in plain words, what to do, and buttons that do it: never a dead end. */
export function ProblemNote({ problem }: { problem: Problem }) {
  const { state, retry, go, give } = useAdviser();
  const words = useWords().problem;
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: false }), [problem]);

  const known = problem.kind in words && problem.kind !== "other";
  const [title, next] = known ? words[problem.kind as Known] : [problem.message || words.other[0]!, problem.next || words.other[1]!];
  const photo = ABOUT_THE_PHOTO.has(problem.kind);
  return (
    <section className="note problem" role="alert" tabIndex={-1} ref={box} data-kind={problem.kind}>
      <h2>{title}</h2>
      <p>{next}</p>
      <div className="row">
        {photo ? (
          <PhotoButton onPhotos={give} className="button primary">
            {words.choose}
          </PhotoButton>
        ) : (
          <Button className="button primary" onPress={retry}>
            {words.retry}
          </Button>
        )}
        {state.phase !== "camera" && photo && (
          <Button className="button" onPress={() => go("camera")}>
            {words.camera}
          </Button>
        )}
        {state.phase !== "welcome" && (
          <Button className="button" onPress={() => go("welcome")}>
            {words.back}
          </Button>
        )}
      </div>
    </section>
  );
}
