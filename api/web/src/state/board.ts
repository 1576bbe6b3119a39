/** What the page knows: definitions, current values, sources, history, overdue cases, and whether it is live. */
import { batch, computed, effect, signal } from "@preact/signals";
import * as api from "../api/client";
import { listen } from "../api/stream";
import type {
  Cases, Changes, Completeness, DeclaredSource, Definition, HistoryPoint, Kpi, Run, Snapshot, Source, Status, Value,
} from "../api/types";
import { SLOTS, filled, span } from "./course";
import { session } from "./session";
import { isStale } from "./trust";
import { view } from "./url";

const REFRESH_MS = 10_000;
const OVERDUE = 25;
const NO_CASES: Cases = { cases: [], next: null, counts: [] };

export const kpis = signal<readonly Definition[]>([]);
export const values = signal<ReadonlyMap<string, Value>>(new Map());
/** When a total last changed, by the server's clock; unknown until it does. */
export const changedAt = signal<ReadonlyMap<string, number>>(new Map());
export const sources = signal<readonly Source[]>([]);
/** Those that the catalogue declares; only of the live run. */
export const declared = signal<readonly DeclaredSource[]>([]);
/** By KPI; those that need no declared source are not there. */
export const completeness = signal<Readonly<Record<string, Completeness>>>({});
/** By KPI what could not be converted, as last asked for; of those whose total lacks a rate. */
export const missingRates = signal<Readonly<Record<string, readonly string[]>>>({});
export const counters = signal<Readonly<Record<string, number>>>({});
export const ready = signal(true);
export const complete = signal(false);
/** Engine time as last told, epoch ms. */
export const time = signal(0);
export const history = signal<ReadonlyMap<string, readonly HistoryPoint[]>>(new Map());
export const overdue = signal<Cases>(NO_CASES);
/** Somebody points into the table of cases: it is held as it is. */
export const reading = signal(false);
export const runs = signal<readonly Run[]>([]);
/** "connecting" until first heard, then "live", or "lost" since `heardAt` (this machine's clock). */
export const connection = signal<"connecting" | "live" | "lost">("connecting");
export const heardAt = signal(0);
export const problem = signal<string | null>(null);
export const now = signal(Date.now());
/** What the server's clock is ahead of this machine's, ms. */
const ahead = signal(0);
/** The server's clock now, to the second. */
export const serverNow = computed(() => now.value + ahead.value);
export const isLive = computed(() => view.value.run === "live");

export const key = (kpi: string, scope: Readonly<Record<string, string>>): string =>
  `${kpi}|${Object.keys(scope)
    .sort()
    .map((name) => `${name}=${scope[name]}`)
    .join("|")}`;

export const total = (kpi: string): Value | undefined => values.value.get(key(kpi, {}));

/** How old a value is, ms: one that is not told again holds up to the engine's time. It grows while nothing is heard. */
export const ageOf = (value: Value): number =>
  Math.max(0, serverNow.value - Math.max(value.as_of, time.value));

export const staleSources = computed(() => {
  const run = runs.value.find((each) => each.run === view.value.run);
  // Of a declared source it is known when it is expected; the others have the rhythm that they have shown so far.
  const known = new Set(declared.value.map((source) => source.source));
  const undeclared = sources.value.filter((source) => !known.has(source.source));
  return isLive.value ? undeclared.filter((source) => isStale(source, run, time.value)) : [];
});

export type Standing = Status | "no_target";

/** A KPI's status; one without a target is never "on plan". */
export const standing = (kpi: Definition): Standing =>
  kpi.target === null ? "no_target" : (total(kpi.name)?.status ?? "unknown");

export const standings = computed(() => {
  const counts: Record<Standing, number> = { off_plan: 0, watch: 0, on_plan: 0, unknown: 0, no_target: 0 };
  for (const kpi of kpis.value) counts[standing(kpi)] += 1;
  return counts;
});

/** `before` with what changed. */
export function applied(before: ReadonlyMap<string, Value>, changes: Changes): Map<string, Value> {
  const after = new Map(before);
  for (const value of changes.values) after.set(key(value.kpi, value.scope), value);
  for (const { kpi, scope } of changes.removed) after.delete(key(kpi, scope));
  return after;
}

const ratesOf = (told: readonly Kpi[]): Record<string, readonly string[]> =>
  Object.fromEntries(told.map((kpi) => [kpi.definition.name, kpi.missing_rates]));

/** What changed does not tell of rates: those are asked for where a total lacks one. */
async function refreshRates(run: string): Promise<void> {
  const lacking = kpis.value.filter((kpi) => total(kpi.name)?.reason === "missing_rate");
  const found = await Promise.all(lacking.map((kpi) => api.kpi(run, kpi.name)));
  if (run === view.value.run) missingRates.value = ratesOf(found.flatMap((told) => told.kpis));
}

function takeState(told: Snapshot | Changes): void {
  sources.value = told.sources;
  counters.value = told.counters;
  completeness.value = told.completeness;
  ready.value = told.ready;
  complete.value = told.complete;
  time.value = told.time;
  ahead.value = told.now - Date.now();
}

function takeSnapshot(told: Snapshot): void {
  batch(() => {
    kpis.value = told.kpis.map((kpi) => kpi.definition);
    values.value = new Map(told.kpis.flatMap((kpi) => kpi.values).map((v) => [key(v.kpi, v.scope), v]));
    missingRates.value = ratesOf(told.kpis);
    takeState(told);
  });
}

function takeChanges(told: Changes): void {
  batch(() => {
    const moved = told.values.filter((v) => v.value !== values.value.get(key(v.kpi, v.scope))?.value);
    if (moved.length > 0) {
      changedAt.value = new Map([...changedAt.value, ...moved.map((v) => [key(v.kpi, v.scope), told.now] as const)]);
    }
    values.value = applied(values.value, told);
    takeState(told);
  });
}

async function refreshHistory(run: string): Promise<void> {
  const found = await api.histories(run, SLOTS);
  const within = span(found);
  const definitions = new Map(kpis.value.map((kpi) => [kpi.name, kpi]));
  history.value = new Map(
    found.map(({ kpi, points }) => {
      const definition = definitions.get(kpi);
      return [kpi, definition && within ? filled(definition, points, within) : points];
    }),
  );
}

async function refresh(run: string): Promise<void> {
  try {
    const [cases, known, expected] = await Promise.all([
      api.overdueCases(run, OVERDUE), api.runs(), run === "live" ? api.declaredSources() : [],
    ]);
    if (run !== view.value.run) return;
    if (!reading.value) overdue.value = cases;
    runs.value = known;
    declared.value = expected;
    await refreshRates(run);
    await refreshHistory(run);
    problem.value = null;
  } catch (error) {
    // What cannot be reached at all is told by the stream.
    if (error instanceof TypeError || error instanceof api.Locked) return;
    problem.value = error instanceof Error ? error.message : String(error);
  }
}

function forget(): void {
  batch(() => {
    kpis.value = [];
    values.value = new Map();
    changedAt.value = new Map();
    history.value = new Map();
    sources.value = [];
    declared.value = [];
    completeness.value = {};
    missingRates.value = {};
    overdue.value = NO_CASES;
    time.value = 0;
    problem.value = null;
    connection.value = "connecting";
  });
}

/** Follow the run in the URL for as long as the page lives; start anew with another run or key. */
export function start(): void {
  setInterval(() => (now.value = Date.now()), 1000);
  const run = computed(() => view.value.run);
  effect(() => {
    const name = run.value;
    void session.value;
    forget();
    const timer = setInterval(() => void refresh(name), REFRESH_MS);
    const stop = listen(name, {
      snapshot: (told) => {
        takeSnapshot(told);
        void refresh(name);
      },
      changes: takeChanges,
      heard: () => {
        if (connection.value === "lost") problem.value = null;
        connection.value = "live";
        heardAt.value = Date.now();
      },
      lost: (why) => {
        connection.value = "lost";
        if (why !== null) problem.value = why;
      },
    });
    return () => {
      clearInterval(timer);
      stop();
    };
  });
}
