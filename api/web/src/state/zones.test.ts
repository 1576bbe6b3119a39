import { expect, test } from "vitest";
import { zonesOf } from "./zones";

const kpi = (timezone: string) => ({ window: { kind: "calendar", length_ms: null, timezone } });

test("a catalogue is read in the zone that it names most often", () => {
  const zones = zonesOf([kpi("UTC"), kpi("Europe/Berlin"), kpi("Asia/Tokyo")], [{ timezone: "Asia/Tokyo" }], "America/Lima");
  expect(zones).toEqual(["Asia/Tokyo", "Europe/Berlin", "America/Lima", "UTC"]);
});

test("one that names no zone, or none that is known here, is read in the reader's own", () => {
  expect(zonesOf([kpi("UTC"), kpi("Moon/Tycho")], [], "America/Lima")).toEqual(["America/Lima", "UTC"]);
});

test("zones that read the same are offered once", () => {
  expect(zonesOf([kpi("Etc/GMT+0")], [], "America/Lima")).toEqual(["Etc/GMT+0", "America/Lima"]);
});
