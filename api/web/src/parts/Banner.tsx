/** Says loudly when the numbers cannot be trusted: the stream is lost, a source is silent, the API answers errors. */
import { age } from "../text/format";
import { connection, heardAt, now, problem, staleSources, time } from "../state/board";

export function Banner() {
  const stale = staleSources.value;
  return (
    <div role="alert">
      {connection.value === "lost" && (
        <div class="banner">
          ■ The live stream is lost{heardAt.value > 0 && <> since {age(now.value - heardAt.value)}</>}: these are old
          numbers. Reconnecting…
        </div>
      )}
      {connection.value !== "lost" && problem.value !== null && <div class="banner">■ {problem.value}</div>}
      {stale.length > 0 && (
        <div class="banner watch">
          ▲ Nothing heard from {stale.map((s) => `${s.source} for ${age(time.value - s.last_ingest)}`).join(", ")}: what
          depends on it is stale.
        </div>
      )}
    </div>
  );
}
