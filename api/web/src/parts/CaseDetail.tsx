/** The life of the case that is open: its steps, its due times, its events. */
import { useEffect, useState } from "preact/hooks";
import { timeline } from "../api/client";
import type { Timeline } from "../api/types";
import { isLive, serverNow, time } from "../state/board";
import { dues, steps } from "../state/dues";
import { view } from "../state/url";
import { age, moment, scope } from "../text/format";
import { zone, zoneName } from "../text/zone";
import { Drawer } from "./Drawer";

export function CaseDetail({ of }: { of: string }) {
  const [process = "", ...rest] = of.split("/");
  const id = rest.join("/");
  const [told, setTold] = useState<Timeline | string | null>(null);
  const run = view.value.run;
  useEffect(() => {
    let closed = false;
    setTold(null);
    timeline(run, process, id)
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
      .then((found) => closed || setTold(found));
    return () => {
      closed = true;
    };
  }, [run, process, id]);
  return (
    <Drawer title={`${process} ${id}`}>
      {told === null && <p class="empty">Loading…</p>}
      {typeof told === "string" && <p class="status off_plan">■ {told}</p>}
      {told !== null && typeof told !== "string" && <Life told={told} />}
    </Drawer>
  );
}

function Life({ told }: { told: Timeline }) {
  const at = isLive.value ? serverNow.value : time.value;
  const one = told.case;
  return (
    <>
      {one !== null && (
        <>
          <p class="quiet">{[...one.flags.map((flag) => flag.replaceAll("_", " ")), ...(Object.keys(one.attributes).length > 0 ? [scope(one.attributes)] : [])].join(" · ")}</p>
          <h3>Steps</h3>
          <ol class="life">
            {steps(one).map(({ name, at: reached, after }) => (
              <li key={name}>
                <span>{name}</span>
                <span class="number">{moment(reached)}</span>
                <span class="quiet number">{after === null ? "" : `after ${age(after)}`}</span>
              </li>
            ))}
          </ol>
          {Object.keys(one.quantities).length > 0 && (
            <>
              <h3>Quantities</h3>
              <ul class="life">
                {Object.entries(one.quantities).map(([name, amount]) => (
                  <li key={name}>
                    <span>{name}</span>
                    <span class="number">{amount}</span>
                  </li>
                ))}
              </ul>
            </>
          )}
          <h3>Due times <span class="quiet">in {zoneName(zone.value, at)}</span></h3>
          <ul class="life">
            {dues(one, at).map(({ name, due, state, by }) => (
              <li key={name}>
                <span>{name}</span>
                <span class="number">{moment(due)}</span>
                <span class={`status ${state === "overdue" || state === "late" ? "off_plan" : "on_plan"} number`}>
                  {state === "overdue" || state === "late" ? "■ " : ""}
                  {state === "overdue" ? `overdue for ${age(by)}` : state === "late" ? `late by ${age(by)}` : state}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
      <h3>Events</h3>
      <ol class="life">
        {told.events.map((event) => (
          <li key={`${event.source}/${event.id}`}>
            <span>{event.type}</span>
            <span class="number">{moment(Date.parse(event.time))}</span>
            <span class="quiet">{event.source}</span>
          </li>
        ))}
      </ol>
      {told.truncated && <p class="quiet">There may be older events.</p>}
    </>
  );
}
