import { useEffect, useId } from "react";
import { Button, DropZone, isFileDropItem } from "react-aria-components";
import { MAX_PHOTOS, useAdviser } from "../core/adviser";
import { ApiProblem } from "../core/api";
import { useWords } from "../language";
import { Lens, Picture } from "./Icons";
import { PhotoButton } from "./PhotoButton";

/** The start: what will happen, that nothing leaves, and four ways to give a photo. */
export function Welcome() {
  const { give, go, fail } = useAdviser();
  const words = useWords().welcome;
  const label = useId();

  const accept = (files: readonly Blob[]) => {
    const photos = files.filter((file) => file.type.startsWith("image/") || file.type === "");
    if (photos.length > 0) give(photos.slice(0, MAX_PHOTOS));
    else if (files.length > 0) fail(new ApiProblem("unsupported", ""));
  };

  // A photo can be pasted anywhere on the page, not only while the drop zone has the focus.
  useEffect(() => {
    const onPaste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      event.stopPropagation();
      accept(files);
    };
    document.addEventListener("paste", onPaste, { capture: true });
    return () => document.removeEventListener("paste", onPaste, { capture: true });
  });

  return (
    <div className="welcome">
      <section className="welcome-words">
        <h1>{words.heading}</h1>
        <p className="lead">{words.lead}</p>
        <ol className="journey">
          {words.steps.map(([name, text]) => (
            <li key={name}>
              <strong>{name}</strong>
              <span>{text}</span>
            </li>
          ))}
        </ol>
      </section>
      <DropZone
        className="drop"
        aria-labelledby={label}
        onDrop={async ({ items }) => accept(await Promise.all(items.filter(isFileDropItem).map((item) => item.getFile())))}
      >
        <FaceLines />
        <p className="drop-title" id={label}>
          {words.drop}
        </p>
        <p className="quiet">{words.dropHint}</p>
        <div className="row centred">
          <PhotoButton onPhotos={accept} className="button primary">
            <Picture />
            {words.choose}
          </PhotoButton>
          <Button className="button" onPress={() => go("camera")}>
            <Lens />
            {words.camera}
          </Button>
        </div>
        <p className="quiet small">{words.several}</p>
        <p className="promise">{words.private}</p>
      </DropZone>
    </div>
  );
}

/** A quiet drawing: the lines that are measured, on nobody's face. */
function FaceLines() {
  return (
    <svg className="face-lines" viewBox="0 0 120 140" aria-hidden="true">
      <path d="M18 52c-1 22 3 42 12 56 8 13 19 22 30 22s22-9 30-22c9-14 13-34 12-56" />
      <path d="M27 47c6-6 15-7 23-3M70 44c8-4 17-3 23 3" />
      <path d="M32 58c5-5 12-5 17 0-5 4-12 4-17 0zM71 58c5-5 12-5 17 0-5 4-12 4-17 0z" />
      <path d="M60 56v22M52 84c3 3 5 3 8 4 3-1 5-1 8-4" />
      <path d="M44 103c5-3 11-5 16-3 5-2 11 0 16 3-5 6-10 9-16 9s-11-3-16-9zM44 103c10 2 22 2 32 0" />
      <path className="zone" d="M27 72c8-1 14 3 15 9-6 4-12 3-15-9zM93 72c-8-1-14 3-15 9 6 4 12 3 15-9z" />
    </svg>
  );
}
