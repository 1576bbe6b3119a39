/** What a case has reached, and what it has missed. */
import type { Case } from "../api/types";

/** The due time that a case has missed for longest: its name and instant. */
export function missed(of: Case, at: number): { name: string; due: number } | null {
  const open = Object.entries(of.dues).filter(([, [due, met]]) => met === null && due < at);
  const first = open.sort(([, [a]], [, [b]]) => a - b)[0];
  return first ? { name: first[0], due: first[1][0] } : null;
}

/** The steps by time; `after` is how long after the one before, ms. */
export function steps(of: Case): { name: string; at: number; after: number | null }[] {
  const all = Object.entries(of.steps).sort(([, a], [, b]) => a - b);
  return all.map(([name, at], i) => ({ name, at, after: i === 0 ? null : at - all[i - 1]![1] }));
}

export interface Due {
  name: string;
  due: number;
  state: "met" | "late" | "overdue" | "open" | "void";
  /** How late, ms. */
  by: number;
}

/** Whether it is closed: since when, nobody may know. */
function closed(of: Case): boolean {
  return of.closed !== null || of.flags.includes("closed");
}

/** The due times by time, and what became of each; one that a closed case never met is void. */
export function dues(of: Case, at: number): Due[] {
  return Object.entries(of.dues)
    .map(([name, [due, met]]): Due => {
      if (met !== null) return { name, due, state: met > due ? "late" : "met", by: Math.max(0, met - due) };
      if (closed(of) && !of.flags.includes("overdue")) return { name, due, state: "void", by: 0 };
      return { name, due, state: due < at ? "overdue" : "open", by: Math.max(0, at - due) };
    })
    .sort((a, b) => a.due - b.due);
}
