"""``/api/v1/cases``: which orders, shipments or tickets need somebody now, and the life of one of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.dependencies import Deps, Reader
from api.known import known_process
from api.kpis import Run, parse_scope
from api.present import LIVE
from api.shapes import CaseShape, CasesShape, CountsShape, TimelineShape, answer
from services.domain.stored import CaseQuery, StoredCase, next_due

router = APIRouter(prefix="/api/v1", tags=["cases"])

Limit = Annotated[int, Query(ge=1, le=1000, description="how many at most")]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


@router.get("/cases", operation_id="listCases", responses={200: {"model": CasesShape}})
async def list_cases(
    deps: Deps,
    grant: Reader,
    *,
    run: Run = LIVE,
    process: Annotated[str | None, Query(description="cases of this process", examples=["order"])] = None,
    step: Annotated[str | None, Query(description="whose last step is this", examples=["picked"])] = None,
    overdue: Annotated[bool, Query(description="past a due time")] = False,
    stuck: Annotated[bool, Query(description="without a step for too long")] = False,
    closed: Annotated[bool, Query(description="recently closed")] = False,
    filter: Annotated[  # noqa: A002  # the query parameter's name
        list[str] | None, Query(description="an attribute and its value, `site:W01`; repeat it for more")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Notable cases, most urgent first, and how many there are per step."""
    flags = [flag for flag, wanted in (("overdue", overdue), ("stuck", stuck), ("closed", closed)) if wanted]
    attributes = parse_scope(filter, "filter")
    known_process(await deps.catalogues.of(grant.tenant, run), process, step, attributes)
    query = CaseQuery(process, step, flags, attributes)
    page = await deps.cases.find(grant.tenant, run, query, limit=limit, cursor=cursor)
    counts = [
        CountsShape(each.process, each.time, each.open, each.overdue, each.stuck, dict(each.waiting))
        for each in await deps.cases.counts(grant.tenant, run)
        if process in {None, each.process}
    ]
    return answer(CasesShape(run, [case_shape(each) for each in page.items], page.next, counts))


@router.get(
    "/cases/{process}/{case_id:path}", operation_id="getCase", responses={200: {"model": TimelineShape}}
)
async def get_case(deps: Deps, grant: Reader, process: str, case_id: str, *, run: Run = LIVE) -> Response:
    """One case as its events in the log tell it, in order of event time; it need not be a notable one."""
    told = deps.live.get(grant.tenant, run).time
    life = await deps.timelines.of(grant.tenant, run, process, case_id, told)
    case = None
    if life.fact is not None:
        case = case_shape(StoredCase(process, life.fact, next_due(life.fact), told))
    events: list[Any] = [msgspec.Raw(event) for event in life.events]  # JSON already: passed on as it is
    return answer(TimelineShape(run, case, events, [dict(each) for each in life.derived], life.truncated))


def case_shape(stored: StoredCase) -> CaseShape:
    """A case as the API says it."""
    fact = stored.fact
    return CaseShape(
        stored.process,
        fact.case,
        fact.step,
        fact.opened,
        fact.closed,
        fact.last,
        stored.due,
        dict(fact.attributes),
        fact.steps,
        fact.dues,
        fact.flags,
        fact.quantities,
        stored.told,
    )
