"""A balance opened: from stock on hand to its keys, from a difference to its counts, and the life of one key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text
from services.contributors import ContributorLists, Query
from services.domain.catalogue import Opening
from services.domain.frames import Kind
from services.domain.program import Program
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.timelines import Timelines
from services.topics import Topics
from tests.naive.stock import Entry
from tests.unit.domain.test_balances_equal_naive import catalogue_of, moved
from tests.unit.domain.test_engine_equals_naive import DAY, HOUR, START, as_json

TOPICS = Topics("test", 2)
NOW = START + 5 * HOUR
CATALOGUE = catalogue_of(Opening.ANNOUNCED, 35 * DAY)
ENTRIES = [
    Entry("k0", START - HOUR, "receipt", 99),
    Entry("k0", START, "opening", 10),
    Entry("k0", START + 2 * HOUR, "count", 7),
    Entry("k0", START + HOUR, "issue", 2),
    Entry("k0", START + 3 * HOUR, "receipt", 5),
    Entry("k1", START, "opening", 4),
    Entry("k2", START + HOUR, "receipt", 3),
    Entry("k2", START + HOUR, "issue", 3),
]


async def programs(tenant: str, run: str) -> Program:
    return load_program(to_text(CATALOGUE))


@pytest_asyncio.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    """What was said of three keys, and then that the process has been opened."""
    opened = EmbeddedLog(tmp_path / "log")
    await opened.start()
    await opened.ensure(TOPICS.all())
    head = heads("default", "live", 0, CATALOGUE.digest)
    framer = Framer(CATALOGUE, head, TOPICS.events.name, 2, frame_events=100, frame_bytes=1 << 16)
    await opened.append(framer.mark(Kind.CATALOGUE, START, catalogue=to_text(CATALOGUE)))
    validator = Validator(CATALOGUE, max_event_bytes=1 << 16)
    for number, entry in enumerate(ENTRIES):
        event = validator.validate(as_json(moved(entry, number)))
        assert isinstance(event, Event)
        framer.add(event)
    await opened.append(framer.take(START + 4 * HOUR, ticks=True))
    await opened.append(framer.mark(Kind.OPENING, START + 4 * HOUR, process="stock", instant=START))
    yield opened
    await opened.stop()


async def test_a_level_lists_its_keys_with_what_there_is_of_each(log: EmbeddedLog) -> None:
    """They add up to it; what has come to nothing is not among them. Each says what its last count said."""
    lists = ContributorLists(log, TOPICS, programs, load_program)
    page = await lists.of("default", "live", Query("level", {}), NOW)
    assert (page.value, page.sum, page.number) == (16, 16, "on_hand")
    assert page.samples == page.count == 2
    assert {one.id: one.number for one in page.items} == {"k0": 12, "k1": 4}
    quantities = {one.id: one.case.quantities for one in page.items if one.case}
    assert quantities["k0"] == {
        "on_hand": "12", "on_hand.counted": "7", "on_hand.book": "8", "on_hand.difference": "-1",
    }  # fmt: skip
    assert quantities["k1"] == {"on_hand": "4"}


async def test_a_difference_lists_its_counts(log: EmbeddedLog) -> None:
    """When they were made, and what was missing."""
    lists = ContributorLists(log, TOPICS, programs, load_program)
    page = await lists.of("default", "live", Query("difference", {"site": "A"}), NOW)
    assert [(one.id, one.time, one.number) for one in page.items] == [("k0", START + 2 * HOUR, -1)]
    assert (page.value, page.number) == (-1, "difference")


async def test_the_life_of_a_key_says_how_much_there_is(log: EmbeddedLog) -> None:
    """Its movements in order, opened as was announced."""
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "stock", "k2", NOW)
    assert timeline.fact is not None
    assert timeline.fact.quantities == {"on_hand": "0"}
    assert len(timeline.events) == 2
