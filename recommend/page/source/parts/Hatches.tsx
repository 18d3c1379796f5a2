import type { Domain } from "../core/types";

/** A pattern for every part of the face, the same as on the printed sheet (recommend/sheet.py): [angle, kind, step]. */
const HATCHES: Record<string, [number, "line" | "dots" | "cross", number]> = {
  base: [45, "line", 14],
  blush: [-45, "line", 9],
  contour: [90, "line", 7],
  highlight: [0, "dots", 9],
  brows: [60, "line", 6],
  eyes: [-30, "line", 7],
  lips: [0, "line", 7],
  nose: [0, "cross", 10],
  finish: [0, "dots", 13],
  care: [0, "cross", 12],
};

export function Hatches({ domains, prefix, scale }: { domains: readonly Domain[]; prefix: string; scale: number }) {
  return (
    <defs>
      {domains.map(({ id, colour }) => {
        const [angle, kind, step] = HATCHES[id] ?? [45, "line", 10];
        const half = step / 2;
        const path = {
          line: `M0 ${half}H${step}`,
          dots: `M${half - 0.8} ${half}h1.6`,
          cross: `M0 ${half}H${step}M${half} 0V${step}`,
        }[kind];
        return (
          <pattern
            key={id}
            id={`${prefix}-${id}`}
            width={step}
            height={step}
            patternUnits="userSpaceOnUse"
            patternTransform={`scale(${scale.toFixed(4)}) rotate(${angle})`}
          >
            <rect width={step} height={step} fill={colour} fillOpacity={0.16} />
            <path d={path} stroke={colour} strokeWidth={kind === "dots" ? 2.2 : 1.1} fill="none" />
          </pattern>
        );
      })}
    </defs>
  );
}
