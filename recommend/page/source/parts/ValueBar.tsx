/**
 * A measure as a line: the middle band of the reference group, the likely interval, the value. Decoration beside
 * the sentence that says the same.
 */
export function ValueBar({
  value, interval, cuts,
}: {
  value: number;
  interval: readonly [number, number];
  cuts: readonly [number, number];
}) {
  const band = cuts[1] - cuts[0] || 1;
  const low = Math.min(cuts[0] - band * 0.8, interval[0]);
  const high = Math.max(cuts[1] + band * 0.8, interval[1]);
  const at = (x: number) => 2 + (196 * (x - low)) / (high - low);
  return (
    <svg className="value-bar" viewBox="0 0 200 20" preserveAspectRatio="none" aria-hidden="true">
      <rect className="track" x="0" y="8" width="200" height="4" rx="2" />
      <rect className="band" x={at(cuts[0])} y="5" width={at(cuts[1]) - at(cuts[0])} height="10" rx="1" />
      <line className="interval" x1={at(interval[0])} x2={at(interval[1])} y1="10" y2="10" />
      <rect className="value" x={at(value) - 1.6} y="2" width="3.2" height="16" rx="1.6" />
    </svg>
  );
}
