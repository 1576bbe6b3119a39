"""``/metrics``: a closed list of families in Prometheus' naming practice, and one family per KPI.

Of KPIs only the live run is told. A family ``sightline_kpi_<name>_<unit>`` has the KPI's dimensions as labels; where
one is left out (the total, or a single dimension) its label is empty. At most ``SERIES`` series per family: coarse
scopes come first, and what does not fit is counted in ``sightline_metric_series_dropped``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from starlette.responses import Response

from api.broadcast import Broadcaster
from api.dependencies import Dependencies, Deps, Part, Reader
from api.health import all_parts
from api.present import LIVE
from services.catalogue.words import metric_name
from services.domain.catalogue import Catalogue, Kpi
from services.domain.facts import KpiValue, Status
from services.errors import NotFound
from services.live import RunView

SERIES = 1000
"""Series per KPI family at most."""


class Family(NamedTuple):
    """A metric family of the closed list: what it is called, what it says, its labels. Counters end in ``_total``."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Family, ...] = (
    Family("sightline_kpi_status", "1 for the status that a KPI's total has now", ("kpi", "status")),
    Family("sightline_kpi_age_seconds", "how long ago a KPI's total held for certain", ("kpi",)),
    Family(
        "sightline_source_last_event_timestamp_seconds", "event time of a source's latest event", ("source",)
    ),
    Family("sightline_source_last_heard_timestamp_seconds", "when a source was last heard", ("source",)),
    Family("sightline_source_idle", "1 while a source is idle and holds no window open", ("source",)),
    Family("sightline_source_events_total", "events of a source", ("source",)),
    Family("sightline_engine_time_timestamp_seconds", "the engine's time in the live run"),
    Family("sightline_watermark_timestamp_seconds", "event time up to which the live run is complete"),
    Family("sightline_run_events_total", "events of the live run by what became of them", ("kind",)),
    Family(
        "sightline_consumer_lag_records",
        "records of a topic that a group has not read yet",
        ("group", "topic"),
    ),
    Family("sightline_intake_accepted_events_total", "events that the log has acknowledged"),
    Family("sightline_intake_rejected_events_total", "events refused, by reason", ("code",)),
    Family("sightline_intake_frames_total", "frames appended to the log"),
    Family("sightline_intake_frame_bytes_total", "bytes of these frames"),
    Family("sightline_dead_letters", "dead letters that were not replayed"),
    Family("sightline_recorder_windows_total", "closed windows written to the database"),
    Family("sightline_recorder_unreadable_total", "records that the recorder could not read"),
    Family("sightline_recorder_delay_seconds", "age of the record that the recorder read last"),
    Family("sightline_stream_clients", "clients on the live stream"),
    Family("sightline_stream_losses_total", "snapshots sent to clients that could not keep up"),
    Family("sightline_part_ready", "1 while a part of the system is ready", ("part",)),
    Family("sightline_metric_series_dropped", "series left out of a KPI's family to bound it", ("family",)),
)

Series = Mapping[Any, float]
"""Label values (a tuple) → figure."""

Figures = Mapping[str, Series]

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_metrics(request: Request, deps: Deps, grant: Reader) -> Response:
    """Everything that Prometheus scrapes."""
    view = deps.live.get(grant.tenant, LIVE)
    try:
        catalogue = await deps.catalogues.of(grant.tenant, LIVE)
    except NotFound:
        catalogue = Catalogue({}, {}, {})
    families, dropped = kpi_families(catalogue, view)
    figures = {
        **_statuses(catalogue, view, deps.clock.now()),
        **_run_figures(view),
        **await _process_figures(deps, request.app.state.broadcaster, grant.tenant),
        "sightline_metric_series_dropped": dropped,
    }
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    registry = _Registry([*families, *closed_families(figures)])
    return Response(encode(registry), headers={"content-type": content_type})


class _Registry:
    """What prometheus-client's encoders read: families that are there already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def closed_families(figures: Figures) -> Iterator[Metric]:
    """The families of ``METRICS`` that have figures; a figure that is not on the list raises ``KeyError``."""
    known = {family.name: family for family in METRICS}
    for name, series in figures.items():
        family = known[name]
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        metric = kind(name.removesuffix("_total"), family.help, labels=family.labels)
        for labels, figure in series.items():
            metric.add_metric(labels, figure)
        yield metric


def kpi_families(catalogue: Catalogue, view: RunView) -> tuple[list[Metric], dict[tuple[str, ...], float]]:
    """One family per KPI with its unit, and how many series of it were left out."""
    values: dict[str, list[KpiValue]] = {name: [] for name in catalogue.kpis}
    for (name, _), value, _ in view.values():
        if name in values and value.value is not None:
            values[name].append(value)
    families: list[Metric] = []
    dropped: dict[tuple[str, ...], float] = {}
    for name, kpi in catalogue.kpis.items():
        family = GaugeMetricFamily(family_name(kpi), kpi.title, labels=kpi.dimensions)
        ordered = sorted(values[name], key=lambda value: (len(value.scope), sorted(value.scope.items())))
        for value in ordered[:SERIES]:
            family.add_metric([value.scope.get(label, "") for label in kpi.dimensions], value.value or 0.0)
        if len(ordered) > SERIES:
            dropped[family_name(kpi),] = len(ordered) - SERIES
        families.append(family)
    return families, dropped


def family_name(kpi: Kpi) -> str:
    """``sightline_kpi_<name>_<unit>``; the catalogue's lint sees to it that no two KPIs share one."""
    return metric_name(kpi.name, kpi.unit)


def _statuses(catalogue: Catalogue, view: RunView, now: int) -> Figures:
    statuses: dict[tuple[str, ...], float] = {}
    ages: dict[tuple[str, ...], float] = {}
    for name in catalogue.kpis:
        total, part = next(
            ((value, part) for key, value, part in view.values() if key == (name, ())), (None, None)
        )
        current = Status.UNKNOWN if total is None else total.status
        for status in Status:
            statuses[name, status.value] = float(status is current)
        if total is not None and part is not None:
            ages[name,] = max(0, now - max(total.as_of, part.time)) / 1000
    return {"sightline_kpi_status": statuses, "sightline_kpi_age_seconds": ages}


def _run_figures(view: RunView) -> Figures:
    sources = view.sources
    figures: dict[str, Series] = {
        "sightline_source_last_event_timestamp_seconds": {
            (each.source,): each.last_event / 1000 for each in sources
        },
        "sightline_source_last_heard_timestamp_seconds": {
            (each.source,): each.last_ingest / 1000 for each in sources
        },
        "sightline_source_idle": {(each.source,): float(each.idle) for each in sources},
        "sightline_source_events_total": {(each.source,): each.events for each in sources},
        "sightline_run_events_total": {(kind,): count for kind, count in view.counters.items()},
    }
    if view.partitions:
        figures["sightline_engine_time_timestamp_seconds"] = {(): view.time / 1000}
        figures["sightline_watermark_timestamp_seconds"] = {(): view.watermark / 1000}
    return figures


async def _process_figures(deps: Dependencies, broadcaster: Broadcaster, tenant: str) -> Figures:
    parts: Sequence[Part] = await all_parts(deps)
    figures: dict[str, Series] = {
        "sightline_dead_letters": {(): await deps.dead_letters.count(tenant)},
        "sightline_stream_clients": {(): broadcaster.clients},
        "sightline_stream_losses_total": {(): broadcaster.snapshots_after_loss},
        "sightline_part_ready": {(part.name,): float(part.ready) for part in parts},
    }
    if deps.intake_counters is not None:
        counters = deps.intake_counters
        figures["sightline_intake_accepted_events_total"] = {(): counters.accepted}
        figures["sightline_intake_rejected_events_total"] = {
            (code,): n for code, n in counters.by_code.items()
        }
        figures["sightline_intake_frames_total"] = {(): counters.frames}
        figures["sightline_intake_frame_bytes_total"] = {(): counters.bytes}
    if deps.recorded is not None:
        figures["sightline_recorder_windows_total"] = {(): deps.recorded.windows}
        figures["sightline_recorder_unreadable_total"] = {(): deps.recorded.unreadable}
        figures["sightline_recorder_delay_seconds"] = {(): deps.recorded.behind_ms / 1000}
    if deps.lags is not None:
        figures["sightline_consumer_lag_records"] = await deps.lags()
    return figures
