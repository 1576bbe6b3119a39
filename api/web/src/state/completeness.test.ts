import { expect, test } from "vitest";
import type { DeclaredSource, Value } from "../api/types";
import { moment } from "../text/format";
import { held, lacking, missing, troubled } from "./completeness";

const AT = 1_772_492_400_000;

const value = (reason: string): Value => ({
  kpi: "k", scope: {}, value: 1, status: "unknown", reason, gap: null, samples: 1, window: { start: 0, end: 1 },
  as_of: 0, age_ms: 0,
});

const source = (more: Partial<DeclaredSource>): DeclaredSource => ({
  source: "wms", title: "Warehouse", owner: "o", contact: "", timezone: "UTC", state: "complete", complete_until: AT, heard: AT,
  expected: null, numbers: null, batches: [], ...more,
});

test("a value that waits for a source says which and until when it is complete, any other says nothing", () => {
  const until = { until: AT, source: "wms" };
  expect(held(value("incomplete_source"), until)).toBe(`wms until ${moment(AT)}`);
  expect(held(value("stale"), { until: 0, source: "wms" })).toBe("wms: nothing yet");
  expect(held(value("within_target"), until)).toBeNull();
  expect(held(value("stale"), undefined)).toBeNull();
});

test("a value that lacks a rate names it, and how many more there are", () => {
  const lacks = value("missing_rate");
  expect(lacking(lacks, ["USD to EUR on 2024-05-04"])).toBe("no rate: USD to EUR on 2024-05-04");
  expect(lacking(lacks, ["USD to EUR", "GBP to EUR", "g to piece"])).toBe("no rate: USD to EUR, and 2 more");
  expect(lacking(lacks, [])).toBe("no rate");
  expect(lacking(value("no_data"), ["USD to EUR"])).toBeNull();
});

test("missing numbers and a batch that is short are named", () => {
  const numbers = { missing: 3, gaps: [{ first: 4, last: 5 }, { first: 9, last: 9 }] };
  const batches = [{ complete_until: AT, records: 10, counted: 8, difference: -2 }];
  expect(missing(source({ numbers, batches }))).toBe("3 numbers (4–5, 9); last batch 8 of 10");
  expect(missing(source({}))).toBe("");
});

test("only a source that is behind is told above the numbers", () => {
  expect(troubled(source({ state: "overdue" }))).toEqual([`Warehouse: batch overdue, complete until ${moment(AT)}`]);
  expect(troubled(source({ state: "never_heard" }))).toEqual([]);
});
