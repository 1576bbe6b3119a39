/** What a case has missed. */
import type { Case } from "../api/types";

/** The due time that a case has missed for longest: its name and instant. */
export function missed(of: Case, at: number): { name: string; due: number } | null {
  const open = Object.entries(of.dues).filter(([, [due, met]]) => met === null && due < at);
  const first = open.sort(([, [a]], [, [b]]) => a - b)[0];
  return first ? { name: first[0], due: first[1][0] } : null;
}
