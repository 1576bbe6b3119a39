/** The order in which a KPI's scopes are listed. */
import type { Status, Value } from "../api/types";
import { scope } from "../text/format";

const RANK: Record<Status, number> = { off_plan: 0, watch: 1, unknown: 3, on_plan: 2 };

/** Worst first, coarse before fine, then by name. */
export function worstFirst(a: Value, b: Value): number {
  return (
    RANK[a.status] - RANK[b.status] ||
    Object.keys(a.scope).length - Object.keys(b.scope).length ||
    scope(a.scope).localeCompare(scope(b.scope))
  );
}

/** `values` in the order in which they were shown, new ones behind; worst first where nothing was shown yet. */
export function ranked(values: readonly Value[], shown: readonly Value[] | null): readonly Value[] {
  const sorted = [...values].sort(worstFirst);
  if (shown === null) return sorted;
  const place = new Map(shown.map((value, at) => [scope(value.scope), at]));
  const at = (value: Value) => place.get(scope(value.scope)) ?? shown.length;
  return sorted.sort((a, b) => at(a) - at(b));
}
