"""Cases that hear of each other across partitions, through the real processors, on both logs."""

from __future__ import annotations

import random

from services import records
from services.catalogue.canonical import to_text
from services.domain.facts import KpiValues
from services.domain.frames import Kind, decode
from services.ports import Log
from tests.processors.harness import PARTITIONS, Engines, Site, of, read_all, until
from tests.unit.domain.test_levels_equal_joined import (
    END,
    LEVELS,
    MINUTE,
    START,
    Company,
    Values,
    expected,
    history,
    said,
)

_SEED = 11


class Levels(Engines):
    """A site whose values are read."""

    async def values(self, log: Log) -> Values:
        """What was said last."""
        told = [records.decode(KpiValues, value) for value in await read_all(log, self.topics.kpis)]
        return said(value for one in told for value in one.values)


async def test_what_is_passed_on_survives_restarts(site: Site) -> None:
    """A life that has told much and kept no snapshot, one that goes on from a snapshot: the last says what a join of
    all events says.
    """
    levels = Levels(site.url, site.prefix)
    facts = history(random.Random(_SEED))
    company = Company(LEVELS, PARTITIONS, levels.topics.events.name)
    parts = [facts.said[number::3] for number in range(3)]
    ingest = START + 3200 * MINUTE
    async with levels.running(snapshot_ms=3_600_000) as (log, processor):
        await log.append(company.framer.mark(Kind.CATALOGUE, START, catalogue=to_text(LEVELS)))
        await log.append(company.framed(ingest, parts[0]))
        await levels.settled(log, processor)
        before = await read_all(log, levels.topics.events)
    assert any(decode(value).head.kind is Kind.PASSED for value in before)
    async with levels.running() as (log, processor):
        await log.append(company.framed(ingest + MINUTE, parts[1]))
        await levels.settled(log, processor)
        await until(lambda: all(one.snapshot == one.applied for one in of(processor, "observe")))
    async with levels.running() as (log, processor):
        await log.append(company.framed(ingest + 2 * MINUTE, parts[2]))
        await levels.settled(log, processor)
        await log.append(company.framer.mark(Kind.END, END))
        await levels.settled(log, processor)
        assert await levels.values(log) == expected(facts.clean)
