"""``/api/v1/kpis``: what every number is, and what it is now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import Deps, Reader
from api.known import known_dimensions, known_kpi, known_scope
from api.present import LIVE, Scopes, state
from api.shapes import KpisShape, answer
from services.errors import InvalidInput

router = APIRouter(prefix="/api/v1", tags=["kpis"])

Run = Annotated[str, Query(description="`live`, or the name of an import", examples=[LIVE])]
ScopesParam = Annotated[
    Scopes,
    Query(description="`total`: only totals; `single`: also each single dimension; `all`: every combination"),
]
ScopeParam = Annotated[
    list[str] | None,
    Query(description="a dimension and its value, `site:W01`; repeat it for more", examples=[["site:W01"]]),
]


def parse_scope(pairs: list[str] | None, field: str = "scope") -> dict[str, str]:
    """``["site:W01"]`` → ``{"site": "W01"}``; raises ``InvalidInput`` that names ``field``."""
    scope: dict[str, str] = {}
    for pair in pairs or ():
        dimension, colon, value = pair.partition(":")
        if not (dimension and colon):
            raise InvalidInput(
                f"{pair!r} is not name:value",
                field=field,
                value=pair,
                remedy="write name:value, as in site:W01",
            )
        scope[dimension] = value
    return scope


@router.get("/kpis", operation_id="listKpis", responses={200: {"model": KpisShape}})
async def list_kpis(
    deps: Deps, grant: Reader, run: Run = LIVE, scopes: ScopesParam = Scopes.TOTAL
) -> Response:
    """Every KPI of a run: its definition and its current values with window, status, reason, samples and age."""
    catalogue = await deps.catalogues.of(grant.tenant, run)
    view = deps.live.get(grant.tenant, run)
    now, ready = deps.clock.now(), deps.live.ready
    return answer(state(view, catalogue, scopes, now=now, ready=ready, rates=deps.missing_rates(run)))


@router.get("/kpis/{name}", operation_id="getKpi", responses={200: {"model": KpisShape}})
async def get_kpi(
    deps: Deps,
    grant: Reader,
    name: str,
    *,
    run: Run = LIVE,
    scopes: ScopesParam = Scopes.ALL,
    scope: ScopeParam = None,
) -> Response:
    """One KPI at every scope, or at those that contain ``scope``."""
    catalogue = await deps.catalogues.of(grant.tenant, run)
    wanted = parse_scope(scope)
    known_dimensions(known_kpi(catalogue, name), wanted)
    view = deps.live.get(grant.tenant, run)
    known_scope(view, name, wanted)
    now, ready = deps.clock.now(), deps.live.ready
    rates = deps.missing_rates(run)
    shape = state(view, catalogue, scopes, now=now, ready=ready, only=[name], rates=rates)
    kept = [each for each in shape.kpis[0].values if wanted.items() <= each.scope.items()]
    shape.kpis[0].values[:] = kept
    return answer(shape)
