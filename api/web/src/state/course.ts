/** What a sparkline shows: closed slots without holes, and the running one where it is of the same scale. */
import type { Definition, History, HistoryPoint } from "../api/types";

/** Slots of these lengths are laid out evenly; longer ones follow a calendar, and stay as they are told. */
const LENGTHS: Readonly<Record<string, number>> = {
  "1m": 60_000,
  "5m": 300_000,
  "15m": 900_000,
  "1h": 3_600_000,
};

/** How many slots a sparkline shows. */
export const SLOTS = 72;

/** Whether one slot and the window's value, and so the target, are of one scale: an hour's sum is not a day's. */
export const comparable = (kpi: Definition): boolean =>
  !kpi.grows || (kpi.window.length_ms !== null && kpi.window.length_ms === LENGTHS[kpi.grain]);

/** When the earliest evenly laid out slot of any KPI starts, and the latest ends; null where none has closed. */
export function span(histories: readonly History[]): { from: number; until: number } | null {
  const points = histories.flatMap((each) => (each.step in LENGTHS ? each.points : []));
  if (points.length === 0) return null;
  return {
    from: points.reduce((least, point) => Math.min(least, point.start), Infinity),
    until: points.reduce((most, point) => Math.max(most, point.end), 0),
  };
}

/**
 * The slots in `within`, none left out: nothing happened in a slot without a point, so that a count is 0, a level what
 * it was before, and anything else unknown.
 */
export function filled(
  kpi: Definition,
  points: readonly HistoryPoint[],
  within: { from: number; until: number },
): readonly HistoryPoint[] {
  const length = LENGTHS[kpi.grain];
  if (length === undefined) return points;
  const known = new Map(points.map((point) => [point.start, point]));
  const until = Math.max(within.until, points.at(-1)?.end ?? 0);
  const phase = (points[0]?.start ?? 0) % length;
  const earliest = Math.max(within.from, until - SLOTS * length);
  const all: HistoryPoint[] = [];
  let level = 0;
  for (let start = Math.ceil((earliest - phase) / length) * length + phase; start + length <= until; start += length) {
    const point = known.get(start) ?? { start, end: start + length, value: absent(kpi, level) };
    if (kpi.type === "level") level = point.value ?? level;
    all.push(point);
  }
  return all;
}

function absent(kpi: Definition, level: number): number | null {
  if (kpi.type === "level") return level;
  return kpi.grows ? 0 : null;
}
