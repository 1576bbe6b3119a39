/** The course of a KPI as a line, with its target dashed; gaps where nothing is known. */
import type { HistoryPoint } from "../api/types";

const WIDTH = 240;
const HEIGHT = 38;

interface Props {
  points: readonly HistoryPoint[];
  target: number | null;
  label: string;
}

export function Sparkline({ points, target, label }: Props) {
  const known = points.filter((p): p is HistoryPoint & { value: number } => p.value !== null);
  if (known.length < 2) return <svg class="spark" role="img" aria-label={`${label}: no history yet`} />;
  const values = known.map((p) => p.value);
  const low = Math.min(...values, target ?? Infinity);
  const high = Math.max(...values, target ?? -Infinity);
  const first = known[0]!.start;
  const span = Math.max(1, known[known.length - 1]!.start - first);
  const x = (at: number) => ((at - first) / span) * WIDTH;
  const y = (value: number) => HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4);
  const last = known[known.length - 1]!;
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {target !== null && <line x1={0} x2={WIDTH} y1={y(target)} y2={y(target)} />}
      <path d={path(points, x, y)} />
      <circle cx={x(last.start)} cy={y(last.value)} r={2.2} />
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
