/** The whole view is in the URL: which run, which KPI is open. */
import { signal } from "@preact/signals";

export interface View {
  run: string;
  kpi: string | null;
}

export function parse(search: string): View {
  const params = new URLSearchParams(search);
  return { run: params.get("run") ?? "live", kpi: params.get("kpi") };
}

export function print(view: View): string {
  const params = new URLSearchParams();
  if (view.run !== "live") params.set("run", view.run);
  if (view.kpi !== null) params.set("kpi", view.kpi);
  const query = params.toString();
  return query ? `?${query}` : "";
}

export const view = signal<View>(parse(location.search));
addEventListener("popstate", () => (view.value = parse(location.search)));

export function go(change: Partial<View>): void {
  view.value = { ...view.value, ...change };
  window.history.pushState(null, "", location.pathname + print(view.value));
}
