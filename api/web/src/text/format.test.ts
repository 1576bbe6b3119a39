import { expect, test } from "vitest";
import { age, measured, number, scope, target } from "./format";

test("a value keeps as many digits as help, and an unknown one is a dash", () => {
  expect([1234567, 1234.56, 12.345, 1.2345, 0.04219, null].map(number)).toEqual([
    "1,234,567", "1,235", "12.3", "1.23", "0.042", "–",
  ]);
});

test("an age is told in one unit", () => {
  expect([0, 45_000, 720_000, 3 * 3_600_000, 5 * 86_400_000].map(age)).toEqual(["now", "45 s", "12 min", "3 h", "5 d"]);
});

test("a target names its side and unit, and its absence", () => {
  expect(target({ value: 95, band: 2, direction: "at_least" }, "percent")).toBe("target ≥ 95 %");
  expect(target({ value: 86, band: 6, direction: "between" }, "percent")).toBe("target 80 to 92 %");
  expect(target(null, "percent")).toBe("no target");
});

test("a scope reads as words, and a dimension without a value is seen", () => {
  expect(scope({})).toBe("total");
  expect(scope({ site: "Hamburg", carrier: "" })).toBe("site Hamburg · carrier (none)");
});

test("a time in milliseconds reads as a span, what came early with a minus", () => {
  expect(measured(90 * 60_000, "ms")).toBe("2 h");
  expect(measured(-180_000, "ms")).toBe("−3 min");
  expect(measured(49.9, "EUR")).toBe("49.9 €");
  expect(measured(null, "ms")).toBe("–");
});
