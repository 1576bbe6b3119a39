"""``/metrics`` of the api: the closed list of ``families``, and one family per KPI.

Of KPIs only the live run is told. A family ``sightline_kpi_<name>_<unit>`` has the KPI's dimensions as labels; where
one is left out (the total, or a single dimension) its label is empty. At most ``SERIES`` series per family: coarse
scopes come first, and what does not fit is counted in ``sightline_metric_series_dropped``.
"""

from __future__ import annotations

import contextlib

from fastapi import APIRouter, Request
from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from starlette.responses import Response

from api.broadcast import Broadcaster
from api.dependencies import Dependencies, Deps, Reader, VitalsDep
from api.families import Figures, Series, closed_families, exposition
from api.present import LIVE
from api.vitals import vital_figures
from services.catalogue.words import metric_name
from services.domain.catalogue import Catalogue, Kpi
from services.domain.facts import KpiValue, SourceWord, Status
from services.errors import NotFound, Unavailable
from services.live import RunView
from services.lookups.book import LookupBook

SERIES = 1000
"""Series per KPI family at most."""


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
async def get_metrics(request: Request, deps: Deps, vitals: VitalsDep, grant: Reader) -> Response:
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
        **_state_figures(view),
        **await _intake_figures(deps, request.app.state.broadcaster, grant.tenant),
        **await vital_figures(vitals),
        "sightline_metric_series_dropped": dropped,
    }
    return exposition(request, [*families, *closed_families(figures)])


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
        total, part = view.find((name, ())) or (None, None)
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


def _state_figures(view: RunView) -> Figures:
    states = view.states
    return {
        "sightline_source_complete_until_timestamp_seconds": {
            (name,): state.until / 1000 for name, state in states.items() if state.until > 0
        },
        "sightline_source_state": {
            (name, word.value): float(word is state.word)
            for name, state in states.items()
            for word in SourceWord
        },
        "sightline_source_missing_events": {(name,): state.account.missing for name, state in states.items()},
    }


def _lookup_figures(book: LookupBook) -> Figures:
    missed = {name: book.missing(name) for name in book.tables}
    return {
        "sightline_lookup_rows": {(name,): len(table) for name, table in book.tables.items()},
        "sightline_lookup_unmapped_total": {
            (name,): sum(tally.count for tally in found.values()) for name, found in missed.items()
        },
        "sightline_lookup_unmapped_keys": {
            (name,): sum(not book.mapped(one, tally) for one, tally in found.items())
            for name, found in missed.items()
        },
        "sightline_lookup_refused_records_total": {(): book.refusals},
    }


async def _intake_figures(deps: Dependencies, broadcaster: Broadcaster, tenant: str) -> Figures:
    figures: dict[str, Series] = {
        "sightline_stream_clients": {(): broadcaster.clients},
        "sightline_stream_losses_total": {(): broadcaster.snapshots_after_loss},
    }
    # All other figures come from memory: Prometheus goes on seeing them while the database is away.
    with contextlib.suppress(Unavailable):
        figures["sightline_dead_letters"] = {(): await deps.dead_letters.count(tenant)}
    if deps.lookups is not None:
        figures |= _lookup_figures(deps.lookups)
    if deps.intake_counters is not None:
        counters = deps.intake_counters
        figures["sightline_intake_accepted_events_total"] = {(): counters.accepted}
        figures["sightline_intake_rejected_events_total"] = {
            (code,): n for code, n in counters.by_code.items()
        }
        figures["sightline_intake_frames_total"] = {(): counters.frames}
        figures["sightline_intake_frame_bytes_total"] = {(): counters.bytes}
    return figures
