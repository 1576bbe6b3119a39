/** The time zone in which moments are written, and its name. */
import { signal } from "@preact/signals";

/** The reader's own. */
export const OWN = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export const zone = signal(OWN);

/** Whether this browser knows a zone by that name. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** What a zone is ahead of UTC at a moment: "UTC+1". */
export function offset(name: string, at: number): string {
  const parts = new Intl.DateTimeFormat("en", { timeZone: name, timeZoneName: "shortOffset" }).formatToParts(at);
  return (parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC").replace(/^GMT(\+0$)?/, "UTC");
}

/** "Europe/Berlin, UTC+1"; of a zone that is called by its offset, the offset. */
export function zoneName(name: string, at: number): string {
  return name === "UTC" || name.startsWith("Etc/") ? offset(name, at) : `${name}, ${offset(name, at)}`;
}
