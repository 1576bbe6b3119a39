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
  window: { start: number; end: number };
  as_of: number;
  age_ms: number | null;
}

/** Up to which event time the declared sources of a KPI are complete, and the one that comes last. */
export interface Completeness {
  until: number;
  source: string;
}

export interface Definition {
  name: string;
  title: string;
  owner: string;
  description: string;
  unit: string;
  grain: string;
  dimensions: readonly string[];
  /** `length_ms` of a rolling window, else null. */
  window: { kind: string; length_ms: number | null; timezone: string };
  type: string;
  target: Target | null;
  /** A longer window means a larger number (counts, sums). */
  grows: boolean;
}

export interface Source {
  source: string;
  last_ingest: number;
  last_event: number;
  events: number;
  idle: boolean;
}

/** What every message of the stream carries. `now` is the server's clock, `time` the engine's. */
interface State {
  run: string;
  attempt: number;
  digest: string;
  now: number;
  time: number;
  watermark: number;
  ready: boolean;
  complete: boolean;
  sources: readonly Source[];
  counters: Readonly<Record<string, number>>;
  completeness: Readonly<Record<string, Completeness>>;
}

/** A KPI with its values; `missing_rates` is what could not be converted where that makes one unknown. */
export interface Kpi {
  definition: Definition;
  values: readonly Value[];
  missing_rates: readonly string[];
}

/** The first message, and the one after a loss: everything. */
export interface Snapshot extends State {
  kpis: readonly Kpi[];
}

/** What changed since the message before. */
export interface Changes extends State {
  values: readonly Value[];
  removed: readonly { kpi: string; scope: Scope }[];
}

export interface HistoryPoint {
  start: number;
  end: number;
  value: number | null;
}

/** The closed slots of a KPI's total; `step` is their length: 1m, 5m, 15m, 1h, 1d, 1w, 1mo. */
export interface History {
  kpi: string;
  step: string;
  points: readonly HistoryPoint[];
}

export interface Case {
  process: string;
  case: string;
  step: string | null;
  opened: number | null;
  closed: number | null;
  last: number;
  attributes: Scope;
  steps: Readonly<Record<string, number>>;
  dues: Readonly<Record<string, readonly [number, number | null]>>;
  flags: readonly string[];
  /** Quantities and what is left of remainders, as decimals. */
  quantities: Readonly<Record<string, string>>;
}

export interface Cases {
  cases: readonly Case[];
  next: string | null;
  counts: readonly { process: string; open: number; overdue: number; stuck: number }[];
}

/** A CloudEvent; `data` is its own. */
export interface Event {
  id: string;
  source: string;
  type: string;
  time: string;
  data?: unknown;
}

export type SourceWord = "complete" | "never_heard" | "silent" | "overdue" | "gap";

/** A source that the catalogue declares, and how it is doing. */
export interface DeclaredSource {
  source: string;
  title: string;
  owner: string;
  contact: string;
  timezone: string;
  state: SourceWord;
  complete_until: number | null;
  heard: number | null;
  expected: number | null;
  numbers: { missing: number; gaps: readonly { first: number; last: number }[] } | null;
  batches: readonly { complete_until: number; records: number | null; counted: number; difference: number | null }[];
}

export interface Timeline {
  case: Case | null;
  events: readonly Event[];
  truncated: boolean;
}

export interface Run {
  run: string;
  started: number;
  ended: number | null;
}

/** An event or a case that a value is made of; one of `event` and `case` is there, unless the log has forgotten it. */
export interface Contributor {
  id: string;
  type: string;
  time: number;
  number: number | null;
  scope: Scope;
  link: string | null;
  event: Event | null;
  case: Case | null;
}

export interface Contributors {
  value: number | null;
  window: { start: number; end: number };
  part: string | null;
  parts: readonly string[];
  /** The KPIs that a derived one is computed from: to be opened in its place. */
  inputs: readonly string[];
  count: number;
  /** The name and unit of the number that each has. */
  number: string | null;
  unit: string | null;
  complete: boolean;
  reason: string | null;
  contributors: readonly Contributor[];
  next: string | null;
}
