/** The KPI that is open: its scopes, worst against target first, in an order that stays while it is read; below them, or of
 * one of them alone, what its value is made of.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { kpi as fetchKpi } from "../api/client";
import type { Definition, Scope, Value } from "../api/types";
import { completeness, connection, missingRates, total } from "../state/board";
import { held } from "../state/completeness";
import { ranked } from "../state/scopes";
import { follow, href, view } from "../state/url";
import type { View } from "../state/url";
import { number, reason, scope, target, unit } from "../text/format";
import { Contributors } from "./Contributors";
import { Drawer } from "./Drawer";
import { StatusWord } from "./StatusWord";

const [FEW, MANY] = [8, 100];
const REFRESH_MS = 5000;

export function KpiDetail({ kpi }: { kpi: Definition }) {
  const rows = useScopes(view.value.run, kpi.name);
  const listed = view.value.scope;
  if (listed !== null) {
    return (
      <Drawer title={kpi.title}>
        <p class="quiet"><Leads to={{ scope: null }}>All scopes</Leads> › {scope(named(listed))}</p>
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
      <Scopes kpi={kpi} rows={rows} />
      <h3>What the total is made of</h3>
      <Made key={kpi.name} kpi={kpi} />
    </Drawer>
  );
}

function Scopes({ kpi, rows }: { kpi: Definition; rows: readonly Value[] | null }) {
  const [shown, setShown] = useState(FEW);
  if (kpi.dimensions.length === 0) return null;
  return (
    <>
      <h3>Scopes <span class="quiet">a value opens what it is made of</span></h3>
      <table>
        <thead>
          <tr><th>scope</th><th class="number">value</th><th>status</th><th class="number">samples</th></tr>
        </thead>
        <tbody>
          {rows?.slice(0, shown).map((value) => (
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
      {rows !== null && rows.length > shown && (
        <p class="empty">
          {rows.length - shown} more, none of them worse.{" "}
          {shown < MANY && <button type="button" onClick={() => setShown(MANY)}>Show them</button>}
        </p>
      )}
    </>
  );
}

/** A level's cases are at hand; what makes another value is folded anew from the log, and so only where it is wanted. */
function Made({ kpi }: { kpi: Definition }) {
  const [wanted, setWanted] = useState(kpi.type === "level");
  if (wanted) return <Contributors kpi={kpi} scope={[]} />;
  return <button type="button" onClick={() => setWanted(true)}>List its events or cases</button>;
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
  return <Leads to={{ scope: Object.entries(of).map(([name, value]) => `${name}:${value}`) }}>{children}</Leads>;
}

function Leads({ to, children }: { to: Partial<View>; children: ComponentChildren }) {
  return <a href={href(to)} onClick={(event) => follow(event, to)}>{children}</a>;
}

/** `["site:Hamburg"]` as a scope. */
const named = (pairs: readonly string[]): Scope =>
  Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf(":")), pair.slice(pair.indexOf(":") + 1)]));

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
