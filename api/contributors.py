"""``/api/v1/kpis/{name}/contributors``: the events or cases that a value is made of."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.cases import case_shape
from api.dependencies import Dependencies, Deps, Reader
from api.history import between
from api.known import known_scope
from api.kpis import Run, ScopeParam, parse_scope
from api.present import LIVE
from api.shapes import ContributorShape, ContributorsShape, WindowShape, answer
from services import contributors
from services.contributor_details import Contributor
from services.contributors import Contributors
from services.domain.contributors import Part
from services.domain.stored import StoredCase, next_due
from services.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["kpis"])

_INSTANT = "epoch milliseconds or RFC 3339"
_ENVELOPE = ("source", "subject")


class Format(StrEnum):
    """What the answer is written in."""

    JSON = "json"
    CSV = "csv"


@router.get(
    "/kpis/{name}/contributors",
    operation_id="listContributors",
    responses={200: {"model": ContributorsShape}},
)
async def list_contributors(
    deps: Deps,
    grant: Reader,
    name: str,
    *,
    run: Run = LIVE,
    scope: ScopeParam = None,
    start: Annotated[
        str | None, Query(alias="from", description=f"of a window other than now: {_INSTANT}")
    ] = None,
    end: Annotated[str | None, Query(alias="to", description=f"its end: {_INSTANT}")] = None,
    part: Annotated[
        Part | None,
        Query(
            description="`value`; of a ratio `denominator`, `numerator` or `misses` (in the one, not the other)"
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="how many at most")] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    format: Annotated[Format, Query(description="`json` or `csv`")] = Format.JSON,  # noqa: A002  # the query parameter's name
) -> Response:
    """Exactly the events or cases that a value is made of, now or in the window [from, to), worst first."""
    wanted = parse_scope(scope)
    query = contributors.Query(name, wanted, *between(start, end), part, limit, cursor)
    now = deps.live.get(grant.tenant, run).time or deps.clock.now()
    page = await deps.contributors.of(grant.tenant, run, query, now)
    if not (page.samples or page.items):
        await _known_ever(deps, grant.tenant, run, name, wanted)
    if format is Format.CSV:
        headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}.csv"'}
        if page.next is not None:
            headers["x-next-cursor"] = page.next
        return Response(_csv(page), 200, headers, media_type="text/csv")
    return answer(
        ContributorsShape(
            name,
            run,
            wanted,
            WindowShape(*page.window),
            page.value,
            page.samples,
            page.part,
            list(page.parts),
            list(page.inputs),
            page.count,
            page.sum,
            page.number,
            page.unit,
            page.missing is None,
            page.missing,
            [_shape(each, now) for each in page.items],
            page.next,
        )
    )


async def _known_ever(deps: Dependencies, tenant: str, run: str, kpi: str, scope: dict[str, str]) -> None:
    """Raises ``NotFound`` for a scope that the KPI is not told at and that its history does not know either."""
    try:
        known_scope(deps.live.get(tenant, run), kpi, scope)
    except NotFound:
        if not await deps.history.windows(tenant, run, kpi, scope=scope):
            raise


def _shape(one: Contributor, now: int) -> ContributorShape:
    event: Any = None if one.event is None else msgspec.Raw(one.event)  # JSON already: passed on as it is
    fact = one.case
    case = None if fact is None else case_shape(StoredCase(one.type, fact, next_due(fact), now))
    return ContributorShape(one.id, one.type, one.time, one.number, dict(one.scope), one.link, event, case)


def _csv(page: Contributors) -> str:
    """A row each: what all have, then the scope, then fields or attributes, steps and due times."""
    rows = [_row(page, one) for one in page.items]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)) or ["id"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(page: Contributors, one: Contributor) -> dict[str, object]:
    number = {} if page.number is None else {page.number: one.number}
    row = {"id": one.id, "type": one.type, "time": _moment(one.time), **number, **one.scope, "link": one.link}
    if one.event is not None:
        event = msgspec.json.decode(one.event)
        row |= {name: event.get(name) for name in _ENVELOPE}
        row |= {f"data.{name}": value for name, value in one.data.items()}
    if one.case is not None:
        case = one.case
        row |= {"step": case.step, "flags": " ".join(case.flags)}
        row |= {name: text for name, text in case.attributes.items() if name not in one.scope}
        row |= {f"step.{name}": _moment(time) for name, time in case.steps.items()}
        for name, (due, met) in case.dues.items():
            row |= {f"due.{name}": _moment(due), f"met.{name}": None if met is None else _moment(met)}
    return {name: _inert(value) for name, value in row.items()}


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _inert(value: object) -> object:
    """A text that a spreadsheet would take for a formula is led by an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value
