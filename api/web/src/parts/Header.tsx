/** Name, run, how many KPIs are in which state, and what comes in. */
import { STATUS, moment, number } from "../text/format";
import { connection, counters, runs, sources, statusCounts, time } from "../state/board";
import { go, view } from "../state/url";
import type { Status } from "../api/types";

const ORDER: readonly Status[] = ["off_plan", "watch", "on_plan", "unknown"];

export function Header() {
  return (
    <>
      <header class="header">
        <h1>Sightline</h1>
        <label class="quiet">
          run{" "}
          <select value={view.value.run} onChange={(event) => go({ run: event.currentTarget.value, kpi: null })}>
            {[...new Set([...runs.value, view.value.run])].map((run) => (
              <option key={run} value={run}>{run}</option>
            ))}
          </select>
        </label>
        <span class="spacer" />
        <span class="quiet number">{number(counters.value["events"] ?? 0)} events</span>
        <span class="quiet">{sources.value.length} sources</span>
        <span class="quiet">as of {moment(time.value || null)}</span>
        <span role="status">{connection.value === "live" ? "● live" : connection.value === "lost" ? "■ lost" : "… connecting"}</span>
      </header>
      <div class="summary" aria-label="KPIs by status">
        {ORDER.map((status) => (
          <span key={status} class={`status ${statusCounts.value[status] > 0 ? status : "unknown"}`}>
            <span aria-hidden="true">{STATUS[status].glyph}</span> {statusCounts.value[status]} {STATUS[status].word}
          </span>
        ))}
      </div>
    </>
  );
}
