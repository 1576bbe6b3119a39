/** The scopes of the KPI that is open: worst against target first. */
import type { Definition, Value } from "../api/types";
import { STATUS, number, reason, scope, target, unit } from "../text/format";
import { scopesOf } from "../state/board";
import { go } from "../state/url";

const RANK = { off_plan: 0, watch: 1, unknown: 2, on_plan: 3 } as const;
const SHOWN = 60;

/** Worst first; equal ones by name, so that rows keep their place. */
export function worstFirst(a: Value, b: Value): number {
  return RANK[a.status] - RANK[b.status] || scope(a.scope).localeCompare(scope(b.scope));
}

export function KpiDetail({ kpi }: { kpi: Definition }) {
  const all = scopesOf(kpi).sort(worstFirst);
  return (
    <section class="panel" aria-label={kpi.title}>
      <div class="detail">
        <header>
          <h2>{kpi.title}</h2>
          <button type="button" class="close" onClick={() => go({ kpi: null })}>close</button>
        </header>
        <p class="quiet">
          {kpi.description} Owned by {kpi.owner}; {target(kpi.target, kpi.unit)}.
        </p>
      </div>
      <table>
        <thead>
          <tr><th>scope</th><th class="number">value</th><th>status</th><th>because</th><th class="number">samples</th></tr>
        </thead>
        <tbody>
          {all.slice(0, SHOWN).map((value) => (
            <tr key={scope(value.scope)}>
              <td>{scope(value.scope)}</td>
              <td class="number">{number(value.value)} {unit(kpi.unit)}</td>
              <td class={`status ${value.status}`}>
                <span aria-hidden="true">{STATUS[value.status].glyph}</span> {STATUS[value.status].word}
              </td>
              <td class="quiet">{reason(value.reason)}</td>
              <td class="number">{number(value.samples)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {all.length === 0 && <p class="empty">No scopes yet.</p>}
      {all.length > SHOWN && <p class="empty">{all.length - SHOWN} more on plan or quieter.</p>}
    </section>
  );
}
