/** The systems that the numbers live on: how complete each is, when it is expected, what is missing. */
import { declared } from "../state/board";
import { STATES, missing } from "../state/completeness";
import { STATUS, moment } from "../text/format";

export function Sources() {
  if (declared.value.length === 0) return null;
  return (
    <section aria-labelledby="sources">
      <h2 id="sources">Sources</h2>
      <div class="panel">
        <table class="sources">
          <thead>
            <tr>
              <th>source</th><th>state</th><th>complete until</th><th>last heard</th><th>expected</th>
              <th>missing</th><th>owner</th>
            </tr>
          </thead>
          <tbody>
            {declared.value.map((one) => {
              const { level, text } = STATES[one.state];
              return (
                <tr key={one.source} data-source={one.source}>
                  <td title={one.source}>{one.title}</td>
                  <td data-part="state">
                    <span class={`status ${level}`}><span aria-hidden="true">{STATUS[level].glyph}</span> {text}</span>
                  </td>
                  <td data-part="until">{moment(one.complete_until)}</td>
                  <td>{moment(one.heard)}</td>
                  <td>{moment(one.expected)}</td>
                  <td>{missing(one) || "–"}</td>
                  <td class="quiet" title={one.contact}>{one.owner}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}
