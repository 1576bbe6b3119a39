/** What a value is made of: the events or cases that were counted, worst first, as of when it was opened. */
import { useEffect, useState } from "preact/hooks";
import { contributors, contributorsCsv } from "../api/client";
import type { Params } from "../api/client";
import type { Case, Contributor, Contributors as Page, Definition } from "../api/types";
import { isLive, kpis, serverNow, time } from "../state/board";
import { missed } from "../state/dues";
import { follow, href, view } from "../state/url";
import type { View } from "../state/url";
import { age, measured, moment, number, scope as words, unit } from "../text/format";
import { zone, zoneName } from "../text/zone";

export function Contributors({ kpi, scope }: { kpi: Definition; scope: readonly string[] }) {
  const [part, setPart] = useState<string | null>(null);
  const asked: Params = { run: view.value.run, scope, ...(part === null ? {} : { part }) };
  const { page, more } = usePages(kpi.name, asked);
  return (
    <>
      {page === null && <p class="empty">Loading…</p>}
      {typeof page === "string" && <p class="status off_plan">■ {page}</p>}
      {page !== null && typeof page !== "string" && (
        <>
          {page.inputs.length > 0 && (
            <p>
              Computed from{" "}
              {page.inputs.map((name) => (
                <span key={name}><To view={{ kpi: name }}>{titleOf(name)}</To> </span>
              ))}
            </p>
          )}
          {page.parts.length > 1 && (
            <p class="choices" role="group" aria-label="part">
              {page.parts.map((name) => (
                <button key={name} type="button" aria-pressed={name === page.part} onClick={() => setPart(name)}>
                  {name}
                </button>
              ))}
            </p>
          )}
          {page.parts.length > 0 && <List kpi={kpi} page={page} asked={asked} more={more} />}
        </>
      )}
    </>
  );
}

function List({ kpi, page, asked, more }: { kpi: Definition; page: Page; asked: Params; more: () => void }) {
  const window = { from: page.window.start, to: page.window.end };
  return (
    <>
      <p>
        {counted(kpi, page)}, as of {moment(Math.min(page.window.end, Date.now()))} ({zoneName(zone.value, page.window.end)}).{" "}
        <button type="button" onClick={() => void save(kpi.name, { ...asked, ...window })}>CSV</button>
      </p>
      {!page.complete && <p class="status watch">▲ Some may be missing: {page.reason}</p>}
      <table>
        <thead>
          <tr><th>which</th><th>counted</th>{page.number !== null && <th class="number">{page.number}</th>}<th>where</th></tr>
        </thead>
        <tbody>
          {page.contributors.map((one, index) => (
            <tr key={`${one.type}/${one.id}/${index}`}>
              <td class="which"><Which one={one} /></td>
              <td>{moment(one.time)}</td>
              {page.number !== null && <td class="number">{measured(one.number, page.unit)}</td>}
              <td class="where quiet">{Object.keys(one.scope).length > 0 ? words(one.scope) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {page.contributors.length === 0 && <p class="empty">None.</p>}
      {page.next !== null && <button type="button" onClick={more}>More</button>}
    </>
  );
}

/** A case leads to its life, an event shows what it said; both to their source system, where it has a link. */
function Which({ one }: { one: Contributor }) {
  return (
    <>
      {one.case !== null ? (
        <To view={{ case: `${one.type}/${one.id}`, kpi: null, scope: null }}>{one.id}</To>
      ) : (
        <details>
          <summary>{one.id}</summary>
          <pre>{JSON.stringify(one.event?.data ?? null, null, 1)}</pre>
        </details>
      )}
      {one.link !== null && <>{" "}<a class="source" href={one.link} target="_blank" rel="noreferrer">source ↗</a></>}
      {one.case !== null && <small class="quiet">{standing(one.case)}</small>}
    </>
  );
}

/** What a case waits for: "issued; promised 24 Nov, 16:00, overdue for 3 h". */
function standing(of: Case): string {
  const at = isLive.value ? serverNow.value : time.value;
  const due = of.flags.includes("overdue") ? missed(of, at) : null;
  const late = due === null ? "" : `; ${due.name} ${moment(due.due)}, overdue for ${age(at - due.due)}`;
  return `${of.step ?? "–"}${late}`;
}

/** How many there are, and of what. */
function counted(kpi: Definition, page: Page): string {
  const value = `${number(page.value)} ${unit(kpi.unit)}`;
  if (page.part === "misses") return `${number(page.count)} are missing from ${value}`;
  return `${number(page.count)} ${page.part === "value" ? "make" : `are in the ${page.part} of`} ${value}`;
}

function To({ view: to, children }: { view: Partial<View>; children: string }) {
  return <a href={href(to)} onClick={(event) => follow(event, to)}>{children}</a>;
}

const titleOf = (name: string) => kpis.value.find((kpi) => kpi.name === name)?.title ?? name;

/** The pages read so far as one (a text: what went wrong; null: not yet), and how to read the next. */
function usePages(kpi: string, asked: Params): { page: Page | string | null; more: () => void } {
  const [page, setPage] = useState<Page | string | null>(null);
  const said = (error: unknown) => (error instanceof Error ? error.message : String(error));
  useEffect(() => {
    let closed = false;
    setPage(null);
    contributors(kpi, asked)
      .catch(said)
      .then((found) => closed || setPage(found));
    return () => {
      closed = true;
    };
  }, [kpi, JSON.stringify(asked)]);
  const more = () => {
    if (page === null || typeof page === "string" || page.next === null) return;
    const known = page.contributors;
    contributors(kpi, { ...asked, cursor: page.next })
      .then((next) => setPage({ ...next, contributors: [...known, ...next.contributors] }))
      .catch((error: unknown) => setPage(said(error)));
  };
  return { page, more };
}

/** Hand a file to the browser: a plain link could not carry the API key. */
async function save(kpi: string, asked: Params): Promise<void> {
  const url = URL.createObjectURL(await contributorsCsv(kpi, asked));
  const link = Object.assign(document.createElement("a"), { href: url, download: `${kpi}.csv` });
  link.click();
  URL.revokeObjectURL(url);
}
