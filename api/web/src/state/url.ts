/** The whole view is in the URL: which run, which KPI or case is open, what is listed of it, and the time zone. */
import { signal } from "@preact/signals";

export interface View {
  run: string;
  kpi: string | null;
  /** The scope of which the contributors are listed, as dimension:value each; empty: the total; null: no list. */
  scope: readonly string[] | null;
  /** process/id */
  case: string | null;
  /** The time zone that was chosen; null: the catalogue's. */
  zone: string | null;
}

export function parse(search: string): View {
  const params = new URLSearchParams(search);
  const scope = params.has("scope") ? params.getAll("scope").filter(Boolean) : null;
  const [kpi, of, zone] = [params.get("kpi"), params.get("case"), params.get("zone")];
  return { run: params.get("run") || "live", kpi, scope, case: of, zone };
}

export function print(view: View): string {
  const params = new URLSearchParams();
  if (view.run !== "live") params.set("run", view.run);
  if (view.kpi !== null) params.set("kpi", view.kpi);
  for (const pair of view.scope?.length === 0 ? [""] : (view.scope ?? [])) params.append("scope", pair);
  if (view.case !== null) params.set("case", view.case);
  if (view.zone !== null) params.set("zone", view.zone);
  const query = params.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return query ? `?${query}` : "";
}

export const view = signal<View>(parse(globalThis.location?.search ?? ""));
globalThis.addEventListener?.("popstate", () => (view.value = parse(location.search)));

export const href = (change: Partial<View>): string => print({ ...view.value, ...change }) || "?";

export function go(change: Partial<View>): void {
  view.value = { ...view.value, ...change };
  window.history.pushState(null, "", location.pathname + print(view.value));
}

/** Follow a link within the page; a click that wants a new tab gets one. */
export function follow(event: MouseEvent, change: Partial<View>): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(change);
}
