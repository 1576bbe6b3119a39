/** Cases whose due time has passed, the longest overdue first. */
import { age, moment, scope } from "../text/format";
import { overdue, time } from "../state/board";
import { missed } from "../state/dues";

export function OverdueCases() {
  const at = time.value || Date.now();
  return (
    <>
      <h2>Overdue cases</h2>
      <div class="panel">
        <table>
          <thead>
            <tr><th>case</th><th>process</th><th>at step</th><th>missed</th><th>due</th><th class="number">overdue for</th><th>of</th></tr>
          </thead>
          <tbody>
            {overdue.value.map((one) => {
              const due = missed(one, at);
              return (
                <tr key={`${one.process}/${one.case}`}>
                  <td>{one.case}</td>
                  <td>{one.process}</td>
                  <td>{one.step ?? "–"}</td>
                  <td>{due?.name ?? "–"}</td>
                  <td>{moment(due?.due ?? null)}</td>
                  <td class="number">{due ? age(at - due.due) : "–"}</td>
                  <td class="quiet">{scope(one.attributes)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {overdue.value.length === 0 && <p class="empty">Nothing is overdue.</p>}
      </div>
    </>
  );
}
