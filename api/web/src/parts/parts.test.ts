import { expect, test } from "vitest";
import { missed } from "../state/dues";
import { path } from "./Sparkline";

test("a sparkline lifts the pen where a value is unknown", () => {
  const points = [1, 2, null, 4].map((value, i) => ({ start: i, end: i + 1, value }));
  expect(path(points, (x) => x, (y) => y)).toBe("M0.0 1.0L1.0 2.0M3.0 4.0");
});

test("the due time that was missed first is the one that is told; met ones are not", () => {
  const one = {
    process: "order", case: "SO-1", step: "paid", opened: 0, last: 0, attributes: {}, flags: ["overdue"],
    dues: { pick: [500, 600], promised: [900, null], answer: [700, null] },
  } as const;
  expect(missed(one, 1000)).toEqual({ name: "answer", due: 700 });
  expect(missed(one, 600)).toBeNull();
});
