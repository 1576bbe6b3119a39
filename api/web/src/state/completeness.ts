/** What declared sources mean for a number: what keeps it from being as complete as it could be. */
import type { Completeness, DeclaredSource, SourceWord, Value } from "../api/types";
import { moment, number } from "../text/format";

const HELD = new Set(["incomplete_source", "stale"]);

/** "wms until 02 Mar, 00:00": what a value that cannot be judged waits for; null where it does not wait for a source. */
export function held(value: Value, complete: Completeness | undefined): string | null {
  if (complete === undefined || !HELD.has(value.reason)) return null;
  return complete.until > 0 ? `${complete.source} until ${moment(complete.until)}` : `${complete.source}: nothing yet`;
}

/** "no rate: USD to EUR on 2024-05-04, and 2 more": what a value lacks that could not be converted; null where all was. */
export function lacking(value: Value, rates: readonly string[]): string | null {
  if (value.reason !== "missing_rate") return null;
  const [first, ...others] = rates;
  if (first === undefined) return "no rate";
  return `no rate: ${first}${others.length > 0 ? `, and ${number(others.length)} more` : ""}`;
}

export const STATES: Record<SourceWord, { level: "on_plan" | "watch" | "unknown"; text: string }> = {
  complete: { level: "on_plan", text: "complete" },
  never_heard: { level: "unknown", text: "never heard" },
  silent: { level: "watch", text: "silent" },
  overdue: { level: "watch", text: "batch overdue" },
  gap: { level: "watch", text: "events missing" },
};

/** What is missing of a source, in words; empty where nothing is. */
export function missing(source: DeclaredSource): string {
  const { numbers, batches } = source;
  const said: string[] = [];
  if (numbers !== null && numbers.missing > 0) {
    const gaps = numbers.gaps.slice(0, 3).map((gap) => (gap.first === gap.last ? `${gap.first}` : `${gap.first}–${gap.last}`));
    said.push(`${number(numbers.missing)} numbers (${gaps.join(", ")}${numbers.gaps.length > 3 ? ", …" : ""})`);
  }
  const last = batches[0];
  if (last?.difference) said.push(`last batch ${number(last.counted)} of ${number(last.records)}`);
  return said.join("; ");
}

/** "Warehouse: batch overdue, complete until 02 Mar, 00:00"; nothing where all is well. */
export function troubled(source: DeclaredSource): string[] {
  const { level, text } = STATES[source.state];
  return level === "watch" ? [`${source.title}: ${text}, complete until ${moment(source.complete_until)}`] : [];
}
