import { useMove } from "react-aria/useMove";
import { useAdviser } from "../core/adviser";
import { type Box, boundsOf, frameOf } from "../core/geometry";
import { type GroupName, GROUPS, moved, samePoints, STROKES } from "../core/handles";
import type { Point } from "../core/types";
import { useWords } from "../language";

/** Steps of the arrow keys, in hundredths of the distance between the eyes. */
const STEP = 1;
const LARGE_STEP = 5;
/** In CSS pixels. */
const BELOW = 34;

/** The points of one group as buttons that can be dragged, or moved by the arrow keys. */
export function Handles({
  box, width, landmarks, hairline, group,
}: {
  box: Box;
  width: number;
  landmarks: readonly Point[];
  hairline: Point;
  group: GroupName;
}) {
  const { state, move } = useAdviser();
  const words = useWords().points;
  const read = state.reading!.reading;
  const perPixel = box.width / width;
  const unit = frameOf(read.landmarks).unit / 100;
  const name = words.groups[group];

  const shift = (indices: readonly number[], by: Point) => {
    const next = moved(landmarks, indices, by, read.size);
    move(samePoints(next, read.landmarks) ? null : next, state.hairline);
  };
  const common = { box, perPixel, unit };
  if (group === "hairline") {
    return (
      <Handle
        {...common}
        at={hairline}
        label={words.hairline}
        onShift={([, dy]) => move(state.landmarks, [hairline[0], Math.min(Math.max(hairline[1] + dy, 0), read.size[1] - 1)])}
      />
    );
  }
  const entries = GROUPS[group];
  const all = entries.flat().map((index) => landmarks[index]!);
  return (
    <>
      {entries.map((indices, index) => (
        <Handle
          key={indices[0]}
          {...common}
          at={middle(indices.map((one) => landmarks[one]!))}
          label={words.handle(name, index + 1, entries.length)}
          onShift={(by) => shift(indices, by)}
        />
      ))}
      {group !== "lip_line" && (
        <Handle {...common} whole at={group.startsWith("jaw") ? inward(all, hairline, BELOW * perPixel) : below(all, BELOW * perPixel)} label={words.whole(name)} onShift={(by) => shift(entries.flat(), by)} />
      )}
    </>
  );
}

/** Where the handle of a whole part is: under it, clear of its points. */
function below(points: readonly Point[], distance: number): Point {
  const { x, y, width, height } = boundsOf(points);
  return [x + width / 2, y + height + distance];
}

/** A side of the jaw has its handle towards the middle of the face. */
function inward(points: readonly Point[], towards: Point, distance: number): Point {
  const [x, y] = middle(points);
  return [x + Math.sign(towards[0] - x) * distance, y];
}

function middle(points: readonly Point[]): Point {
  const sum = points.reduce<[number, number]>(([x, y], [px, py]) => [x + px, y + py], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

function Handle({
  at, label, box, perPixel, unit, whole = false, onShift,
}: {
  at: Point;
  label: string;
  box: Box;
  perPixel: number;
  unit: number;
  whole?: boolean;
  onShift: (by: Point) => void;
}) {
  const words = useWords().points;
  const { moveProps } = useMove({
    onMove: ({ deltaX, deltaY, pointerType, shiftKey }) => {
      const factor = pointerType === "keyboard" ? unit * (shiftKey ? LARGE_STEP : STEP) : perPixel;
      onShift([deltaX * factor, deltaY * factor]);
    },
  });
  // A point that leaves the enlarged part stays at its edge: it must not take the focus with it.
  const share = (value: number, from: number, size: number) => Math.min(Math.max(((value - from) / size) * 100, 0), 100);
  const place = [share(at[0], box.x, box.width), share(at[1], box.y, box.height)] as const;
  return (
    <button
      type="button"
      className={whole ? "handle whole" : "handle"}
      style={{ left: `${place[0]}%`, top: `${place[1]}%` }}
      aria-label={`${label} (${words.at(Math.round(at[0]), Math.round(at[1]))})`}
      aria-describedby="points-keys"
      {...moveProps}
    />
  );
}

/** The lines through all landmarks, and the hairline. */
export function Mesh({ landmarks, hairline, group }: { landmarks: readonly Point[]; hairline: Point; group: GroupName }) {
  const { unit, up } = frameOf(landmarks);
  const right: Point = [-up[1], up[0]];
  const reach = 0.9 * unit;
  const drop = 0.22 * unit;
  const end = (sign: number): Point => [
    hairline[0] + right[0] * sign * reach - up[0] * drop,
    hairline[1] + right[1] * sign * reach - up[1] * drop,
  ];
  const [a, b] = [end(-1), end(1)];
  const control: Point = [2 * hairline[0] - (a[0] + b[0]) / 2, 2 * hairline[1] - (a[1] + b[1]) / 2];
  const inGroup = new Set(GROUPS[group].flat());
  const curve = `M${a.join(" ")}Q${control.join(" ")} ${b.join(" ")}`;
  return (
    <g className="mesh" aria-hidden="true">
      {STROKES.map((stroke, index) => {
        const d = `M${stroke.map((one) => landmarks[one]!.join(" ")).join("L")}`;
        const strong = stroke.some((one) => inGroup.has(one));
        return (
          <g key={index} className={strong ? "strong" : ""}>
            <path d={d} className="halo" />
            <path d={d} />
          </g>
        );
      })}
      <g className={group === "hairline" ? "strong" : ""}>
        <path d={curve} className="halo" />
        <path d={curve} className="guess" />
      </g>
    </g>
  );
}
