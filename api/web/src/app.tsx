/** The first page: is anything off plan, what is overdue, and can these numbers be trusted? */
import { Banner } from "./parts/Banner";
import { Header } from "./parts/Header";
import { KpiDetail } from "./parts/KpiDetail";
import { KpiTile } from "./parts/KpiTile";
import { OverdueCases } from "./parts/OverdueCases";
import { kpis } from "./state/board";
import { view } from "./state/url";

export function App() {
  const open = kpis.value.find((kpi) => kpi.name === view.value.kpi);
  return (
    <main>
      <Header />
      <Banner />
      <section class="tiles" aria-label="KPIs">
        {kpis.value.map((kpi) => <KpiTile key={kpi.name} kpi={kpi} />)}
      </section>
      {open && (
        <div style={{ marginTop: "16px" }}>
          <KpiDetail kpi={open} />
        </div>
      )}
      <OverdueCases />
    </main>
  );
}
