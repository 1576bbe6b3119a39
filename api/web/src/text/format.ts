/** How numbers, ages and scopes read on the page. Times are epoch milliseconds, UTC. */
import type { Direction, Scope, Status, Target } from "../api/types";
import { zone } from "./zone";

const ABSENT = "–";

/** A value with as many digits as help: 1,234,567 · 1,235 · 12.3 · 0.042. */
export function number(value: number | null): string {
  if (value === null) return ABSENT;
  const size = Math.abs(value);
  const digits = Number.isInteger(value) || size >= 1000 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

const SYMBOLS: Record<string, string> = { percent: "%", EUR: "€", USD: "$", BRL: "R$" };

/** The unit as it stands behind a value. */
export function unit(name: string): string {
  return SYMBOLS[name] ?? name;
}

/** How long ago, in one unit: "now", "45 s", "12 min", "3 h", "5 d". */
export function age(ms: number): string {
  if (ms < 1500) return "now";
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 90 * 60_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** Status as glyph and word, so that colour is never alone. */
export const STATUS: Record<Status | "no_target", { glyph: string; word: string }> = {
  on_plan: { glyph: "●", word: "on plan" },
  watch: { glyph: "▲", word: "watch" },
  off_plan: { glyph: "■", word: "off plan" },
  unknown: { glyph: "?", word: "unknown" },
  no_target: { glyph: "○", word: "no target" },
};

const SIDES: Record<Direction, (of: Target) => string> = {
  at_least: (of) => `≥ ${number(of.value)}`,
  at_most: (of) => `≤ ${number(of.value)}`,
  between: (of) => `${number(of.value - of.band)} to ${number(of.value + of.band)}`,
};

/** "target ≥ 95 %", of a band "target 80 to 92 %"; "no target" where there is none. */
export function target(of: Target | null, unitName: string): string {
  return of === null ? "no target" : `target ${SIDES[of.direction](of)} ${unit(unitName)}`;
}

/** How far a value is from its target: "+90", "−2.1". */
export const gap = (by: number): string => (by > 0 ? "+" : by < 0 ? "−" : "") + number(Math.abs(by));

/** "site Hamburg · carrier Northway"; "total" for the empty scope. */
export function scope(of: Scope): string {
  const parts = Object.entries(of).map(([name, value]) => `${name} ${value || "(none)"}`);
  return parts.length === 0 ? "total" : parts.join(" · ");
}

/** A moment in the page's time zone, to the minute; with its year where that is not this one. */
export function moment(at: number | null): string {
  if (at === null) return ABSENT;
  const date = new Date(at);
  return date.toLocaleString("en-GB", {
    timeZone: zone.value,
    day: "2-digit",
    month: "short",
    ...(date.getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" }),
    hour: "2-digit",
    minute: "2-digit",
  });
}

/** The day of a moment in the page's time zone. */
export const day = (at: number): string =>
  new Date(at).toLocaleDateString("en-GB", { timeZone: zone.value, day: "2-digit", month: "short", year: "numeric" });

/** A reason code as words. */
export function reason(code: string): string {
  return code.replaceAll("_", " ");
}

/** A number with its unit; a time in milliseconds as a span that reads well, "−3 min" where it is early. */
export function measured(value: number | null, unitName: string | null): string {
  if (value === null) return ABSENT;
  if (unitName !== "ms") return `${number(value)} ${unit(unitName ?? "")}`.trim();
  return (value < 0 ? "−" : "") + (Math.abs(value) < 1500 ? "0 s" : age(Math.abs(value)));
}
