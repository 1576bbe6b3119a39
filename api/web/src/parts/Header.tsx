/** Name, run, time zone, and how many KPIs are in which state. */
import type { Standing } from "../state/board";
import { runs, serverNow, standings } from "../state/board";
import { go, view } from "../state/url";
import { zones } from "../state/zones";
import { STATUS } from "../text/format";
import { OWN, zone, zoneName } from "../text/zone";

const ORDER: readonly Standing[] = ["off_plan", "watch", "on_plan", "unknown", "no_target"];

export function Header() {
  const names = new Set(["live", ...runs.value.map((run) => run.run), view.value.run]);
  return (
    <header class="header">
      <h1>Sightline</h1>
      <ul class="summary" aria-label="KPIs by status">
        {ORDER.map((each) => (
          <li key={each} class={`status ${standings.value[each] > 0 ? each : "on_plan"}`}>
            <span aria-hidden="true">{STATUS[each].glyph}</span> {standings.value[each]} {STATUS[each].word}
          </li>
        ))}
      </ul>
      <label class="quiet">
        Times in{" "}
        <select value={zone.value} onChange={(event) => go({ zone: event.currentTarget.value })}>
          {[...new Set([...zones.value, zone.value])].map((name) => (
            <option key={name} value={name}>
              {zoneName(name, serverNow.value)}{name === OWN && " (yours)"}
            </option>
          ))}
        </select>
      </label>
      <label class="quiet">
        Run{" "}
        <select
          value={view.value.run}
          onChange={(event) => go({ run: event.currentTarget.value, kpi: null, scope: null, case: null })}
        >
          {[...names].map((run) => (
            <option key={run} value={run}>{run}</option>
          ))}
        </select>
      </label>
    </header>
  );
}
