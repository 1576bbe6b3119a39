/** What the page knows: KPI definitions, current values, sources, history, overdue cases, and whether it is live. */
import { batch, computed, effect, signal } from "@preact/signals";
import * as api from "../api/client";
import { listen } from "../api/stream";
import type { Case, Changes, Definition, HistoryPoint, Snapshot, Source, Status, Value } from "../api/types";
import { view } from "./url";

const DAY_MS = 86_400_000;
const REFRESH_MS = 15_000;
/** A source that is not heard for so long is called stale, loudly. */
const STALE_SOURCE_MS = 120_000;

export const kpis = signal<readonly Definition[]>([]);
export const values = signal<ReadonlyMap<string, Value>>(new Map());
export const sources = signal<readonly Source[]>([]);
export const counters = signal<Readonly<Record<string, number>>>({});
/** Engine time as last told, epoch ms. */
export const time = signal(0);
export const history = signal<ReadonlyMap<string, readonly HistoryPoint[]>>(new Map());
export const overdue = signal<readonly Case[]>([]);
export const runs = signal<readonly string[]>(["live"]);
/** "connecting" until first heard, then "live", or "lost" since `heardAt`. */
export const connection = signal<"connecting" | "live" | "lost">("connecting");
export const heardAt = signal(0);
export const now = signal(Date.now());
/** How far the engine's time was behind the server's clock when last heard, ms. */
const behind = signal(0);
/** How old what the page shows is: grows while nothing is heard. */
export const engineAge = computed(() => behind.value + Math.max(0, now.value - heardAt.value));
export const problem = signal<string | null>(null);

export const key = (kpi: string, scope: Readonly<Record<string, string>>): string =>
  `${kpi}|${Object.keys(scope)
    .sort()
    .map((name) => `${name}=${scope[name]}`)
    .join("|")}`;

export const total = (kpi: string): Value | undefined => values.value.get(key(kpi, {}));

export const scopesOf = (kpi: Definition): Value[] =>
  [...values.value.values()].filter((v) => v.kpi === kpi.name && Object.keys(v.scope).length > 0);

export const staleSources = computed(() =>
  view.value.run === "live" ? sources.value.filter((s) => time.value - s.last_ingest > STALE_SOURCE_MS) : [],
);

export const statusCounts = computed(() => {
  const counts: Record<Status, number> = { off_plan: 0, watch: 0, on_plan: 0, unknown: 0 };
  for (const kpi of kpis.value) {
    if (kpi.target !== null) counts[total(kpi.name)?.status ?? "unknown"] += 1;
  }
  return counts;
});

/** `before` with what changed. */
export function applied(before: ReadonlyMap<string, Value>, changes: Changes): Map<string, Value> {
  const after = new Map(before);
  for (const value of changes.values) after.set(key(value.kpi, value.scope), value);
  for (const { kpi, scope } of changes.removed) after.delete(key(kpi, scope));
  return after;
}

function takeState(told: Snapshot | Changes): void {
  sources.value = told.sources;
  counters.value = told.counters;
  time.value = told.time;
  behind.value = Math.max(0, told.now - told.time);
}

function takeSnapshot(told: Snapshot): void {
  batch(() => {
    kpis.value = told.kpis.map((kpi) => kpi.definition);
    values.value = new Map(told.kpis.flatMap((kpi) => kpi.values).map((v) => [key(v.kpi, v.scope), v]));
    takeState(told);
  });
}

function takeChanges(told: Changes): void {
  batch(() => {
    values.value = applied(values.value, told);
    takeState(told);
  });
}

async function refresh(run: string): Promise<void> {
  try {
    overdue.value = await api.overdueCases(run, 50);
    runs.value = ["live", ...(await api.runs()).filter((name) => name !== "live")];
    await refreshHistory(run);
    problem.value = null;
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
  }
}

async function refreshHistory(run: string): Promise<void> {
  const to = time.value || Date.now();
  const length = run === "live" ? DAY_MS : 730 * DAY_MS;
  const found = await Promise.all(
    kpis.value.map(async (kpi) => [kpi.name, await api.history(run, kpi.name, to - length, to)] as const),
  );
  history.value = new Map(found);
}

/** Follow the run in the URL for as long as the page lives. */
export function start(): void {
  setInterval(() => (now.value = Date.now()), 1000);
  const run = computed(() => view.value.run);
  effect(() => {
    const name = run.value;
    batch(() => {
      kpis.value = [];
      values.value = new Map();
      history.value = new Map();
      sources.value = [];
      time.value = 0;
      connection.value = "connecting";
    });
    void refresh(name);
    const timer = setInterval(() => void refresh(name), REFRESH_MS);
    const stop = listen(name, {
      snapshot: (told) => {
        takeSnapshot(told);
        void refreshHistory(name).catch(() => undefined);
      },
      changes: takeChanges,
      heard: () => {
        connection.value = "live";
        heardAt.value = Date.now();
      },
      lost: () => (connection.value = "lost"),
    });
    return () => {
      clearInterval(timer);
      stop();
    };
  });
}
