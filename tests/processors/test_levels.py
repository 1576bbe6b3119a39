"""Cases that hear of each other across partitions, through the real processors, on both logs."""

from __future__ import annotations

import random

from services import records
from services.catalogue.canonical import load_program, to_text
from services.domain.facts import KpiValues
from services.domain.frames import Kind, decode
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.ports import Log
from services.settings import Broker, Processing, Settings
from services.topics import JUDGE_PARTITIONS
from stream_processors.processor import Processor
from tests.processors.harness import PARTITIONS, Site, of, read_all, until
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


class Levels(Site):
    """A site with the engine's own states."""

    def processor(self, log: Log, *, snapshot_ms: int = 50, instance: str = "") -> Processor:
        settings = Settings(
            broker=Broker(url=self.url, prefix=self.prefix, partitions=PARTITIONS),
            processing=Processing(flush_ms=20, linger_ms=5, snapshot_ms=snapshot_ms, instance=instance),
        )
        return Processor(
            settings,
            self.topics,
            log,
            lambda number: Observer(number, load_program, JUDGE_PARTITIONS, partitions=PARTITIONS),
            lambda number: Judge(number, load_program, PARTITIONS),
        )

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
