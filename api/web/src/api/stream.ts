/** The live stream: one EventSource that says when it was last heard. */
import type { Changes, Snapshot } from "./types";

export interface Listener {
  snapshot(state: Snapshot): void;
  changes(changes: Changes): void;
  heard(): void;
  lost(): void;
}

/** Heartbeats come every few seconds; silence for longer than this means that the stream is lost. */
const SILENCE_MS = 12_000;

/** Listen to a run until the returned function is called. The browser reconnects by itself. */
export function listen(run: string, listener: Listener): () => void {
  const source = new EventSource(`/api/v1/stream?scopes=all&run=${encodeURIComponent(run)}`);
  let watchdog = 0;
  const heard = () => {
    clearTimeout(watchdog);
    watchdog = window.setTimeout(() => listener.lost(), SILENCE_MS);
    listener.heard();
  };
  const on = <T,>(type: string, act: (told: T) => void) =>
    source.addEventListener(type, (event) => {
      heard();
      act(JSON.parse((event as MessageEvent<string>).data) as T);
    });
  source.addEventListener("open", heard);
  source.addEventListener("heartbeat", heard);
  source.addEventListener("error", () => listener.lost());
  on<Snapshot>("snapshot", (state) => listener.snapshot(state));
  on<Changes>("changes", (changes) => listener.changes(changes));
  return () => {
    clearTimeout(watchdog);
    source.close();
  };
}
