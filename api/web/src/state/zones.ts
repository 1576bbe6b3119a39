/** Which time zones the page can be read in, and which it is. */
import { computed, effect } from "@preact/signals";
import type { DeclaredSource, Definition } from "../api/types";
import { OWN, isZone, zone, zoneName } from "../text/zone";
import { declared, kpis } from "./board";
import { view } from "./url";

/** What a catalogue that names no zone has. */
const UNSAID = "UTC";

/** The zones that the catalogue names, the one that it names most often first; then the reader's own, and UTC. Of
 * those that read the same ("Etc/GMT+0" is UTC) the first. */
export function zonesOf(
  definitions: readonly Pick<Definition, "window">[],
  sources: readonly Pick<DeclaredSource, "timezone">[],
  own: string,
): readonly string[] {
  const counts = new Map<string, number>();
  const named = [...definitions.map((each) => each.window.timezone), ...sources.map((each) => each.timezone)];
  for (const name of named) if (name !== UNSAID) counts.set(name, (counts.get(name) ?? 0) + 1);
  const often = [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const all = [...often.filter(isZone), own, UNSAID];
  const now = Date.now();
  const read = all.map((name) => zoneName(name, now));
  return all.filter((_, i) => read.indexOf(read[i] as string) === i);
}

export const zones = computed(() => zonesOf(kpis.value, declared.value, OWN));

/** The first of them, unless somebody has chosen. */
effect(() => {
  const chosen = view.value.zone;
  zone.value = chosen !== null && isZone(chosen) ? chosen : (zones.value[0] ?? OWN);
});
