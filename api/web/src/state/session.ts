/** The API key, where the server asks for one. It lives as long as the tab, and is sent with every request. */
import { signal } from "@preact/signals";

const NAME = "sightline-key";

/** A new object with every attempt, so that trying the same key again is a change too. */
export const session = signal<{ key: string | null }>({ key: globalThis.sessionStorage?.getItem(NAME) ?? null });
/** The server has refused us: "" for want of a key, else what it said of the key. */
export const refusal = signal<string | null>(null);

export function unlock(key: string): void {
  sessionStorage.setItem(NAME, key);
  refusal.value = null;
  session.value = { key };
}

export function refused(detail: string): void {
  refusal.value = session.value.key === null ? "" : detail;
}

export const authorization = (): Record<string, string> =>
  session.value.key === null ? {} : { authorization: `Bearer ${session.value.key}` };
