/** The scopes of the KPI that is open: worst against target first, in an order that stays while it is read. */
import { useEffect, useState } from "preact/hooks";
import { kpi as fetchKpi } from "../api/client";
import type { Definition, Value } from "../api/types";
import { connection } from "../state/board";
import { ranked } from "../state/scopes";
import { view } from "../state/url";
import { number, reason, scope, target, unit } from "../text/format";
import { Drawer } from "./Drawer";
import { StatusWord } from "./StatusWord";

const SHOWN = 100;
const REFRESH_MS = 5000;

export function KpiDetail({ kpi }: { kpi: Definition }) {
  const rows = useScopes(view.value.run, kpi.name);
  return (
    <Drawer title={kpi.title}>
      <p>{kpi.description}</p>
      <p class="quiet">
        Owned by {kpi.owner}; {target(kpi.target, kpi.unit)}.
      </p>
      <table>
        <thead>
          <tr><th>scope</th><th class="number">value</th><th>status</th><th class="number">samples</th></tr>
        </thead>
        <tbody>
          {rows?.slice(0, SHOWN).map((value) => (
            <tr key={scope(value.scope)}>
              <td>{scope(value.scope)}</td>
              <td class="number">{number(value.value)} {unit(kpi.unit)}</td>
              <td><StatusWord of={kpi.target === null ? "no_target" : value.status} title={reason(value.reason)} /></td>
              <td class="number quiet">{number(value.samples)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows === null && <p class="empty">Loading…</p>}
      {rows?.length === 0 && <p class="empty">No scopes yet.</p>}
      {rows !== null && rows.length > SHOWN && <p class="empty">{rows.length - SHOWN} more, none of them worse.</p>}
    </Drawer>
  );
}

/** The values of a KPI at all its scopes; null until they are there. */
function useScopes(run: string, name: string): readonly Value[] | null {
  const [rows, setRows] = useState<readonly Value[] | null>(null);
  useEffect(() => {
    let shown: readonly Value[] | null = null;
    let closed = false;
    const load = async () => {
      if (connection.value === "lost") return;
      try {
        const told = await fetchKpi(run, name);
        shown = ranked((told.kpis[0]?.values ?? []).filter((value) => Object.keys(value.scope).length > 0), shown);
        if (!closed) setRows(shown);
      } catch {
        // The line at the top of the page says what is wrong; what was shown stays.
      }
    };
    setRows(null);
    void load();
    const timer = setInterval(() => void load(), REFRESH_MS);
    return () => {
      closed = true;
      clearInterval(timer);
    };
  }, [run, name]);
  return rows;
}
