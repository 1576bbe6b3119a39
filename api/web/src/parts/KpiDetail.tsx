/** The scopes of the KPI that is open: worst against target first, in an order that stays while it is read. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { kpi as fetchKpi } from "../api/client";
import type { Definition, Scope, Value } from "../api/types";
import { completeness, connection, missingRates, total } from "../state/board";
import { held } from "../state/completeness";
import { ranked } from "../state/scopes";
import { follow, href, view } from "../state/url";
import { number, reason, scope, target, unit } from "../text/format";
import { Contributors } from "./Contributors";
import { Drawer } from "./Drawer";
import { StatusWord } from "./StatusWord";

const SHOWN = 100;
const REFRESH_MS = 5000;

export function KpiDetail({ kpi }: { kpi: Definition }) {
  const rows = useScopes(view.value.run, kpi.name);
  const listed = view.value.scope;
  if (listed !== null) {
    return (
      <Drawer title={kpi.title}>
        <Contributors key={listed.join()} kpi={kpi} scope={listed} />
      </Drawer>
    );
  }
  return (
    <Drawer title={kpi.title}>
      <p>{kpi.description}</p>
      <p class="quiet">
        Owned by {kpi.owner}; {target(kpi.target, kpi.unit)}.
      </p>
      <Unknown kpi={kpi.name} />
      <p><Opens scope={{}}>What the total is made of</Opens></p>
      <table>
        <thead>
          <tr><th>scope</th><th class="number">value</th><th>status</th><th class="number">samples</th></tr>
        </thead>
        <tbody>
          {rows?.slice(0, SHOWN).map((value) => (
            <tr key={scope(value.scope)}>
              <td>{scope(value.scope)}</td>
              <td class="number"><Opens scope={value.scope}>{number(value.value)} {unit(kpi.unit)}</Opens></td>
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

/** Why the total cannot be judged: the source that it waits for, every rate that it lacks. */
function Unknown({ kpi }: { kpi: string }) {
  const value = total(kpi);
  if (value === undefined || value.status !== "unknown") return null;
  const source = held(value, completeness.value[kpi]);
  const rates = value.reason === "missing_rate" ? (missingRates.value[kpi] ?? []) : [];
  return (
    <p class="status unknown" data-part="unknown">
      Unknown: {reason(value.reason)}
      {source !== null && `, waits for ${source}`}
      {rates.length > 0 && `: ${rates.join(", ")}`}
    </p>
  );
}

/** A click on a value leads to what it is made of. */
function Opens({ scope: of, children }: { scope: Scope; children: ComponentChildren }) {
  const to = { scope: Object.entries(of).map(([name, value]) => `${name}:${value}`) };
  return <a href={href(to)} onClick={(event) => follow(event, to)} title="What it is made of">{children}</a>;
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
