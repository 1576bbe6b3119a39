/** One KPI: value against its target, status, age and its course. Its place never changes. */
import type { Definition, Value } from "../api/types";
import {
  ageOf, changedAt, completeness, connection, history, isLive, key, missingRates, serverNow, standing, time, total,
} from "../state/board";
import { comparable } from "../state/course";
import { follow, href, view } from "../state/url";
import { age, day, gap, number, reason, target, unit } from "../text/format";
import { Sparkline } from "./Sparkline";
import { held, lacking } from "../state/completeness";
import { StatusWord } from "./StatusWord";

/** Live numbers have an age; those of an import are as of the moment at which it ends. */
const freshness = (value: Value) => (isLive.value ? age(ageOf(value)) : `as of ${day(time.value)}`);

/** What keeps it from being known, in words. */
const waits = (value: Value) =>
  held(value, completeness.value[value.kpi]) ?? lacking(value, missingRates.value[value.kpi] ?? []);

function changed(kpi: string): string {
  if (!isLive.value) return "the end of this import";
  const at = changedAt.value.get(key(kpi, {}));
  return at === undefined ? "age of this number" : `age of this number; it last changed ${age(serverNow.value - at)} ago`;
}

export function KpiTile({ kpi }: { kpi: Definition }) {
  const value = total(kpi.name);
  const status = standing(kpi);
  const stale = connection.value === "lost" || value?.reason === "stale";
  const abnormal = status === "off_plan" || status === "watch";
  const to = { kpi: view.value.kpi === kpi.name ? null : kpi.name, scope: null, case: null };
  const current = isLive.value && comparable(kpi) ? (value?.value ?? null) : null;
  return (
    <a
      class={`tile ${status} ${stale ? "stale" : ""}`}
      href={href(to)}
      aria-current={view.value.kpi === kpi.name ? "true" : undefined}
      title={kpi.description}
      data-kpi={kpi.name}
      onClick={(event) => follow(event, to)}
    >
      <span class="title">{kpi.title}</span>
      <span class="value number">
        <span data-part="value">{number(value?.value ?? null)}</span>
        <small data-part="unit">{unit(kpi.unit)}</small>
      </span>
      <Sparkline
        points={history.value.get(kpi.name) ?? []}
        current={current}
        target={comparable(kpi) ? (kpi.target?.value ?? null) : null}
        label={`${kpi.title} by ${kpi.grain}`}
      />
      <span class="row judged">
        <span data-part="status">
          <StatusWord of={status} title={value && reason(value.reason)} />
          {abnormal && value?.gap != null && <span class={`status ${status} number`}> {gap(value.gap)}</span>}
        </span>
        {kpi.target !== null && <span class="quiet number" data-part="target">{target(kpi.target, kpi.unit)}</span>}
      </span>
      <span class="row quiet owned">
        <span data-part="owner" class="owner">{kpi.owner}</span>
        <span class="number" data-part="age" title={changed(kpi.name)}>
          {value ? (waits(value) ?? freshness(value)) : "no data"}
        </span>
      </span>
    </a>
  );
}
