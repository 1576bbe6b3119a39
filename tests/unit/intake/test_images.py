"""Events that carry a row before and after a change: what the intake makes of them, and how it refuses them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from services.domain.catalogue import (
    Catalogue,
    EventType,
    Field,
    FieldType,
    FromLookup,
    Images,
    Lookup,
    LookupSource,
    Numbering,
    Source,
)
from services.domain.frames import Image, decode
from services.domain.lookups import LookupRow, LookupTable
from services.intake.events import Event, Validator
from services.intake.explain import Code, Rejection
from services.intake.frame_sets import Framer, heads
from services.intake.marks import Marks

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z
HOUR = 3_600_000
FIELDS = {
    "number": Field("number", FieldType.STRING, required=True),
    "amount": Field("amount", FieldType.DECIMAL, scale=2),
    "at": Field("at", FieldType.TIMESTAMP, required=True),
    "paid": Field("paid", FieldType.TIMESTAMP),
}
ROW = EventType("row", "", FIELDS, {}, images=Images("at"))
DATED = replace(
    ROW, name="dated", fields={**FIELDS, "on": Field("on", FieldType.DATE, required=True)},
    images=Images("on", "old", "new", "what", "America/New_York"),
)  # fmt: skip
CATALOGUE = Catalogue({"row": ROW, "dated": DATED}, {}, {}, "d")
VALIDATOR = Validator(CATALOGUE, max_event_bytes=10_000)


def text(data: Any, type_: str = "row", **more: Any) -> bytes:
    body = {"id": "c1", "source": "db", "type": type_, "time": "2026-03-01T12:00:00Z", "data": data}
    return msgspec.json.encode({**body, **more})


def image(amount: str = "1.00", at: str = "2026-03-01T10:00:00Z", **more: Any) -> dict[str, Any]:
    return {"number": "R1", "amount": amount, "at": at, **more}


def taken(data: Any, type_: str = "row", **more: Any) -> Event:
    event = VALIDATOR.validate(text(data, type_, **more))
    assert isinstance(event, Event), event
    return event


def refused(data: Any, **more: Any) -> Rejection:
    outcome = VALIDATOR.validate(text(data, **more))
    assert isinstance(outcome, Rejection)
    return outcome


def test_each_row_has_its_own_time_and_values() -> None:
    """Both end with when the row was changed, which is the event's own time."""
    event = taken({"op": "u", "before": image("1.00"), "after": image("2.50", "2026-03-01T11:00:00Z")})
    assert (event.image, event.time, event.said) == (Image.AFTER, NOON - HOUR, NOON)
    assert event.values == ("R1", 250, NOON - HOUR, None, NOON)
    assert event.before == (NOON - 2 * HOUR, ("R1", 100, NOON - 2 * HOUR, None, NOON))
    assert (event.copies, event.route) == ((), "c1")


@pytest.mark.parametrize("op", ["c", "r", None, "INSERT"])
def test_a_row_without_one_before_is_new(op: str | None) -> None:
    """Created, or read for the first time; whoever does not speak Debezium's letters is believed."""
    event = taken({"op": op, "before": None, "after": image()})
    assert (event.image, event.before, event.values[1]) == (Image.NEW, None, 100)


def test_a_row_without_one_after_is_gone() -> None:
    """It is the event's only row."""
    event = taken({"op": "d", "before": image("3.00"), "after": None})
    assert (event.image, event.before, event.values[1]) == (Image.GONE, None, 300)


def test_a_date_counts_from_its_beginning_in_its_time_zone() -> None:
    """The members of data have the names that the event type gives them."""
    event = taken({"what": "c", "new": image(on="2026-03-01")}, "dated")
    assert event.time == 1_772_341_200_000  # 2026-03-01T05:00:00Z


def test_many_at_once_keep_their_instants_apart() -> None:
    """Also where one of them is refused, and where rows are missing or fields absent."""
    rows = [
        {"before": image(), "after": image(paid="2026-03-01T11:30:00Z")},
        {"after": image(at="soon")},
        {"before": image(at="2026-03-01T09:00:00Z")},
    ]
    first, second, third = VALIDATOR.validate_all([text(data) for data in rows])
    assert isinstance(first, Event)
    assert isinstance(third, Event)
    assert first.values[2:] == (NOON - 2 * HOUR, NOON - HOUR // 2, NOON)
    assert isinstance(second, Rejection)
    assert second.field == "data.after.at"
    assert third.time == NOON - 3 * HOUR


@pytest.mark.parametrize(
    ("data", "field", "code", "words"),
    [
        ({"before": image("x"), "after": image()}, "data.before.amount", Code.NOT_A_NUMBER, "is a number"),
        ({"before": image(), "after": image("1.005")}, "data.after.amount", Code.TOO_MANY_DIGITS, "keeps 2"),
        ({"before": image(), "after": image(at="noon")}, "data.after.at", Code.INVALID_TIME, "RFC 3339"),
        ({"before": {"number": "R1"}}, "data.before.at", Code.MISSING_FIELD, "REPLICA IDENTITY FULL"),
        ({"after": {"number": "R1"}}, "data.after.at", Code.MISSING_FIELD, "requires the field 'at'"),
        ({"op": "u", "after": image()}, "data.before", Code.MISSING_FIELD, "REPLICA IDENTITY FULL"),
        ({"op": "d", "after": image()}, "data.before", Code.MISSING_FIELD, "'op' says 'd'"),
        ({"op": "c", "before": image()}, "data.after", Code.MISSING_FIELD, "'op' says 'c'"),
        ({"op": "t"}, "data.after", Code.MISSING_FIELD, "before a change, after it, or both"),
        ({"after": "R1"}, "data.after", Code.WRONG_TYPE, "is a JSON object"),
        ([], "data", Code.WRONG_TYPE, "carries the row in 'before'"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(data: Any, field: str, code: Code, words: str) -> None:
    """With the image that it stands in, and with what to do about it."""
    found = refused(data)
    assert (found.field, found.code) == (field, code)
    assert words in found.message


def test_a_changed_row_is_not_corrected_by_id() -> None:
    """The remedy is another change."""
    found = refused({"after": image()}, corrects="c0")
    assert (found.field, found.code) == ("corrects", Code.NOT_CORRECTABLE)
    assert "another change" in found.message


def test_fields_are_derived_for_each_row_by_its_own_time() -> None:
    """Of a look-up that changed between the two, each row has what held then."""
    sites = Lookup(
        "sites", ("number",), {"site": Field("site", FieldType.STRING)}, LookupSource.API, valid_from="since"
    )
    table = LookupTable(sites)
    moved = NOON - HOUR * 3 // 2
    for start, end, name in ((0, moved, "W01"), (moved, 1 << 62, "W02")):
        table.put(LookupRow(("R1",), start, end, (name,)))
    site = Field("site", FieldType.STRING, lookup=FromLookup("sites", ("number",), "site"))
    event = replace(ROW, fields={**FIELDS, "site": site})
    catalogue = Catalogue({"row": event}, {}, {}, "d", lookups={"sites": sites})
    validator = Validator(catalogue, max_event_bytes=10_000, tables={"sites": table})
    found = validator.validate(text({"before": image(), "after": image(at="2026-03-01T11:00:00Z")}))
    assert isinstance(found, Event)
    assert found.before is not None
    assert (found.before[1][4], found.values[4]) == ("W01", "W02")


def test_both_rows_go_into_one_frame() -> None:
    """However small frames are; the event is counted once, and its JSON stands there once."""
    framer = Framer(CATALOGUE, heads("t", "live", 0, "d"), "events", 1, frame_events=1, frame_bytes=1 << 16)
    for number in range(3):
        framer.add(taken({"before": image(), "after": image("2.00")}, id=f"c{number}"))
    framer.add(taken({"before": image()}, id="gone"))
    assert framer.events == 4
    frames = [decode(record.value or b"") for record in framer.take(NOON)]
    assert [(frame.head.count, len(frame.blocks)) for frame in frames] == [(1, 2)] * 3 + [(1, 1)]
    after, before = frames[0].blocks
    assert (after.group.image, before.group.image) == (Image.AFTER, Image.BEFORE)
    assert after.identity == before.identity
    assert [len(frames[0].event(block.first)) > 0 for block in (after, before)] == [True, False]
    assert list(frames[0].primary_events()) == [frames[0].event(after.first)]


def test_a_number_of_a_source_came_when_the_row_was_changed() -> None:
    """However old the row is: numbers say how far the source has come."""
    numbered = replace(CATALOGUE, sources={"db": Source("db", "db", "", sequence=Numbering())})
    head = heads("t", "live", 0, "d")
    framer = Framer(numbered, head, "events", 1, frame_events=9, frame_bytes=1 << 16, marks=Marks(numbered))
    framer.add(taken({"after": image()}, sequence=7))
    [mark] = framer.marks(NOON)
    assert decode(mark.value or b"").meta["numbers"] == [[7, 7, NOON]]
