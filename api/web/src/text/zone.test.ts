import { afterEach, expect, test } from "vitest";
import { day, moment } from "./format";
import { OWN, isZone, zone, zoneName } from "./zone";

const SUMMER = Date.parse("2026-07-01T22:30:00Z");
const WINTER = Date.parse("2026-01-15T12:00:00Z");

afterEach(() => {
  zone.value = OWN;
});

test("a moment and a day are written in the zone that was chosen", () => {
  zone.value = "Europe/Berlin";
  expect(moment(SUMMER)).toMatch(/^02 Jul.*00:30$/);
  expect(day(SUMMER)).toBe("02 Jul 2026");
  zone.value = "UTC";
  expect(moment(SUMMER)).toMatch(/^01 Jul.*22:30$/);
});

test("a zone is named with its offset of that day, and one that is called by its offset by that alone", () => {
  expect(zoneName("Europe/Berlin", SUMMER)).toBe("Europe/Berlin, UTC+2");
  expect(zoneName("Europe/Berlin", WINTER)).toBe("Europe/Berlin, UTC+1");
  expect(zoneName("Etc/GMT-1", WINTER)).toBe("UTC+1");
  expect(zoneName("UTC", WINTER)).toBe("UTC");
});

test("a zone that nobody knows is none", () => {
  expect([isZone("Europe/Berlin"), isZone("Europe/Nowhere")]).toEqual([true, false]);
});
