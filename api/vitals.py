"""What every process tells of itself in ``/metrics``, and the small app of those that run no api."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from api import errors, health
from api.dependencies import Reader, Vitals, VitalsDep
from api.families import Figures, Series, closed_families, exposition
from api.security import Security
from services.health import ProcessorHealth
from services.keys import Keyring
from services.recording import Recorded

router = APIRouter(tags=["health"])


def create_vitals_app(vitals: Vitals, keyring: Keyring, hosts: tuple[str, ...] = ()) -> FastAPI:
    """``/livez``, ``/readyz`` and ``/metrics`` for a process without the api; the same rules of access."""
    app = FastAPI(title="Sightline", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.vitals = vitals
    app.state.close = lambda: None
    errors.install(app)
    app.include_router(health.router)
    app.include_router(router)
    app.add_middleware(Security, keyring=keyring, hosts=hosts)
    return app


@router.get("/metrics")
async def get_metrics(request: Request, vitals: VitalsDep, grant: Reader) -> Response:  # noqa: ARG001  # asking for the grant is the check
    """What this process does; KPIs are told by the api."""
    return exposition(request, list(closed_families(await vital_figures(vitals))))


async def vital_figures(vitals: Vitals) -> Figures:
    """Parts, processor, recorder and lags, as far as this process has them."""
    figures: dict[str, Series] = {
        "sightline_part_ready": {(part.name,): float(part.ready) for part in await vitals.parts()}
    }
    if (processor := vitals.processor()) is not None:
        figures |= _processor_figures(processor)
    if (recorded := vitals.recorded()) is not None:
        figures |= _recorder_figures(recorded)
    if vitals.lags is not None:
        figures["sightline_consumer_lag_records"] = await vitals.lags()
    return figures


def _processor_figures(health: ProcessorHealth) -> Figures:
    by_partition = {(each.processor, str(each.partition)): each for each in health.partitions}
    return {
        "sightline_processor_recovering": {(): float(health.recovering)},
        "sightline_processor_lag_records": {key: each.lag for key, each in by_partition.items()},
        "sightline_processor_applied_offset": {key: each.applied for key, each in by_partition.items()},
        "sightline_processor_snapshot_age_seconds": {
            key: each.snapshot_age for key, each in by_partition.items() if each.snapshot_age is not None
        },
        "sightline_processor_records_total": {key: each.records for key, each in by_partition.items()},
        "sightline_processor_refused_total": {key: each.refused for key, each in by_partition.items()},
        "sightline_processor_gap": {key: float(each.gap is not None) for key, each in by_partition.items()},
    }


def _recorder_figures(recorded: Recorded) -> Figures:
    return {
        "sightline_recorder_windows_total": {(): recorded.windows},
        "sightline_recorder_amendments_total": {(): recorded.amendments},
        "sightline_recorder_cases_total": {(): recorded.cases},
        "sightline_recorder_dead_letters_total": {(): recorded.letters},
        "sightline_recorder_unreadable_total": {(): recorded.unreadable},
        "sightline_recorder_delay_seconds": {(): recorded.behind_ms / 1000},
    }
