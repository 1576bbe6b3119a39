"""Rows that change, read from the log again: what a value is made of, and what a list of keys is compared with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text, with_digest
from services.contributors import ContributorLists, Query
from services.domain.catalogue import (
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Images,
    Kpi,
    KpiType,
    MeasureSpec,
    Window,
    WindowKind,
)
from services.domain.contributors import Part
from services.domain.frames import Kind
from services.domain.program import Program
from services.domain.windows import Span
from services.intake.amounts import rfc3339
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.source_ids import SourceIds
from services.topics import Topics

TOPICS = Topics("test", 2)
MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_700_006_400_000
FIELDS = {
    "number": Field("number", FieldType.STRING, required=True),
    "amount": Field("amount", FieldType.DECIMAL, "EUR", scale=2),
    "site": Field("site", FieldType.STRING),
    "at": Field("at", FieldType.TIMESTAMP, required=True),
}
LINK = "https://erp.example.com/{number}"
ROW = EventType("row", "", FIELDS, {}, images=Images("at"), link=LINK)
COUNT, LARGE = (MeasureSpec(Agg.COUNT, event="row", filter=text) for text in (None, "amount >= 10.00"))
SHARED: Mapping[str, Any] = {
    "owner": "a@example.com", "window": Window(WindowKind.ROLLING, HOUR), "grain": "5m", "dimensions": ("site",),
}  # fmt: skip
TOTAL = MeasureSpec(Agg.SUM, event="row", field="amount")
CATALOGUE = with_digest(
    Catalogue(
        {"row": ROW},
        {},
        {
            "total": Kpi(
                name="total", title="", type=KpiType.SIMPLE, unit="EUR", measure=TOTAL, **SHARED
            ),
            "large": Kpi(
                name="large", title="", type=KpiType.RATIO, unit="ratio", numerator=LARGE, denominator=COUNT,
                **SHARED,
            ),
        },
    )
)  # fmt: skip


def row(number: str, amount: str, minute: int = 0, site: str = "W01") -> dict[str, Any]:
    return {"number": number, "amount": amount, "site": site, "at": rfc3339(NOON + minute * MINUTE)}


R1, R2, R3 = row("R1", "10.00"), row("R2", "20.00", 1), row("R3", "5.00", 2)
MOVED, SMALL = row("R2", "30.00", 3, "W02"), row("R1", "4.00")
EARLY = row("R4", "99.00", -90)
CHANGES = [
    ("1", None, R1),
    ("2", None, R2),
    ("3", None, R3),
    ("4", R2, MOVED),
    ("5", R1, SMALL),
    ("6", SMALL, R1),  # as it was in the beginning
    ("7", R3, None),
    ("7", R3, None),  # said twice
    ("8", None, EARLY),
    ("9", EARLY, EARLY),
]
STANDING = {"R1": "10.00", "R2": "30.00"}


PROGRAM = load_program(to_text(CATALOGUE))


async def programs(tenant: str, run: str) -> Program:
    return PROGRAM


@pytest_asyncio.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """The log after all changes, each in a record of its own and in a partition that its id decides."""
    opened = EmbeddedLog(tmp_path / "log")
    await opened.start()
    await opened.ensure(TOPICS.all())
    head = heads("default", "live", 0, CATALOGUE.digest)
    framer = Framer(CATALOGUE, head, TOPICS.events.name, 2, frame_events=100, frame_bytes=1 << 18)
    await opened.append(framer.mark(Kind.CATALOGUE, NOON, catalogue=to_text(CATALOGUE)))
    validator = Validator(CATALOGUE, max_event_bytes=10_000)
    for number, (id_, before, after) in enumerate(CHANGES):
        at = NOON + (5 + number) * MINUTE
        body = {"id": id_, "source": "db", "type": "row", "time": rfc3339(at)}
        event = validator.validate(msgspec.json.encode({**body, "data": {"before": before, "after": after}}))
        assert isinstance(event, Event), event
        framer.add(event)
        await opened.append(framer.take(at))
    yield opened
    await opened.stop()


async def test_the_rows_that_stand_are_listed(log: EmbeddedLog) -> None:
    """Each once, as it is, with an event that brought it so, and the link of the row; wherever changes were folded."""
    lists = ContributorLists(log, TOPICS, programs, load_program)
    found = await lists.of("default", "live", Query("total", {}), NOON + 30 * MINUTE)
    assert {one.data["number"]: one.data["amount"] for one in found.items} == STANDING
    assert {one.id for one in found.items} <= {"1", "6", "4"}
    assert {one.link for one in found.items} == {LINK.format(number=number) for number in STANDING}
    assert (found.count, found.value, found.sum, found.samples) == (2, 40.0, 40.0, 2)
    assert found.missing is None


@pytest.mark.parametrize(("site", "numbers"), [("W01", {"R1"}), ("W02", {"R2"})])
async def test_a_row_is_listed_where_it_is_now(log: EmbeddedLog, site: str, numbers: set[str]) -> None:
    """A row that has left a scope is not listed there."""
    lists = ContributorLists(log, TOPICS, programs, load_program)
    found = await lists.of("default", "live", Query("total", {"site": site}), NOON + 30 * MINUTE)
    assert {one.data["number"] for one in found.items} == numbers


async def test_misses_are_rows_that_the_filter_does_not_select_now(log: EmbeddedLog) -> None:
    """R1 was small for a while, R3 is no longer there: nothing is missed."""
    lists = ContributorLists(log, TOPICS, programs, load_program)
    query = Query("large", {}, part=Part.MISSES)
    found = await lists.of("default", "live", query, NOON + 30 * MINUTE)
    assert (found.value, found.samples, found.count, list(found.items)) == (1.0, 2, 0, [])


@pytest.mark.parametrize(
    ("day", "standing"),
    [
        (None, ["R1", "R2", "R4"]),
        (Span(NOON, NOON + HOUR), ["R1", "R2"]),
        (Span(NOON - 2 * HOUR, NOON), ["R4"]),
    ],
)
async def test_a_list_is_compared_with_the_keys_that_stand(
    log: EmbeddedLog, day: Span | None, standing: list[str]
) -> None:
    """A key once for each row that says it, whatever was said of the row before, and however often."""
    ids = SourceIds(log, TOPICS)
    found = [
        each
        async for batch in ids.of("default", "db", PROGRAM, type_="row", day=day, field="number")
        for each in batch
    ]
    assert sorted(found) == standing


async def test_ids_are_those_of_the_changes(log: EmbeddedLog) -> None:
    """An event has one id, whatever rows it carries."""
    ids = SourceIds(log, TOPICS)
    found = [one async for batch in ids.of("default", "db", PROGRAM, type_=None, day=None) for one in batch]
    assert sorted(found) == sorted(id_ for id_, _, _ in CHANGES)
