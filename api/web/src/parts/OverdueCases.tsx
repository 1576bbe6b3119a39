/** Cases whose due time has passed, the longest overdue first. */
import { isLive, overdue, reading, serverNow, time } from "../state/board";
import { missed } from "../state/dues";
import { follow, href } from "../state/url";
import { age, moment, number, scope } from "../text/format";

export function OverdueCases() {
  const at = isLive.value ? serverNow.value : time.value;
  const { cases, counts } = overdue.value;
  const all = Math.max(cases.length, counts.reduce((sum, each) => sum + each.overdue, 0));
  const hold = (held: boolean) => () => (reading.value = held);
  return (
    <section aria-labelledby="overdue">
      <h2 id="overdue">
        Overdue cases{" "}
        <span class="quiet number">
          {all === 0 ? "none" : all > cases.length ? `${number(all)}, the ${cases.length} longest overdue` : number(all)}
        </span>
      </h2>
      {cases.length > 0 && (
        <p class="quiet">
          Of every process, past any of their due times. A KPI such as a backlog counts one process and one due time.
        </p>
      )}
      {cases.length > 0 && (
        <div
          class="panel"
          onMouseEnter={hold(true)}
          onMouseLeave={hold(false)}
          onFocusIn={hold(true)}
          onFocusOut={hold(false)}
        >
          <table class="cases">
            <thead>
              <tr>
                <th>case</th><th>process</th><th>last step</th><th>missed</th><th>due</th>
                <th class="number">overdue for</th><th>where</th>
              </tr>
            </thead>
            <tbody>
              {cases.map((one) => {
                const due = missed(one, at);
                const to = { case: `${one.process}/${one.case}`, kpi: null, scope: null };
                return (
                  <tr key={to.case}>
                    <td><a href={href(to)} onClick={(event) => follow(event, to)}>{one.case}</a></td>
                    <td>{one.process}</td>
                    <td>{one.step ?? "–"}</td>
                    <td>{due?.name ?? "–"}</td>
                    <td>{moment(due?.due ?? null)}</td>
                    <td class="number">{due ? age(at - due.due) : "–"}</td>
                    <td class="quiet">{Object.keys(one.attributes).length > 0 ? scope(one.attributes) : "–"}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {cases.length === 0 && <p class="quiet">No case is past a due time.</p>}
    </section>
  );
}
