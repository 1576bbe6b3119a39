/** Reads the API; an answer that is an error becomes an exception with the problem's own words. */
import type { Case, HistoryPoint, Run } from "./types";

async function get<T>(path: string, params: Record<string, string | number>): Promise<T> {
  const query = new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]));
  const response = await fetch(`/api/v1${path}?${query}`);
  if (!response.ok) {
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    throw new Error(problem.detail ?? `${path} answered ${response.status}`);
  }
  return (await response.json()) as T;
}

export const history = (run: string, kpi: string, from: number, to: number) =>
  get<{ points: HistoryPoint[] }>(`/kpis/${encodeURIComponent(kpi)}/history`, { run, from, to }).then(
    (answer) => answer.points,
  );

export const overdueCases = (run: string, limit: number) =>
  get<{ cases: Case[] }>("/cases", { run, overdue: "true", limit }).then((answer) => answer.cases);

export const runs = () => get<{ runs: Run[] }>("/runs", {}).then((answer) => answer.runs.map((run) => run.run));
