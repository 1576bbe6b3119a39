import { expect, test } from "vitest";
import type { Case, Changes, Definition, Source, Value } from "../api/types";
import { applied, key } from "./board";
import { comparable, filled, span } from "./course";
import { dues, missed, steps } from "./dues";
import { ranked } from "./scopes";
import type { Known } from "./trust";
import { isStale, trust } from "./trust";
import { parse, print } from "./url";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const kpi = (more: Partial<Definition>): Definition => ({
  name: "k", title: "K", owner: "o", description: "", unit: "", grain: "1h", dimensions: [], type: "simple",
  window: { kind: "rolling", length_ms: HOUR, timezone: "UTC" }, target: null, grows: true, ...more,
});
const at = (start: number, value: number) => ({ start, end: start + HOUR, value });

test("a slot and the target are of one scale unless the number grows with its window", () => {
  expect(comparable(kpi({}))).toBe(true);
  expect(comparable(kpi({ window: { kind: "rolling", length_ms: 24 * HOUR, timezone: "UTC" } }))).toBe(false);
  expect(comparable(kpi({ window: { kind: "to_date", length_ms: null, timezone: "UTC" } }))).toBe(false);
  expect(comparable(kpi({ grows: false, window: { kind: "all_time", length_ms: null, timezone: "UTC" } }))).toBe(true);
});

test("a slot in which nothing happened is 0 for a count, as before for a level, unknown for a share", () => {
  const within = { from: 0, until: 4 * HOUR };
  const points = [at(HOUR, 7)];
  const values = (of: Definition) => filled(of, points, within).map((point) => point.value);
  expect(values(kpi({}))).toEqual([0, 7, 0, 0]);
  expect(values(kpi({ type: "level", grows: false }))).toEqual([0, 7, 7, 7]);
  expect(values(kpi({ type: "ratio", grows: false }))).toEqual([null, 7, null, null]);
  expect(filled(kpi({ grain: "1mo" }), points, within)).toBe(points);
});

test("slots of a zone that is off by half an hour are laid out from where they are", () => {
  const points = [at(HOUR / 2, 1), at(2.5 * HOUR, 3)];
  expect(filled(kpi({}), points, { from: 0, until: 4 * HOUR }).map((point) => point.start / HOUR)).toEqual([0.5, 1.5, 2.5]);
});

test("what all histories span starts with the earliest slot and ends with the latest", () => {
  expect(span([])).toBeNull();
  const one = { kpi: "a", step: "1h", points: [at(HOUR, 1)] };
  expect(span([one, { ...one, points: [at(0, 1), at(5 * HOUR, 1)] }])).toEqual({ from: 0, until: 6 * HOUR });
  // A day begins before its first event.
  expect(span([one, { ...one, step: "1d", points: [at(-9 * HOUR, 1)] }])).toEqual({ from: HOUR, until: 2 * HOUR });
});

const order: Case = {
  process: "order", case: "SO-1", step: "paid", opened: 0, closed: null, last: 0, attributes: {}, flags: ["overdue"],
  steps: { paid: 400, placed: 100 },
  dues: { pick: [500, 600], promised: [900, null], answer: [700, null] }, quantities: {},
};

test("the due time that was missed first is the one that is told; met ones are not", () => {
  expect(missed(order, 1000)).toEqual({ name: "answer", due: 700 });
  expect(missed(order, 600)).toBeNull();
});

test("a case's steps come by time, its due times with what became of them", () => {
  expect(steps(order)).toEqual([
    { name: "placed", at: 100, after: null },
    { name: "paid", at: 400, after: 300 },
  ]);
  expect(dues(order, 800).map(({ name, state, by }) => [name, state, by])).toEqual([
    ["pick", "late", 100],
    ["answer", "overdue", 100],
    ["promised", "open", 0],
  ]);
  expect(dues({ ...order, closed: 700, flags: [] }, 800).map((due) => due.state)).toEqual(["late", "void", "void"]);
  expect(dues({ ...order, flags: ["closed", "moment_unknown"] }, 800)[2]!.state).toBe("void");
});

const value = (scope: Record<string, string>, status: Value["status"]): Value => ({
  kpi: "k", scope, value: 1, status, reason: "", gap: null, samples: 1, window: { start: 0, end: 1 }, as_of: 0, age_ms: 0,
});

test("changes replace, add and remove values; the rest stays", () => {
  const before = new Map([["a", "on_plan"], ["b", "on_plan"]].map(([site]) => {
    const one = value({ site: site! }, "on_plan");
    return [key(one.kpi, one.scope), one] as const;
  }));
  const changes = { values: [value({ site: "a" }, "off_plan")], removed: [{ kpi: "k", scope: { site: "b" } }] };
  expect([...applied(before, changes as unknown as Changes).values()].map((one) => [one.scope["site"], one.status]))
    .toEqual([["a", "off_plan"]]);
});

test("scopes are worst first when they open, and keep their place while they are read", () => {
  const a = value({ site: "a" }, "on_plan");
  const b = value({ site: "b" }, "off_plan");
  const shown = ranked([a, b], null);
  expect(shown.map((one) => one.scope["site"])).toEqual(["b", "a"]);
  const later = [value({ site: "0" }, "off_plan"), value({ site: "a" }, "off_plan"), value({ site: "b" }, "on_plan")];
  expect(ranked(later, shown).map((one) => one.scope["site"])).toEqual(["b", "a", "0"]);
});

const source: Source = { source: "wms", last_ingest: 10 * HOUR, last_event: 10 * HOUR, events: 6000, idle: false };
const run = { run: "live", started: 0, ended: null };

test("a source is stale by its own rhythm, and has none while it has sent little", () => {
  expect(isStale(source, run, 10 * HOUR + 2 * MINUTE)).toBe(false);
  expect(isStale(source, run, 10 * HOUR + 4 * MINUTE)).toBe(true);
  expect(isStale({ ...source, events: 60 }, run, 13 * HOUR)).toBe(false);
  expect(isStale({ ...source, events: 19 }, run, 1000 * HOUR)).toBe(false);
  expect(isStale(source, undefined, 1000 * HOUR)).toBe(false);
});

const fine: Known = {
  run: "live", connection: "live", problem: null, ready: true, complete: false, behind: 300, time: 10 * HOUR,
  events: 1234, sources: [source], stale: [],
};

test("the line is calm while all is well, and says the worst that is not", () => {
  expect(trust(fine)).toMatchObject({ level: "quiet", text: expect.stringContaining("1 source · 1,234 events") });
  const stale = { ...fine, time: 10 * HOUR + 5 * MINUTE, stale: [source] };
  expect(trust(stale)).toMatchObject({ level: "watch", text: expect.stringContaining("wms for 5 min") });
  expect(trust({ ...stale, behind: 45_000 })).toMatchObject({ level: "off_plan", text: expect.stringContaining("45 s old") });
  expect(trust({ ...stale, connection: "lost" })).toMatchObject({ level: "off_plan", text: expect.stringContaining("lost") });
  expect(trust({ ...fine, ready: false }).level).toBe("watch");
  expect(trust({ ...fine, run: "olist", complete: true })).toMatchObject({ level: "quiet", text: expect.stringContaining("as of") });
  expect(trust({ ...fine, run: "olist" }).level).toBe("watch");
});

test("the URL says the whole view, and no more than that", () => {
  for (const search of ["", "?run=olist", "?kpi=otif", "?run=olist&case=order/SO-1", "?zone=Europe/Berlin", "?kpi=otif&scope=", "?kpi=otif&scope=site:W01&scope=carrier:DHL"]) {
    expect(print(parse(search))).toBe(search);
  }
  expect(parse("?run=")).toEqual({ run: "live", kpi: null, scope: null, case: null, zone: null });
});
