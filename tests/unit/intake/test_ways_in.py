from __future__ import annotations

import asyncio

import pytest

from services.domain.facts import DeadLetter
from services.domain.frames import decode
from services.domain.stored import Page, StoredDeadLetter
from services.errors import NotFound, Unavailable
from services.intake.replay import Replay
from services.intake.source_topics import SourceTopics
from services.ports import Record
from services.records import decode as decode_fact
from tests.unit.intake.given import NOON, TOPICS, ListLog, StoppedClock, intake_of, text


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


async def test_without_topics_nothing_runs() -> None:
    """Most installations have none."""
    log = ListLog()
    topics = SourceTopics(intake_of(log), log, group="g", sources={}, tenant="default")
    await topics.start()
    await topics.stop()
    assert log.records == []


class Letters:
    """Dead letters in a dict."""

    def __init__(self, *letters: DeadLetter) -> None:
        self.kept = {letter.id: StoredDeadLetter(letter, None) for letter in letters}

    async def add(self, letters: object) -> None:
        raise NotImplementedError(letters)

    async def find(
        self, tenant: str, *, limit: int, cursor: str | None = None, code: str | None = None
    ) -> Page[StoredDeadLetter]:
        raise NotImplementedError(tenant, limit, cursor, code)

    async def get(self, tenant: str, letter: str) -> StoredDeadLetter | None:
        return self.kept.get(letter)

    async def replayed(self, tenant: str, letter: str, at: int) -> None:
        self.kept[letter] = StoredDeadLetter(self.kept[letter].letter, at)

    async def count(self, tenant: str) -> int:
        return len(self.kept)


def letter(id_: str, payload: bytes, origin: str = "http") -> DeadLetter:
    return DeadLetter(id_, "default", NOON, origin, None, None, None, "unknown_type", "…", payload.decode())


async def test_a_letter_is_accepted_after_the_fix() -> None:
    """It becomes an event and is marked; one that is still wrong stays, says why, and makes no new letter."""
    log, letters = ListLog(), Letters(letter("a", text()), letter("b", text(data_price="?")))
    clock = StoppedClock(NOON + 5)
    first, second = await Replay(intake_of(log), letters, clock).replay("default", ["a", "b"])
    assert (first.id, first.rejection) == ("a", None)
    assert second.rejection is not None
    assert second.rejection.field == "data.price"
    assert [letters.kept[id_].replayed for id_ in "ab"] == [NOON + 5, None]
    assert sources(log) == [("shop", 1)]
    assert log.on(TOPICS.dead_letters.name) == []


async def test_a_letter_of_a_source_topic_keeps_its_place_as_id() -> None:
    """As if it were read from there again."""
    log = ListLog()
    letters = Letters(letter("a", text(id=None, source=None), "wms-raw:0:7"))
    await Replay(intake_of(log), letters, StoppedClock(), {"wms-raw": "wms"}).replay("default", ["a"])
    assert sources(log) == [("wms", 1)]


async def test_an_unknown_letter_is_named_before_anything_happens() -> None:
    """No half of a replay."""
    log, letters = ListLog(), Letters(letter("a", text()))
    with pytest.raises(NotFound, match="zz"):
        await Replay(intake_of(log), letters, StoppedClock()).replay("default", ["a", "zz"])
    assert log.records == []
