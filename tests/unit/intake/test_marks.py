"""What events say of their source becomes marks behind them: ends of batches everywhere, numbers in one partition."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services import records
from services.domain.catalogue import Numbering, Rhythm, Source
from services.domain.facts import DeadLetter
from services.domain.frames import Frame, Kind, decode
from services.domain.identity import partition_of
from services.domain.source_events import SOURCE_EVENTS
from services.errors import Unavailable
from services.intake.explain import Code
from services.intake.framing import Intake
from services.ports import Append
from services.settings import Intake as IntakeSettings
from tests.unit.intake.given import CATALOGUE, TOPICS, ListLog, StoppedClock, text

SHOP = Source("shop", "Shop", "a@b", rhythm=Rhythm(at_ms=0), sequence=Numbering())
PLACED = replace(CATALOGUE.events["order.placed"], sources=("shop",))
DECLARED = replace(
    CATALOGUE, events={**CATALOGUE.events, PLACED.name: PLACED, **SOURCE_EVENTS}, sources={"shop": SHOP}
)


def intake(log: ListLog) -> Intake:
    """With a declared source."""
    return Intake(
        log, TOPICS, StoppedClock(), IntakeSettings(linger_ms=1), catalogue=DECLARED, text="{}", tenant="default",
        max_event_bytes=10_000,
    )  # fmt: skip


def end_of_batch(**data: Any) -> bytes:
    """A marker."""
    return text(id="b1", type="sightline.batch", data={"complete_until": "2026-03-01T00:00:00Z", **data})


def marks(appended: Sequence[Append]) -> list[tuple[int, Frame]]:
    """The marks among what was appended, with their partition."""
    mine = [record for record in appended if record.topic == TOPICS.events.name]
    found = [(record.partition, decode(record.value or b"")) for record in mine]
    return [(partition, frame) for partition, frame in found if frame.head.kind is Kind.SOURCE]


def letters(log: ListLog) -> list[DeadLetter]:
    """What was refused."""
    mine = [record for record in log.records if record.topic == TOPICS.dead_letters.name]
    return [records.decode(DeadLetter, record.value or b"") for record in mine]


async def test_the_end_of_a_batch_is_marked_in_every_partition_behind_its_events() -> None:
    """The marker itself is no event of the business: it stands in no frame."""
    log = ListLog()
    receipt = await intake(log).accept("default", "live", [text(), end_of_batch(records=1)])
    assert receipt.accepted == 2
    kinds = [decode(record.value or b"").head.kind for record in log.records]
    assert kinds == [Kind.EVENTS, *[Kind.SOURCE] * 4]
    assert sum(decode(record.value or b"").head.count for record in log.records) == 1
    assert [(partition, frame.meta["batches"]) for partition, frame in marks(log.records)] == [
        (partition, [[1_772_323_200_000, 1]]) for partition in range(4)
    ]


async def test_numbers_are_marked_as_ranges_in_the_partition_of_their_source() -> None:
    """Text or number, in any order; an event without one has none."""
    log = ListLog()
    numbers = ["7", 5, "6", "12", None]
    await intake(log).accept("default", "live", [text(id=f"n{n}", sequence=n) for n in numbers])
    [(partition, frame)] = marks(log.records)
    assert partition == partition_of("shop", 4)
    assert [(first, last) for first, last, _ in frame.meta["numbers"]] == [(5, 7), (12, 12)]


@pytest.mark.parametrize("sequence", ["soon", "-3", -3, "", "1.5", 10**18])
async def test_a_sequence_that_is_no_number_is_refused_where_the_source_numbers_its_events(
    sequence: str | int,
) -> None:
    """With its value and the remedy; ignored, it would be a gap, or hide one. Of other sources nobody reads it."""
    log = ListLog()
    receipt = await intake(log).accept(
        "default",
        "live",
        [text(sequence=sequence), text(source="wms", sequence=sequence), text(id="e2", sequence=1)],
    )
    [refused] = receipt.rejected
    assert (refused.index, refused.id, refused.field) == (0, "e1", "sequence")
    assert (refused.value, refused.code) == (json.dumps(sequence), Code.NOT_A_NUMBER)
    assert "or take 'sequence' out of its declaration" in refused.message
    assert [letter.field for letter in letters(log)] == ["sequence"]
    [(_, frame)] = marks(log.records)
    assert [(first, last) for first, last, _ in frame.meta["numbers"]] == [(1, 1)]


@pytest.mark.parametrize(
    ("data", "field", "value", "remedy"),
    [
        (
            {"complete_until": "2026-03-01T12:05:01Z"},
            "data.complete_until",
            '"2026-03-01T12:05:01Z"',
            "send the time of the last event that it can contain",
        ),
        ({"records": -1}, "data.records", "-1", "count them"),
    ],
)
async def test_an_end_of_batch_that_cannot_be_is_refused_also_as_an_event(
    data: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    """As the API's own route does: what is still to come has not come. Clocks may differ by five minutes."""
    log = ListLog()
    ends = [end_of_batch(**data), end_of_batch(complete_until="2026-03-01T12:05:00Z")]
    receipt = await intake(log).accept("default", "live", ends)
    [refused] = receipt.rejected
    assert (refused.index, refused.id, refused.field, refused.value) == (0, "b1", field, value)
    assert refused.code is Code.OUT_OF_RANGE
    assert remedy in refused.message
    assert [letter.field for letter in letters(log)] == [field]
    assert len(marks(log.records)) == TOPICS.partitions


@pytest.mark.parametrize(
    ("data", "field", "value", "remedy"),
    [
        ({"event": "order.placd", "count": 4}, "data.event", '"order.placd"', "did you mean 'order.placed'?"),
        ({"event": "order.placed", "count": -4}, "data.count", "-4", "count them"),
        (
            {"event": "order.placed", "field": "site", "sum": "4"},
            "data.field",
            '"site"',
            "known: price, weight",
        ),
        ({"event": "order.placed"}, "data.count", "null", "send count, or field and sum"),
    ],
)
async def test_a_total_that_cannot_be_is_refused_also_as_an_event(
    data: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    """Of several totals the last counts: one that cannot be would take the place of the good one."""
    log = ListLog()
    event = {**json.loads(end_of_batch()), "type": "sightline.totals"}
    ways = [
        json.dumps({**event, "data": each}).encode() for each in (data, {"event": "order.placed", "count": 4})
    ]
    receipt = await intake(log).accept("default", "live", ways)
    [refused] = receipt.rejected
    assert (refused.index, refused.field, refused.value) == (0, field, value)
    assert refused.code is Code.NO_SUCH_TOTAL
    assert remedy in refused.message
    assert [letter.field for letter in letters(log)] == [field]


async def test_nothing_is_marked_that_the_log_has_not_acknowledged() -> None:
    """Where the events are refused, no mark follows; sent again, they are marked."""
    log = ListLog()
    way_in = intake(log)
    log.down = True
    with pytest.raises(Unavailable):
        await way_in.accept("default", "live", [text(sequence=1)])
    assert log.refused == 1
    log.down = False
    await asyncio.sleep(0)
    assert marks(log.records) == []
    await way_in.accept("default", "live", [text(sequence=1)])
    assert len(marks(log.records)) == 1
