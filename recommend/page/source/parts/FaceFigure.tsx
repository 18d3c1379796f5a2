import { useMemo, useRef } from "react";
import { useAdviser } from "../core/adviser";
import {
  type Box, boundsOf, estimatedHairline, headBox, type Label, outlinesOf, placeLabels, zoomBox,
} from "../core/geometry";
import { GROUPS, type GroupName } from "../core/handles";
import { ratioOf, useWidth } from "../core/size";
import type { Card, Point } from "../core/types";
import { useWords } from "../language";
import { Handles, Mesh } from "./Handles";
import { Zones } from "./Zones";

/** The least distance between two numbers in a margin, in CSS pixels: larger than the target of 26. */
const ROW = 31;
/** The share of the figure's width that each margin takes; styles/face.css has the same. */
const MARGIN = 0.115;

/** The person's photo with the zones of the cards on it, numbered; or with points that can be moved. */
export function FaceFigure({
  cards, zoomed, group, onPick,
}: {
  cards: readonly Card[];
  /** Zoom to the zones of the active card. */
  zoomed: boolean;
  /** The group of landmarks that can be moved, or null. */
  group: GroupName | null;
  onPick: (card: Card) => void;
}) {
  const { state, activate } = useAdviser();
  const { result: words, points: { figure: pointsFigure } } = useWords();
  const svg = useRef<SVGSVGElement>(null);
  const width = useWidth(svg);
  const read = state.reading!.reading;
  const landmarks = state.landmarks ?? read.landmarks;
  const hairline = state.hairline ?? state.look?.hairline ?? estimatedHairline(landmarks);
  // The frame follows the first reading, not the hand: the picture must not move under a dragged point.
  const head = useMemo(() => headBox(read.landmarks, read.size), [read]);
  const active = cards.find(({ number }) => number === state.active) ?? null;
  const box = useMemo(() => viewOf(head, read.landmarks, zoomed ? active : null, group), [head, read, zoomed, active, group]);
  const numbered = !zoomed && group === null;
  const labels = useMemo(
    () => (numbered ? placeLabels(cards, head, (ROW * head.width) / width) : []),
    [numbered, cards, head, width],
  );
  const scale = head.width / box.width;
  const choose = (card: Card) => {
    activate(card.number === state.active ? null : card.number);
    onPick(card);
  };
  return (
    <div className={numbered ? "figure numbered" : "figure"} style={ratioOf(head)}>
      <svg
        ref={svg}
        className="photo"
        viewBox={`${head.x} ${head.y} ${head.width} ${head.height}`}
        role="img"
        aria-label={group ? pointsFigure : words.figure(cards.length)}
      >
        <clipPath id="frame">
          <rect {...head} rx={(12 * head.width) / width} />
        </clipPath>
        <g clipPath="url(#frame)">
          <g
            className="zoom"
            style={{
              transform: `translate(${head.x - box.x * scale}px, ${head.y - box.y * scale}px) scale(${scale})`,
            }}
          >
            <image href={state.photoUrl!} width={read.size[0]} height={read.size[1]} preserveAspectRatio="none" />
            <Zones
              cards={cards}
              landmarks={landmarks}
              domains={state.options?.domains ?? []}
              active={state.active}
              pixel={box.width / width}
              onHover={zoomed ? undefined : activate}
              onPick={zoomed ? undefined : choose}
            />
            {group && <Mesh landmarks={landmarks} hairline={hairline} group={group} />}
          </g>
        </g>
        {labels.map((label) => (
          <Leader key={label.card.rule} label={label} head={head} dim={state.active !== null && label.card !== active} colour={colourOf(label.card)} />
        ))}
      </svg>
      {labels.map((label) => (
        <button
          key={label.card.rule}
          type="button"
          className={`number ${label.side}`}
          style={{ top: `${((label.row - head.y) / head.height) * 100}%`, backgroundColor: colourOf(label.card) }}
          aria-label={words.showCard(label.card.number, label.card.title)}
          aria-pressed={label.card === active}
          onPointerEnter={(event) => event.pointerType === "mouse" && activate(label.card.number)}
          onClick={() => choose(label.card)}
        >
          {label.card.number}
        </button>
      ))}
      {group && <Handles box={box} width={width} landmarks={landmarks} hairline={hairline} group={group} />}
    </div>
  );

  function colourOf(card: Card): string {
    return state.options?.domains.find(({ id }) => id === card.domain)?.colour ?? "#5a6b74";
  }
}

/** What part of the head to show: all of it, the zones of one card, or a group of landmarks. */
function viewOf(head: Box, landmarks: readonly Point[], card: Card | null, group: GroupName | null): Box {
  if (group === "hairline") return zoomBox(boundsOf([estimatedHairline(landmarks), landmarks[17]!, landmarks[26]!]), head, 1.5, 0.8);
  if (group) return zoomBox(boundsOf(GROUPS[group].flat().map((index) => landmarks[index]!)), head, 1.4, 0.24);
  const outlines = card ? outlinesOf(card) : [];
  return outlines.length > 0 ? zoomBox(boundsOf(outlines.flatMap(({ points }) => points)), head, 1.5, 0.45) : head;
}

function Leader({ label, head, dim, colour }: { label: Label; head: Box; dim: boolean; colour: string }) {
  const margin = (MARGIN / (1 - 2 * MARGIN)) * head.width;
  const from = label.side === "left" ? head.x - margin / 2 : head.x + head.width + margin / 2;
  const line = { x1: from, y1: label.row, x2: label.target[0], y2: label.target[1] };
  return (
    <g className={dim ? "leader dim" : "leader"} aria-hidden="true">
      <line {...line} className="halo" />
      <line {...line} stroke={colour} />
      <circle cx={line.x2} cy={line.y2} r={head.width / 150} fill={colour} />
    </g>
  );
}
