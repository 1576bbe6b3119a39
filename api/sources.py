"""``/api/v1/sources`` and ``/api/v1/in``: what is expected of the systems that send events, and their own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec
from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response, StreamingResponse

from api.dependencies import Dependencies, Deps, Reader, Writer
from api.events import read_body
from api.history import instant
from api.present import LIVE
from api.shapes import (
    BatchShape,
    DeclaredSourceShape,
    EventsAccepted,
    GapShape,
    NumbersShape,
    RhythmShape,
    SourcesShape,
    TotalShape,
    answer,
)
from services.domain.catalogue import Source
from services.domain.facts import BatchFact, SourceAccount, SourceFreshness, SourceState
from services.domain.windows import DAY
from services.errors import NotFound
from services.sources import DAYS, DayTotal, Sources, compared, day_of
from services.totals import Total

router = APIRouter(prefix="/api/v1", tags=["sources"])


@dataclass(frozen=True, slots=True)
class NewTotals:
    """What the source counts on ``day`` (of its time zone) of events of type ``event``: their ``count``, or what
    ``field`` adds up to (``sum``, a decimal in quotes).
    """

    event: str
    day: date
    count: int | None = None
    field: str | None = None
    sum: Decimal | None = None


@dataclass(frozen=True, slots=True)
class EndOfBatch:
    """The source is complete until then (epoch ms or RFC 3339); ``records`` is how many events were in the batch."""

    complete_until: str | int = field()
    records: int | None = None


@router.get("/sources", operation_id="listSources", responses={200: {"model": SourcesShape}})
async def list_sources(deps: Deps, grant: Reader) -> Response:
    """Every declared source of the live run: when it was heard, how complete it is, what is missing."""
    catalogue = await deps.catalogues.of(grant.tenant, LIVE)
    time = deps.live.get(grant.tenant, LIVE).time
    shapes = [_shape(deps, grant.tenant, source, None) for source in catalogue.sources.values()]
    return answer(SourcesShape(time, shapes))


@router.get("/sources/{source}", operation_id="getSource", responses={200: {"model": DeclaredSourceShape}})
async def get_source(deps: Deps, grant: Reader, source: str) -> Response:
    """One source, with its totals of the last days beside ours."""
    sources = _sources(deps)
    declared = await sources.declared(grant.tenant, source)
    totals = await sources.totals(grant.tenant, source, deps.clock.now() - (DAYS + 1) * DAY)
    return answer(_shape(deps, grant.tenant, declared, totals))


@router.post(
    "/sources/{source}/totals",
    operation_id="postTotals",
    status_code=202,
    responses={202: {"model": EventsAccepted}},
)
async def post_totals(
    deps: Deps,
    grant: Writer,
    source: str,
    totals: Annotated[
        NewTotals, Body(examples=[{"event": "order.placed", "day": "2026-03-02", "count": 1204}])
    ],
) -> Response:
    """What the source itself counts; the last said of a day is what a reconciliation KPI compares with."""
    said = Total(totals.event, totals.count, totals.field, None if totals.sum is None else str(totals.sum))
    event = await _sources(deps).totals_event(grant.tenant, source, totals.day, said)
    catalogue = await deps.catalogues.of(grant.tenant, LIVE)
    return await _post(deps, grant.tenant, event, compared_by=compared(catalogue, source, said))


@router.post(
    "/sources/{source}/batches",
    operation_id="endBatch",
    status_code=202,
    responses={202: {"model": EventsAccepted}},
)
async def end_batch(
    deps: Deps,
    grant: Writer,
    source: str,
    end: Annotated[
        EndOfBatch, Body(examples=[{"complete_until": "2026-03-03T00:00:00+01:00", "records": 1204}])
    ],
) -> Response:
    """A batch has come: call it when all of its events were acknowledged."""
    until = instant("complete_until", str(end.complete_until))
    event = await _sources(deps).batch_event(grant.tenant, source, until, end.records)
    return await _post(deps, grant.tenant, event)


@router.get(
    "/sources/{source}/ids",
    operation_id="listSourceIds",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def list_source_ids(
    deps: Deps,
    grant: Reader,
    source: str,
    *,
    type: Annotated[str | None, Query(description="events of this type alone")] = None,  # noqa: A002  # its name
    day: Annotated[date | None, Query(description="of this day of the source's time zone")] = None,
    field: Annotated[str, Query(description="`id`, or a field of `data`")] = "id",  # the parameter's name
) -> Response:
    """The ids of the source's events that stand, as the log has them, one JSON string a line, in no order: not of what
    was withdrawn, reversed or superseded.
    """
    sources = _sources(deps)
    declared = await sources.declared(grant.tenant, source)
    await sources.check_ids(grant.tenant, type, field)
    if deps.source_ids is None:
        raise NotFound("this server has no log to read", field="source", value=source)
    span = None if day is None else day_of(declared, day)
    program = await deps.catalogues.program(grant.tenant, LIVE)
    found = deps.source_ids.of(grant.tenant, source, program, type_=type, day=span, field=field)
    return StreamingResponse(_lines(found), media_type="application/x-ndjson")


@router.post(
    "/in/{source}",
    operation_id="postOwnJson",
    status_code=202,
    responses={202: {"model": EventsAccepted}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {},
                    "example": [{"order": "A-1", "placed": "2026-03-03 09:15"}],
                },
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        }
    },
)
async def post_own_json(
    request: Request,
    deps: Deps,
    grant: Writer,
    source: str,
    *,
    file: Annotated[
        str | None, Query(description="which `files` entry of the mapping, where it has several")
    ] = None,
) -> Response:
    """A system's own JSON (one object, an array, NDJSON; gzip too) through the mapping that the source names."""
    if deps.inbound is None:
        raise NotFound("no source has a mapping", field="source", value=source)
    body = await read_body(request.headers, request.receive, deps.max_body_bytes)
    content_type = request.headers.get("content-type", "")
    receipt = await deps.inbound.accept(source, body, content_type, tenant=grant.tenant, file=file)
    return answer({"accepted": receipt.accepted, "rejected": receipt.rejected}, 202)


def _sources(deps: Dependencies) -> Sources:
    return Sources(deps.history, deps.catalogues, deps.clock)


async def _post(deps: Dependencies, tenant: str, event: bytes, **more: object) -> Response:
    receipt = await deps.intake.accept(event, "application/cloudevents+json", {}, tenant=tenant)
    return answer({"accepted": receipt.accepted, "rejected": receipt.rejected, **more}, 202)


async def _lines(found: AsyncIterator[list[str]]) -> AsyncIterator[bytes]:
    async for ids in found:
        yield b"".join(msgspec.json.encode(one) + b"\n" for one in ids)


def _shape(
    deps: Dependencies, tenant: str, source: Source, totals: list[DayTotal] | None
) -> DeclaredSourceShape:
    view = deps.live.get(tenant, LIVE)
    state = view.states.get(source.name)
    heard = next((one for one in view.sources if one.source == source.name), None)
    return source_shape(source, state, heard, totals)


def source_shape(
    source: Source,
    state: SourceState | None,
    heard: SourceFreshness | None,
    totals: list[DayTotal] | None,
) -> DeclaredSourceShape:
    """A source as the API says it; ``state`` is None before the engine has told anything."""
    rhythm = source.rhythm
    account = SourceAccount(source.name) if state is None else state.account
    return DeclaredSourceShape(
        source=source.name,
        title=source.title,
        owner=source.owner,
        contact=source.contact,
        timezone=source.timezone,
        state="never_heard" if state is None else state.word.value,
        complete_until=state.until if state is not None and state.until > 0 else None,
        heard=None if heard is None else heard.last_ingest,
        last_event=None if heard is None else heard.last_event,
        events=0 if heard is None else heard.events,
        expected=None if state is None else state.expected,
        rhythm=None
        if rhythm is None
        else RhythmShape(
            rhythm.every_ms,
            rhythm.at_ms,
            list(rhythm.days),
            rhythm.opens_ms,
            rhythm.closes_ms,
            rhythm.tolerance_ms,
        ),
        numbers=None if source.sequence is None else _numbers(account),
        batches=[_batch(batch) for batch in reversed(account.batches)],
        totals=None if totals is None else [_total(one) for one in totals],
    )


def _numbers(account: SourceAccount) -> NumbersShape:
    gaps = [GapShape(gap.first, gap.last, gap.since, gap.after) for gap in account.gaps]
    return NumbersShape(account.highest, account.missing, gaps, account.given_up)


def _batch(batch: BatchFact) -> BatchShape:
    difference = None if batch.records is None else batch.counted - batch.records
    return BatchShape(batch.until, batch.records, batch.counted, difference, batch.at)


def _total(one: DayTotal) -> TotalShape:
    difference = None if one.theirs is None else one.ours - one.theirs
    return TotalShape(
        one.kpi, one.event, one.field, one.start, one.end, one.ours, one.theirs, difference, one.percent
    )
