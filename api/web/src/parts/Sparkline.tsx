/** The course of a KPI as a line, with its target dashed; gaps where nothing is known. */
import type { HistoryPoint } from "../api/types";
import { moment, number } from "../text/format";

const WIDTH = 240;
const HEIGHT = 38;
const MARGIN = 3;

interface Props {
  points: readonly HistoryPoint[];
  /** The value now, where it is of the same scale as the points. */
  current: number | null;
  target: number | null;
  label: string;
}

export function Sparkline({ points, current, target, label }: Props) {
  const end = points.at(-1)?.end ?? 0;
  const course = current === null ? points : [...points, { start: end, end, value: current }];
  const known = course.flatMap((point) => (point.value === null ? [] : [{ start: point.start, value: point.value }]));
  const first = known[0];
  const last = known.at(-1);
  if (first === undefined || last === undefined || known.length < 2) {
    return <svg class="spark" role="img" aria-label={`${label}: no history yet`} />;
  }
  const numbers = target === null ? known.map((p) => p.value) : [...known.map((p) => p.value), target];
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  const length = Math.max(1, course.at(-1)!.start - first.start);
  const x = (at: number) => ((at - first.start) / length) * WIDTH;
  const y = (value: number) =>
    high === low ? HEIGHT / 2 : HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const said = `${label}, from ${moment(first.start)}: lowest ${number(low)}, highest ${number(high)}`;
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={said}>
      {target !== null && <line x1={0} x2={WIDTH} y1={y(target)} y2={y(target)} />}
      <path d={path(course, x, y)} />
      {/* A line of no length with round ends: a dot that stays round however wide the drawing is. */}
      <path class="now" d={`M${x(last.start).toFixed(1)} ${y(last.value).toFixed(1)}h0`} />
    </svg>
  );
}

/** An SVG path that lifts the pen where a value is unknown. */
export function path(
  points: readonly HistoryPoint[],
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  let pen = "M";
  let d = "";
  for (const { start, value } of points) {
    if (value === null) {
      pen = "M";
    } else {
      d += `${pen}${x(start).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    }
  }
  return d;
}
