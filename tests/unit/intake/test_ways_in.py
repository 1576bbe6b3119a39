from __future__ import annotations

import asyncio

import pytest

from services.domain.facts import DeadLetter
from services.domain.frames import decode
from services.errors import NotFound, Unavailable
from services.intake.http import HttpIntake
from services.intake.source_topics import SourceTopics
from services.ports import Record
from services.records import decode as decode_fact
from tests.unit.intake.given import NOON, TOPICS, ListLog, intake_of, text


def record(offset: int, value: bytes | None) -> Record:
    return Record("wms-raw", 0, offset, NOON, None, value)


def topics_of(log: ListLog) -> SourceTopics:
    return SourceTopics(
        intake_of(log), log, group="test.intake", sources={"wms-raw": "wms"}, tenant="default", pause_s=0.001
    )


def sources(log: ListLog) -> list[tuple[str, int]]:
    """(source, events) of the frames in the log."""
    frames = [decode(append.value or b"") for append in log.on(TOPICS.events.name)]
    return [(f.string(int(block.source[0])), block.n) for f in frames for block in f.blocks]


async def test_records_become_frames_and_then_are_committed() -> None:
    """Good ones are framed under the topic's source, bad ones are dead letters, tombstones say nothing."""
    log = ListLog()
    log.to_come = [record(0, text(id=None, source=None)), record(1, b"nonsense"), record(2, None)]
    consumer = log.consumer("test.intake", ["wms-raw"])
    assert await topics_of(log).step(consumer) == 3
    assert log.committed == 3
    assert sources(log) == [("wms", 1)]
    [letter] = [decode_fact(DeadLetter, append.value or b"") for append in log.on(TOPICS.dead_letters.name)]
    assert letter.origin == "wms-raw:0:1"


async def test_nothing_is_committed_that_the_log_did_not_acknowledge() -> None:
    """It comes again."""
    log = ListLog()
    log.to_come = [record(0, text())]
    log.down = True
    with pytest.raises(Unavailable):
        await topics_of(log).step(log.consumer("test.intake", ["wms-raw"]))
    assert log.committed == 0


async def test_reading_survives_a_log_that_was_away() -> None:
    """A new membership reads what the old one could not hand on."""
    log = ListLog()
    log.to_come = [record(0, text())]
    log.down = True
    topics = topics_of(log)
    await topics.start()
    while log.refused < 2:  # noqa: ASYNC110  # the list log tells nobody
        await asyncio.sleep(0.001)
    log.down = False
    while log.committed < 1:  # noqa: ASYNC110  # the list log tells nobody
        await asyncio.sleep(0.001)
    await topics.stop()
    assert sources(log) == [("shop", 1)]


async def test_a_misspelt_topic_is_told_at_the_start() -> None:
    """By name, with what to do, instead of waiting for ever."""
    log = ListLog()
    log.unknown = {"wms-raw"}
    with pytest.raises(NotFound, match="wms-raw") as raised:
        await topics_of(log).start()
    assert raised.value.field == "SIGHTLINE_INTAKE__SOURCES"
    assert raised.value.remedy


async def test_without_topics_nothing_runs() -> None:
    """Most installations have none."""
    log = ListLog()
    topics = SourceTopics(intake_of(log), log, group="g", sources={}, tenant="default")
    await topics.start()
    await topics.stop()
    assert log.records == []


def letter(origin: str = "http") -> DeadLetter:
    return DeadLetter("a", "default", NOON, origin, None, None, None, "unknown_type", "…", "…")


async def test_a_letter_is_accepted_after_the_fix() -> None:
    """It becomes an event as if it had just been posted."""
    log = ListLog()
    receipt = await HttpIntake(intake_of(log)).replay(letter(), text())
    assert (receipt.accepted, receipt.rejected) == (1, [])
    assert sources(log) == [("shop", 1)]


async def test_a_letter_that_is_still_wrong_says_why() -> None:
    """And makes no further letter."""
    log = ListLog()
    receipt = await HttpIntake(intake_of(log)).replay(letter(), text(data_price="?"))
    assert [(one.code, one.field) for one in receipt.rejected] == [("not_a_number", "data.price")]
    assert (receipt.accepted, log.records) == (0, [])


async def test_a_letter_of_a_source_topic_keeps_its_place_as_id() -> None:
    """As if it were read from there again."""
    log = ListLog()
    intake = HttpIntake(intake_of(log), {"wms-raw": "wms"})
    await intake.replay(letter("wms-raw:0:7"), text(id=None, source=None))
    assert sources(log) == [("wms", 1)]
