/** The live stream, read with fetch (an EventSource cannot send an API key); it reconnects by itself. */
import { Locked, request } from "./client";
import { parser } from "./sse";
import type { Message } from "./sse";
import type { Changes, Snapshot } from "./types";

export interface Listener {
  snapshot(state: Snapshot): void;
  changes(changes: Changes): void;
  heard(): void;
  lost(why: string | null): void;
}

/** Heartbeats come every 5 s; silence for longer than this means that the stream is lost. */
const SILENCE_MS = 11_000;
const RETRY_MS = 1000;

/** Listen to the totals of a run until the returned function is called. */
export function listen(run: string, listener: Listener): () => void {
  const stop = new AbortController();
  void follow(run, listener, stop.signal);
  return () => stop.abort();
}

/** Where a stream stands: what resumes it, and which definitions its snapshot had. */
interface Place {
  id: string | null;
  definitions: string | null;
}

async function follow(run: string, listener: Listener, stop: AbortSignal): Promise<void> {
  const place: Place = { id: null, definitions: null };
  while (!stop.aborted) {
    let why: string | null = null;
    let anew = false;
    try {
      anew = await connect(run, listener, stop, place);
    } catch (error) {
      if (error instanceof Locked) return; // a new key starts anew
      // A failed fetch or a cut stream is a TypeError or AbortError: nothing that a reader could use.
      why = error instanceof TypeError || error instanceof DOMException ? null : String((error as Error).message);
    }
    if (stop.aborted) return;
    if (anew) continue;
    listener.lost(why);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Listen for as long as the connection lasts; true when a new snapshot is wanted at once. */
async function connect(run: string, listener: Listener, stop: AbortSignal, place: Place): Promise<boolean> {
  const silence = new AbortController();
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  heard();
  try {
    const headers: Record<string, string> = place.id === null ? {} : { "last-event-id": place.id };
    const signal = AbortSignal.any([stop, silence.signal]);
    const response = await request("/stream", { run, scopes: "total" }, { headers, signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const parse = parser();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      heard();
      for (const message of parse(piece.value)) {
        if (!take(message, listener, place)) {
          silence.abort();
          return true;
        }
      }
    }
    return false;
  } finally {
    clearTimeout(watchdog);
  }
}

/** Hand a message on; false when the definitions are others now, and only a new snapshot tells them. */
function take(message: Message, listener: Listener, place: Place): boolean {
  if (message.event === "snapshot" || message.event === "changes") {
    const told = JSON.parse(message.data) as Snapshot | Changes;
    const definitions = `${told.attempt}/${told.digest}`;
    if ("kpis" in told) {
      place.definitions = definitions;
      listener.snapshot(told);
    } else if (place.definitions !== definitions) {
      place.id = null;
      return false;
    } else {
      listener.changes(told);
    }
  }
  place.id = message.id ?? place.id;
  listener.heard();
  return true;
}
