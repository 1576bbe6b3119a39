/** Whether the numbers can be trusted, in one line: the worst that is known against them. */
import type { Run, Source } from "../api/types";
import { age, moment, number } from "../text/format";

export interface Known {
  run: string;
  connection: "connecting" | "live" | "lost";
  /** What the API answered instead of data. */
  problem: string | null;
  ready: boolean;
  complete: boolean;
  /** How far the engine's time is behind the server's clock, ms. */
  behind: number;
  /** Engine time, epoch ms. */
  time: number;
  events: number;
  sources: readonly Source[];
  stale: readonly Source[];
  /** What is wrong with declared sources, in words. */
  held?: readonly string[];
}

export interface Trust {
  level: "off_plan" | "watch" | "quiet";
  text: string;
}

const BEHIND_MS = 20_000;
const STALE_MS = 120_000;
const FEW_EVENTS = 20;
const GAPS = 20;

/**
 * Whether nothing was heard from a source for far longer than its own rhythm (its mean gap since the run started).
 * A source that has sent few events has no rhythm yet.
 */
export function isStale(source: Source, run: Run | undefined, time: number): boolean {
  if (run === undefined || source.events < FEW_EVENTS) return false;
  const gap = Math.max(0, source.last_ingest - run.started) / source.events;
  return time - source.last_ingest > Math.max(STALE_MS, GAPS * gap);
}

export function trust(known: Known): Trust {
  const { run, connection, problem, ready, behind, time, stale } = known;
  if (connection === "lost") {
    const why = problem === null ? "" : ` (${problem})`;
    return { level: "off_plan", text: `The live stream is lost${why}: these are old numbers. Reconnecting…` };
  }
  if (problem !== null) return { level: "off_plan", text: problem };
  if (connection === "connecting") return { level: "quiet", text: "Connecting…" };
  if (!ready) return { level: "watch", text: "The server has just started and still reads up: numbers are not complete." };
  if (run !== "live") {
    const events = `${number(known.events)} events`;
    return known.complete
      ? { level: "quiet", text: `Import, complete · ${events} · as of ${moment(time)}` }
      : { level: "watch", text: `This import is not complete yet · ${events} · as of ${moment(time)}` };
  }
  if (time > 0 && behind > BEHIND_MS) {
    return { level: "off_plan", text: `The numbers are ${age(behind)} old: processing is behind or has stopped.` };
  }
  if (stale.length > 0) {
    const silent = stale.map((each) => `${each.source} for ${age(time - each.last_ingest)}`).join(", ");
    return { level: "watch", text: `Nothing heard from ${silent}: what depends on it is stale.` };
  }
  if (known.held !== undefined && known.held.length > 0) {
    return { level: "watch", text: `${known.held.join(", ")}: what depends on it is not judged.` };
  }
  const sources = `${known.sources.length} ${known.sources.length === 1 ? "source" : "sources"}`;
  return { level: "quiet", text: `Live · ${sources} · ${number(known.events)} events · as of ${moment(time || null)}` };
}
