import { useEffect, useMemo, useRef, useState } from "react";
import { Slider, SliderThumb, SliderTrack, Label } from "react-aria-components";
import { useAdviser } from "../core/adviser";
import { headBox } from "../core/geometry";
import { paintPlacement } from "../core/placement";
import { ratioOf, useWidth } from "../core/size";
import type { Card } from "../core/types";
import { useWords } from "../language";

/** Of the cards' colour, in percent: one thin layer, as an ordinary day has it. */
const USUAL_STRENGTH = 70;

/** Without and with colour, with a divider that can be dragged. It tints; it never reshapes or smooths. */
export function PreviewFigure({ cards }: { cards: readonly Card[] }) {
  const { state } = useAdviser();
  const words = useWords().preview;
  const [divider, setDivider] = useState(50);
  const [strength, setStrength] = useState(USUAL_STRENGTH);
  const before = useRef<HTMLCanvasElement>(null);
  const after = useRef<HTMLCanvasElement>(null);
  const width = useWidth(before);
  const read = state.reading!.reading;
  const head = useMemo(() => headBox(read.landmarks, read.size), [read]);
  const landmarks = state.landmarks ?? read.landmarks;
  const url = state.photoUrl!;

  useEffect(() => {
    let current = true;
    const image = new Image();
    image.src = url;
    void image.decode().then(
      () => {
        if (!current || !before.current || !after.current) return;
        paintPlacement({ image, head, width, cards, landmarks, strength: strength / 100, before: before.current, after: after.current });
        after.current.dataset.painted = String(cards.length);
      },
      () => undefined,
    );
    return () => void (current = false);
  }, [url, head, width, cards, landmarks, strength]);

  return (
    <div className="preview" style={ratioOf(head)}>
      <div className="compare" style={{ aspectRatio: `${head.width} / ${head.height}` }}>
        <canvas ref={before} role="img" aria-label={words.describe} />
        <canvas ref={after} aria-hidden="true" style={{ clipPath: `inset(0 0 0 ${divider}%)` }} />
        <span className="corner start">{words.before}</span>
        <span className="corner end">{words.after}</span>
        <Slider
          className="divider"
          aria-label={words.slider}
          value={divider}
          onChange={setDivider}
          formatOptions={{ style: "decimal", maximumFractionDigits: 0 }}
        >
          <SliderTrack className="divider-track">
            <SliderThumb className="divider-thumb">
              <span className="divider-line" aria-hidden="true" />
            </SliderThumb>
          </SliderTrack>
        </Slider>
      </div>
      <Slider className="strength" value={strength} onChange={setStrength} maxValue={150} minValue={0} step={10}>
        <Label>{words.strength}</Label>
        <SliderTrack className="strength-track">
          <SliderThumb className="strength-thumb" />
        </SliderTrack>
      </Slider>
      <p className="preview-label">
        <strong>{words.label}.</strong> {words.note}
      </p>
    </div>
  );
}
