/** One KPI: value against its target, status, age and its course. Its place never changes. */
import type { Definition } from "../api/types";
import { STATUS, age, moment, number, reason, target, unit } from "../text/format";
import { connection, engineAge, history, time, total } from "../state/board";
import { go, view } from "../state/url";
import { Sparkline } from "./Sparkline";

/** Live numbers have an age; those of an import are as of the moment at which it ends. */
const freshness = () => (view.value.run === "live" ? age(engineAge.value) : `as of ${moment(time.value)}`);

export function KpiTile({ kpi }: { kpi: Definition }) {
  const value = total(kpi.name);
  const status = value?.status ?? "unknown";
  const open = view.value.kpi === kpi.name;
  const stale = connection.value === "lost" || value?.reason === "stale";
  const word = kpi.target === null && status === "unknown" ? "no target" : STATUS[status].word;
  return (
    <button
      type="button"
      class={`tile ${status} ${stale ? "stale" : ""}`}
      aria-pressed={open}
      title={kpi.description}
      data-kpi={kpi.name}
      onClick={() => go({ kpi: open ? null : kpi.name })}
    >
      <span class="title">{kpi.title}</span>
      <span class="value number">
        {number(value?.value ?? null)}
        <small>{unit(kpi.unit)}</small>
      </span>
      <Sparkline
        points={history.value.get(kpi.name) ?? []}
        target={kpi.target?.value ?? null}
        label={`Course of ${kpi.title}`}
      />
      <span class="row">
        <span class={`status ${status}`} title={value && reason(value.reason)}>
          <span aria-hidden="true">{STATUS[status].glyph}</span> {word}
        </span>
        <span class="quiet number">{target(kpi.target, kpi.unit)}</span>
      </span>
      <span class="row quiet">
        <span>{kpi.owner}</span>
        <span class="number">{value ? freshness() : "no data"}</span>
      </span>
    </button>
  );
}
