/** One line that is always there: calm while the numbers can be trusted, loud when they cannot. Nothing moves for it. */
import { computed } from "@preact/signals";
import {
  complete, connection, counters, declared, heardAt, isLive, now, problem, ready, serverNow, sources, staleSources, time,
} from "../state/board";
import { troubled } from "../state/completeness";
import { refusal } from "../state/session";
import { trust } from "../state/trust";
import { view } from "../state/url";
import { STATUS, age } from "../text/format";

const current = computed(() =>
  trust({
    run: view.value.run,
    connection: connection.value,
    problem: problem.value,
    ready: ready.value,
    complete: complete.value,
    behind: isLive.value ? serverNow.value - time.value : 0,
    time: time.value,
    events: counters.value["events"] ?? 0,
    sources: sources.value,
    stale: staleSources.value,
    held: declared.value.flatMap((source) => troubled(source)),
  }),
);

/** The same in what lies over the page, where there is something to say. */
export function Doubt() {
  const { level, text } = current.value;
  return level === "quiet" ? null : (
    <p class={`status doubt ${level}`}>
      <span aria-hidden="true">{STATUS[level].glyph}</span> {text}
    </p>
  );
}

export function TrustLine() {
  const { level, text } = current.value;
  const since = connection.value === "lost" && heardAt.value > 0 ? age(now.value - heardAt.value) : null;
  return (
    <div class={`trust ${level}`} data-trust={level}>
      <span role={level === "off_plan" ? "alert" : "status"}>
        <span aria-hidden="true">{level === "quiet" ? "●" : STATUS[level].glyph}</span>{" "}
        {refusal.value === null ? text : "An API key is needed."}
      </span>
      {since !== null && <span class="number">last heard {since} ago</span>}
    </div>
  );
}
