"""The life of a case that hears of events via others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text
from services.domain.program import Program
from services.ports import Append
from services.timelines import Timeline, Timelines
from services.topics import Topics
from tests.unit.domain.test_levels_equal_joined import LEVELS, MINUTE, START, Company, Fact

TOPICS = Topics("test", 2)


async def programs(tenant: str, run: str) -> Program:
    return load_program(to_text(LEVELS))


@pytest_asyncio.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log")
    await opened.start()
    await opened.ensure([TOPICS.events])
    yield opened
    await opened.stop()


def ordered() -> Fact:
    return Fact("o", "line.ordered", START, {"doc": "d", "order": "o1", "pieces": 9}, "7")


def loaded(id_: str, shipment: str, **more: Any) -> Fact:
    data = {"doc": id_, "rev": 0, "line": 7, "shipment": shipment, "quantity": 3, **more}
    return Fact(id_, "shipment.loaded", START + MINUTE, data)


def delivered(id_: str, shipment: str) -> Fact:
    return Fact(
        id_, "shipment.delivered", START + 2 * MINUTE, {"no": id_, "shipment": shipment, "carrier": "y"}
    )


async def life(log: EmbeddedLog, process: str, case: str, *facts: Fact) -> Timeline:
    """What the case is told to have been through, when each fact came by itself."""
    company = Company(LEVELS, TOPICS.partitions, TOPICS.events.name)
    for number, fact in enumerate(facts):
        company.post(START + (10 + number) * MINUTE, [fact])
        company.settle()
    await log.append(
        [
            Append(TOPICS.events.name, place, None, value)
            for place, values in enumerate(company.logs)
            for value in values
        ]
    )
    return await Timelines(log, TOPICS, programs).of("default", "live", process, case, START + 60 * MINUTE)


async def test_a_line_shows_the_delivery_and_by_which_shipment_it_heard(log: EmbeddedLog) -> None:
    """The proof of delivery stands in the line's life, with the pieces that the line had in that shipment."""
    told = await life(
        log, "line", "7", ordered(), loaded("l", "s1"), delivered("d1", "s1"), delivered("d2", "s2")
    )
    events = [json.loads(event) for event in told.events]
    assert [event["type"] for event in events] == ["line.ordered", "shipment.loaded", "shipment.delivered"]
    assert events[-1]["via"] == {"shipment": "s1"}
    assert told.derived[-1] == {"quantity": "3"}
    assert told.fact is not None
    assert told.fact.quantities["delivered"] == "3"


async def test_an_order_shows_the_whole_way(log: EmbeddedLog) -> None:
    """Which shipment carried which of its lines."""
    told = await life(log, "order", "o1", ordered(), loaded("l", "s1"), delivered("d1", "s1"))
    assert json.loads(told.events[-1])["via"] == {"shipment": "s1", "line": "7"}


async def test_what_was_taken_back_is_not_shown(log: EmbeddedLog) -> None:
    """The line was not in the shipment after all."""
    never = loaded("l2", "s1", doc="l", rev=1, gone=True)
    told = await life(log, "line", "7", ordered(), loaded("l", "s1"), delivered("d1", "s1"), never)
    assert "shipment.delivered" not in {json.loads(event)["type"] for event in told.events}
