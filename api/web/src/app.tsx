/** The first page: is anything off plan, what is overdue, and can these numbers be trusted? */
import { useEffect } from "preact/hooks";
import { CaseDetail } from "./parts/CaseDetail";
import { Header } from "./parts/Header";
import { KeyPrompt } from "./parts/KeyPrompt";
import { KpiDetail } from "./parts/KpiDetail";
import { KpiTile } from "./parts/KpiTile";
import { OverdueCases } from "./parts/OverdueCases";
import { Sources } from "./parts/Sources";
import { TrustLine } from "./parts/TrustLine";
import { connection, kpis, standings } from "./state/board";
import { view } from "./state/url";

function title(): string {
  const off = standings.value.off_plan;
  if (connection.value === "lost") return "■ lost – Sightline";
  return off > 0 ? `■ ${off} off plan – Sightline` : "Sightline";
}

export function App() {
  const open = kpis.value.find((kpi) => kpi.name === view.value.kpi);
  const said = title();
  useEffect(() => {
    document.title = said;
  }, [said]);
  return (
    <>
      <main>
        <Header />
        <TrustLine />
        <KeyPrompt />
        <section class="tiles" aria-label="KPIs">
          {kpis.value.map((kpi) => <KpiTile key={kpi.name} kpi={kpi} />)}
        </section>
        <OverdueCases />
        <Sources />
      </main>
      {open && <KpiDetail kpi={open} />}
      {view.value.case !== null && <CaseDetail of={view.value.case} />}
    </>
  );
}
