import { expect, test } from "vitest";
import { path } from "./Sparkline";

test("a sparkline lifts the pen where a value is unknown", () => {
  const points = [1, 2, null, 4].map((value, i) => ({ start: i, end: i + 1, value }));
  expect(path(points, (x) => x, (y) => y)).toBe("M0.0 1.0L1.0 2.0M3.0 4.0");
});
