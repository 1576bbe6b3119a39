/** A status as glyph and word; colour only comes on top. */
import type { Standing } from "../state/board";
import { STATUS } from "../text/format";

export function StatusWord({ of, title }: { of: Standing; title?: string | undefined }) {
  return (
    <span class={`status ${of}`} title={title}>
      <span aria-hidden="true">{STATUS[of].glyph}</span> {STATUS[of].word}
    </span>
  );
}
