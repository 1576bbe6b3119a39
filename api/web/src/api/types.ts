/** The JSON of the API, as docs/api.md describes it. Times are epoch milliseconds, UTC. */

export type Scope = Readonly<Record<string, string>>;
export type Status = "on_plan" | "watch" | "off_plan" | "unknown";
export type Direction = "at_least" | "at_most" | "between";

export interface Target {
  value: number;
  band: number;
  direction: Direction;
}

export interface Value {
  kpi: string;
  scope: Scope;
  value: number | null;
  status: Status;
  reason: string;
  gap: number | null;
  samples: number;
  window_start: number;
  window_end: number;
  as_of: number;
}

export interface Kpi {
  name: string;
  title: string;
  owner: string;
  description: string;
  unit: string;
  grain: string;
  dimensions: readonly string[];
  target: Target | null;
}

export interface Source {
  source: string;
  last_ingest: number;
  last_event: number;
  events: number;
  idle: boolean;
}

/** What the stream tells: everything once (`snapshot`), then what changed. */
export interface Update {
  time: number;
  watermark: number;
  values: readonly Value[];
  removed: readonly (readonly [string, Scope])[];
  sources: readonly Source[];
  counters: Readonly<Record<string, number>>;
}

export interface HistoryPoint {
  start: number;
  end: number;
  value: number | null;
}

export interface Case {
  process: string;
  case: string;
  step: string | null;
  opened: number | null;
  last: number;
  attributes: Scope;
  dues: Readonly<Record<string, readonly [number, number | null]>>;
  flags: readonly string[];
}

export interface Run {
  run: string;
}
