"""``/api/v1/lookups``: master data as it stands, what it lacks, and new rows for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.cases import Limit
from api.dependencies import Dependencies, Deps, Reader, Writer
from api.events import read_body
from api.history import instant
from api.shapes import (
    LookupChangedShape,
    LookupRowShape,
    LookupRowsShape,
    LookupShape,
    LookupsShape,
    RefusedRecordShape,
    RowProblemShape,
    UnmappedKeyShape,
    UnmappedShape,
    answer,
)
from services.domain.lookups import EVER, FOREVER, UNITS, LookupRow
from services.errors import InvalidInput, NotFound, Unsupported
from services.lookups.book import LookupBook
from services.lookups.changes import Manner
from services.lookups.rows import Cells

router = APIRouter(prefix="/api/v1", tags=["look-ups"])

Correct = Annotated[bool, Query(description="let rows that hold already be changed or taken out")]
MAX_ROWS = 100_000
"""Rows of one upload."""

_objects = msgspec.json.Decoder(list[dict[str, Any]], float_hook=str)
_object = msgspec.json.Decoder(dict[str, Any], float_hook=str)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": "site,region\nW01,North\n"},
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [{"site": "W01", "region": "North"}],
            },
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


@router.get("/lookups", operation_id="listLookups", responses={200: {"model": LookupsShape}})
async def list_lookups(deps: Deps, _: Reader) -> Response:
    """Every look-up: where its rows come from, how many there are, and what it has missed."""
    book = _book(deps)
    refused = [RefusedRecordShape(one.offset, one.lookup, one.message) for one in book.refused]
    return answer(LookupsShape([_shape(book, name) for name in book.tables], refused))


@router.get("/lookups/{name}", operation_id="getLookup", responses={200: {"model": LookupRowsShape}})
async def get_lookup(
    deps: Deps,
    _: Reader,
    name: str,
    *,
    key: Annotated[
        list[str] | None, Query(description="the key; repeat it where it has several parts")
    ] = None,
    at: Annotated[str | None, Query(description="only rows that held at this instant")] = None,
    limit: Limit = 100,
    after: Annotated[int, Query(ge=0, description="`next` of the page before")] = 0,
) -> Response:
    """Its rows by key and time, or those of one key (an alias will do), or those that held at an instant."""
    book = _book(deps)
    table = book.table(name)
    rows: Sequence[LookupRow] = list(table) if key is None else table.of(tuple(key))
    if at is not None:
        moment = instant("at", at)
        rows = [row for row in rows if table.find(row.key, moment) == row]
    page = [_row(book, name, row) for row in rows[after : after + limit]]
    more = after + limit if len(rows) > after + limit else None
    return answer(LookupRowsShape(_shape(book, name), page, more))


@router.get("/lookups/{name}/unmapped", operation_id="getUnmapped", responses={200: {"model": UnmappedShape}})
async def get_unmapped(deps: Deps, _: Reader, name: str, limit: Limit = 100) -> Response:
    """Which keys had no row, the most frequent first: how often, by event time from when to when."""
    book = _book(deps)
    if name != UNITS:
        book.table(name)
    found = sorted(
        book.missing(name).items(), key=lambda each: (-each[1].count, each[0].key, each[0].day or "")
    )
    keys = [
        UnmappedKeyShape(
            list(missed.key), missed.day, tally.count, tally.first, tally.last, book.mapped(missed, tally)
        )
        for missed, tally in found[:limit]
    ]
    return answer(UnmappedShape(name, keys, len(found)))


@router.post(
    "/lookups/{name}",
    operation_id="addLookupRows",
    responses={200: {"model": LookupChangedShape}, 422: {"model": LookupChangedShape}},
    openapi_extra=_BODY,
)
async def add_lookup_rows(
    request: Request, deps: Deps, _: Writer, name: str, *, correct: Correct = False
) -> Response:
    """Add rows (CSV, JSON or NDJSON); all of them or, where one is wrong, none. Rows that are there stay."""
    return await _upload(request, deps, name, Manner(whole=False, correct=correct))


@router.put(
    "/lookups/{name}",
    operation_id="replaceLookupRows",
    responses={200: {"model": LookupChangedShape}, 422: {"model": LookupChangedShape}},
    openapi_extra=_BODY,
)
async def replace_lookup_rows(
    request: Request, deps: Deps, _: Writer, name: str, *, correct: Correct = False
) -> Response:
    """Let these be all rows: what is not among them goes; of dated rows only what has not begun, unless `correct`."""
    return await _upload(request, deps, name, Manner(whole=True, correct=correct))


async def _upload(request: Request, deps: Dependencies, name: str, manner: Manner) -> Response:
    book = _book(deps)
    book.table(name)
    body = await read_body(request.headers, request.receive, deps.max_body_bytes)
    rows = rows_of(body, request.headers.get("content-type", ""))
    found = await book.upload(name, rows, manner)
    problems = [RowProblemShape(*one) for one in found.problems]
    if problems:
        return answer(LookupChangedShape(name, 0, 0, 0, 0, 0, problems), 422)
    added = len(found.put) - found.corrected
    return answer(
        LookupChangedShape(
            name, added, found.corrected, len(found.removed), found.unchanged, found.backdated, []
        )
    )


def rows_of(body: bytes, content_type: str) -> list[Cells]:
    """The rows in a body, as texts. Raises ``Unsupported`` or ``InvalidInput``."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        match kind:
            case "text/csv":
                rows = _csv(body.decode("utf-8-sig"))
            case "application/json":
                rows = [_cells(row) for row in _objects.decode(body)]
            case "application/x-ndjson" | "application/ndjson":
                rows = [_cells(_object.decode(line)) for line in body.splitlines() if line.strip()]
            case _:
                raise Unsupported(
                    f"rows cannot be read from {kind or 'a body without a type'}",
                    field="Content-Type",
                    value=kind,
                    remedy="send text/csv, application/json (an array of objects) or application/x-ndjson",
                )
    except (msgspec.DecodeError, UnicodeDecodeError, csv.Error, RecursionError) as error:
        raise InvalidInput(f"the rows cannot be read: {error}", field="body") from error
    if len(rows) > MAX_ROWS:
        raise InvalidInput(f"these are {len(rows):,} rows, and {MAX_ROWS:,} are taken at once", field="body")
    return rows


def _csv(text: str) -> list[Cells]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = [name.strip() for name in next(reader, [])]
    rows: list[Cells] = []
    for cells in reader:
        if cells and len(cells) != len(header):
            raise InvalidInput(
                f"line {reader.line_num} has {len(cells)} columns and the header {len(header)}", field="body"
            )
        if cells:
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def _cells(row: dict[str, Any]) -> Cells:
    return {name: None if value is None else _text(value) for name, value in row.items()}


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _book(deps: Dependencies) -> LookupBook:
    if deps.lookups is None:
        raise NotFound("this server takes no events, so it has no look-ups", remedy="ask the one that does")
    return deps.lookups


def _shape(book: LookupBook, name: str) -> LookupShape:
    table = book.table(name)
    lookup, missing = table.lookup, book.missing(name)
    return LookupShape(
        name,
        lookup.description,
        lookup.source.value,
        list(lookup.key),
        list(lookup.columns),
        lookup.valid_from is not None,
        len(table),
        sum(tally.count for tally in missing.values()),
        sum(not book.mapped(missed, tally) for missed, tally in missing.items()),
    )


def _row(book: LookupBook, name: str, row: LookupRow) -> LookupRowShape:
    cells = {column: text for column, text in book.readers[name].written(row).items() if text is not None}
    start = None if row.start == EVER else row.start
    return LookupRowShape(cells, start, None if row.end == FOREVER else row.end)
