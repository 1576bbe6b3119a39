"""``/api/v1/kpis/{name}/history``: what a KPI was, slot by slot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import Deps, Reader
from api.known import known_dimensions, known_kpi, known_scope
from api.kpis import Run, ScopeParam, parse_scope
from api.present import LIVE
from api.shapes import HistoriesShape, HistoryShape, PointShape, answer
from services.domain.catalogue import Kpi
from services.domain.history import Point
from services.domain.windows import DAY, GRAINS, HOUR, MINUTE, WEEK
from services.errors import InvalidInput
from services.histories import Histories

router = APIRouter(prefix="/api/v1", tags=["kpis"])

SLOTS = 100
"""How many slots are given where the request names no start."""

LENGTHS = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "1h": HOUR,
    "1d": DAY,
    "1w": WEEK,
    "1mo": 31 * DAY,
}

EARLIEST, LATEST = -2_208_988_800_000, 7_258_118_400_000
"""The years 1900 to 2200: calendars are drawn for these."""

_INSTANT = "epoch milliseconds or RFC 3339"


@router.get("/kpis/{name}/history", operation_id="getKpiHistory", responses={200: {"model": HistoryShape}})
async def get_kpi_history(
    deps: Deps,
    grant: Reader,
    name: str,
    *,
    run: Run = LIVE,
    start: Annotated[
        str | None, Query(alias="from", description=f"slots that start from here on: {_INSTANT}")
    ] = None,
    end: Annotated[str | None, Query(alias="to", description=f"slots that start before: {_INSTANT}")] = None,
    step: Annotated[str | None, Query(description=f"length of a slot: {', '.join(GRAINS)}")] = None,
    scope: ScopeParam = None,
) -> Response:
    """Closed slots of a KPI at a scope (default: the total), by time; late events restate them."""
    catalogue = await deps.catalogues.of(grant.tenant, run)
    kpi = known_kpi(catalogue, name)
    wanted = parse_scope(scope)
    known_dimensions(kpi, wanted)
    length = _step(kpi, step)
    view = deps.live.get(grant.tenant, run)
    since, before = between(start, end)
    if since is None:
        since = (before or view.time or deps.clock.now()) - SLOTS * LENGTHS[length]
    histories = Histories(deps.history, deps.catalogues)
    points = await histories.of(grant.tenant, run, name, start=since, end=before, step=length, scope=wanted)
    if not points:
        known_scope(view, name, wanted)
    return answer(HistoryShape(name, run, wanted, length, kpi.unit, _shapes(points)))


@router.get("/history", operation_id="listHistories", responses={200: {"model": HistoriesShape}})
async def list_histories(
    deps: Deps,
    grant: Reader,
    *,
    run: Run = LIVE,
    slots: Annotated[int, Query(ge=1, le=1000, description="how many of the latest slots")] = SLOTS,
) -> Response:
    """The total of every KPI over its latest closed slots: what a page of all KPIs needs, at once."""
    catalogue = await deps.catalogues.of(grant.tenant, run)
    now = deps.live.get(grant.tenant, run).time or deps.clock.now()
    histories = Histories(deps.history, deps.catalogues)
    found: list[HistoryShape] = []
    for name, kpi in catalogue.kpis.items():
        since = now - slots * LENGTHS[kpi.grain]
        points = await histories.of(grant.tenant, run, name, start=since, end=None, step=kpi.grain, scope={})
        found.append(HistoryShape(name, run, {}, kpi.grain, kpi.unit, _shapes(points)))
    return answer(HistoriesShape(run, found))


def _shapes(points: Sequence[Point]) -> list[PointShape]:
    return [PointShape(each.start, each.end, each.value, each.samples) for each in points]


def instant(field: str, text: str) -> int:
    """Epoch milliseconds from epoch milliseconds or RFC 3339; raises ``InvalidInput``."""
    found = _instant(text)
    if found is None or not EARLIEST <= found <= LATEST:
        raise InvalidInput(
            f"{field} is not an instant: {text!r}",
            field=field,
            value=text,
            remedy="write epoch milliseconds, or a date and time with its zone: 2026-03-01T00:00:00Z",
        )
    return found


def between(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """``from`` and ``to`` as instants, where they are given; raises ``InvalidInput`` where they are in wrong order."""
    since = None if start is None else instant("from", start)
    before = None if end is None else instant("to", end)
    if since is not None and before is not None and since > before:
        raise InvalidInput(
            f"from {start} is after to {end}",
            field="from",
            value=start,
            remedy="write the earlier one as from",
        )
    return since, before


def _instant(text: str) -> int | None:
    if text.removeprefix("-").isdecimal():
        return int(text) if len(text) < 20 else None  # longer ones are no time at all
    try:
        # A "+" that was not escaped in a query arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)


def _step(kpi: Kpi, step: str | None) -> str:
    """The length asked for: the grain or, where whole slots of it fit, a longer one."""
    if step is None or step == kpi.grain:
        return kpi.grain
    if step not in LENGTHS:
        raise InvalidInput(
            f"there is no step {step!r}", field="step", value=step, remedy=f"use one of: {', '.join(LENGTHS)}"
        )
    if LENGTHS[step] < LENGTHS[kpi.grain] or (kpi.grain, step) == ("1w", "1mo"):
        raise InvalidInput(
            f"{kpi.name} is kept by {kpi.grain}, which {step} is not made of",
            field="step",
            value=step,
            remedy=f"use {kpi.grain} or a multiple, or change the KPI's grain",
        )
    return step
