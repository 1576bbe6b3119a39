"""Which ids of a source the log has: those of facts that stand, as the KPIs count them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import Catalogue, Correctable, EventType, Field, FieldType, Reverses
from services.domain.frames import Kind
from services.domain.windows import Span
from services.intake.amounts import rfc3339
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.source_ids import SourceIds
from services.sources import ID
from services.topics import Topics

TOPICS = Topics("test", 2)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 1_700_006_400_000
TODAY = Span(NOON, NOON + 12 * HOUR)
DOCUMENT = {"document": Field("document", FieldType.STRING, required=True)}
FIELDS = {
    **DOCUMENT,
    "revision": Field("revision", FieldType.INTEGER),
    "revoked": Field("revoked", FieldType.BOOLEAN),
}
CATALOGUE = with_digest(
    Catalogue(
        {
            "issued": EventType(
                "issued", "", FIELDS, {}, correctable=Correctable("document", "revision", "revoked == true")
            ),
            "reversed": EventType("reversed", "", DOCUMENT, {}, reverses=Reverses("issued", "document")),
            "counted": EventType("counted", "", DOCUMENT, {}, correctable=Correctable()),
            "shipped": EventType("shipped", "", DOCUMENT, {}),
        },
        {},
        {},
    )
)


def said(
    id_: str, type_: str, document: str, at: int = 0, *, source: str = "wms", cancels: str = "", **data: Any
) -> dict[str, Any]:
    """An event of ``at`` minutes after noon."""
    named = {"cancels": cancels} if cancels else {}
    return {
        "specversion": "1.0", "id": id_, "source": source, "type": type_, "time": rfc3339(NOON + at * MINUTE),
        "data": {"document": document, **data}, **named,
    }  # fmt: skip


EVENTS = [
    said("1", "issued", "Y1"),
    said("2", "issued", "Y2"),
    said("3", "reversed", "Y2", 1, source="erp"),
    said("4", "issued", "Y3", revision=1),
    said("5", "issued", "Y3", 1, revision=3),
    said("6", "issued", "Y3", 2, revision=2),  # superseded before it came
    said("7", "issued", "Y4", revision=1),
    said("8", "issued", "Y4", revision=2, revoked=True),
    said("9", "issued", "Y5", 3 * 60),  # claims to come from the future
    said("10", "reversed", "Y6"),  # reversed before it came
    said("11", "issued", "Y6"),
    said("12", "issued", "Y7", revision=1),
    said("13", "issued", "Y7", -24 * 60, revision=2),  # it was the day before
    said("1", "issued", "Y1"),  # said twice
    said("14", "issued", "Y8", source="erp"),
    said("20", "counted", "C1"),
    said("21", "counted", "C2"),
    said("22", "counted", "C2", cancels="21"),
    said("30", "shipped", "S1"),
    said("31", "shipped", "S2", 3 * 60),  # from the future
]


@pytest_asyncio.fixture
async def ids(tmp_path: Path) -> AsyncIterator[SourceIds]:
    """Of the log after all events, each in a record of its own."""
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    await log.ensure(TOPICS.all())
    head = heads("default", "live", 0, CATALOGUE.digest)
    framer = Framer(CATALOGUE, head, TOPICS.events.name, 2, frame_events=100, frame_bytes=1 << 18)
    await log.append(framer.mark(Kind.CATALOGUE, NOON, catalogue=to_text(CATALOGUE)))
    validator = Validator(CATALOGUE, max_event_bytes=10_000)
    for number, one in enumerate(EVENTS):
        event = validator.validate(msgspec.json.encode(one))
        assert isinstance(event, Event), event
        framer.add(event)
        await log.append(framer.take(NOON + 10 * MINUTE + number))
    yield SourceIds(log, TOPICS)
    await log.stop()


async def listed(ids: SourceIds, type_: str | None, field: str = ID, day: Span | None = TODAY) -> set[str]:
    program = load_program(to_text(CATALOGUE))
    found = ids.of("default", "wms", program, type_=type_, day=day, field=field)
    return {one async for batch in found for one in batch}


@pytest.mark.parametrize(("field", "standing"), [("document", {"Y1", "Y3"}), (ID, {"1", "5"})])
async def test_what_no_longer_stands_is_not_listed(ids: SourceIds, field: str, standing: set[str]) -> None:
    """Reversed (by whichever source, before or after), withdrawn, superseded, of another day, from the future."""
    assert await listed(ids, "issued", field) == standing


async def test_a_fact_is_of_the_day_that_its_last_version_says(ids: SourceIds) -> None:
    """Y7 was of today at first."""
    assert await listed(ids, "issued", "document", Span(NOON - DAY, NOON - HOUR)) == {"Y7"}


async def test_what_was_cancelled_by_its_id_is_not_listed(ids: SourceIds) -> None:
    """Neither is the cancellation, which is no fact."""
    assert await listed(ids, "counted") == {"20"}


async def test_what_claims_to_come_from_the_future_is_not_listed(ids: SourceIds) -> None:
    """It counts nowhere."""
    assert await listed(ids, "shipped") == {"30"}


async def test_without_a_type_all_that_stand_are_listed(ids: SourceIds) -> None:
    """On every day; a reversal is an event, too."""
    assert await listed(ids, None, day=None) == {"1", "5", "13", "10", "20", "30"}
