/** Reads the API; an answer that is an error becomes an exception with the problem's own words. */
import { authorization, refused } from "../state/session";
import type { Cases, Contributors, DeclaredSource, History, Run, Snapshot, Timeline } from "./types";

/** The server wants another key: the page asks for it, and nothing else needs to be said. */
export class Locked extends Error {}

/** The parameters of a query; a list repeats its name. */
export type Params = Record<string, string | number | readonly string[]>;

export async function request(
  path: string,
  params: Params,
  init: RequestInit = {},
): Promise<Response> {
  const query = new URLSearchParams(
    Object.entries(params).flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)])),
  );
  const headers = { ...authorization(), ...(init.headers as Record<string, string> | undefined) };
  const response = await fetch(`/api/v1${path}?${query}`, { ...init, headers });
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  const detail = problem.detail ?? `${path} answered ${response.status}`;
  if (response.status === 401) {
    refused(detail);
    throw new Locked(detail);
  }
  throw new Error(detail);
}

async function get<T>(path: string, params: Params): Promise<T> {
  return (await (await request(path, params)).json()) as T;
}

const name = encodeURIComponent;

export const histories = (run: string, slots: number) =>
  get<{ histories: History[] }>("/history", { run, slots }).then((answer) => answer.histories);

export const kpi = (run: string, kpi: string) => get<Snapshot>(`/kpis/${name(kpi)}`, { run, scopes: "all" });

export const overdueCases = (run: string, limit: number) =>
  get<Cases>("/cases", { run, overdue: "true", limit });

export const timeline = (run: string, process: string, id: string) =>
  get<Timeline>(`/cases/${name(process)}/${name(id)}`, { run });

export const declaredSources = () =>
  get<{ sources: DeclaredSource[] }>("/sources", {}).then((answer) => answer.sources);

export const runs = () => get<{ runs: Run[] }>("/runs", {}).then((answer) => answer.runs);

const contributorsOf = (kpi: string) => `/kpis/${name(kpi)}/contributors`;

export const contributors = (kpi: string, params: Params) => get<Contributors>(contributorsOf(kpi), params);

/** The same as CSV, up to 10,000 rows. */
export const contributorsCsv = async (kpi: string, params: Params) =>
  (await request(contributorsOf(kpi), { ...params, format: "csv", limit: 10_000 })).blob();
