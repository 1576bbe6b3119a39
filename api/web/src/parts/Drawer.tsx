/** What is open lies over the page at its side, so that nothing below it moves. Escape closes it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { go } from "../state/url";
import { Doubt } from "./TrustLine";

const close = () => go({ kpi: null, scope: null, case: null });

export function Drawer({ title, children }: { title: string; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    heading.current?.focus({ preventScroll: true });
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && close();
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      before?.focus({ preventScroll: true });
    };
  }, [title]);
  return (
    <aside class="drawer" role="dialog" aria-label={title}>
      <header>
        <h2 ref={heading} tabIndex={-1}>{title}</h2>
        <button type="button" onClick={close}>Close</button>
      </header>
      <Doubt />
      {children}
    </aside>
  );
}
