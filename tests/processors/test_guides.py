"""What the guides promise holds on real logs: their examples, through the real processors, on both."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from services import records
from services.adapters.cel import CelEvaluator
from services.catalogue.fixtures import run_tests
from services.catalogue.rehearsal import Rehearsal, Sent
from services.domain.catalogue import Catalogue
from services.domain.facts import KpiValues
from services.domain.lookups import Tables
from services.ports import Append, Log
from stream_processors.processor import Processor
from tests.guides import write_guide
from tests.processors.harness import PARTITIONS, Engines, Site, read_on

PAGES = ["catalogue.md", "cases.md", "levels.md", "lookups.md", "sources.md", "stock.md", "calendars.md"]


class Stage:
    """A log with a processor on it, to be played on from another thread: each test is a tenant of its own."""

    def __init__(self, site: Site, log: Log, processor: Processor) -> None:
        self.site = site
        self._log, self._processor = log, processor
        self._loop = asyncio.get_running_loop()
        self._tenants = (f"test{number}" for number in itertools.count())
        self._read = dict.fromkeys(range(site.topics.kpis.partitions), 0)

    def rehearse(self, catalogue: Catalogue, text: str, events: Sequence[Sent], tables: Tables) -> Rehearsal:
        """See ``Rehearse``."""
        return OnLog(self, next(self._tenants), catalogue, text, events, tables)

    def play(self, waiting: Sequence[Append]) -> list[KpiValues]:
        """What was said because of these records."""
        return asyncio.run_coroutine_threadsafe(self._play(waiting), self._loop).result()

    async def _play(self, waiting: Sequence[Append]) -> list[KpiValues]:
        await self._log.append(waiting)
        await self.site.settled(self._log, self._processor)
        said = await read_on(self._log, self.site.topics.kpis, self._read)
        return [records.decode(KpiValues, value) for value in said]


class OnLog(Rehearsal):
    """A rehearsal on a stage, over all of its partitions."""

    def __init__(
        self,
        stage: Stage,
        tenant: str,
        catalogue: Catalogue,
        text: str,
        events: Sequence[Sent],
        tables: Tables,
    ) -> None:
        topic = stage.site.topics.events.name
        super().__init__(catalogue, text, events, tables, tenant=tenant, topic=topic, partitions=PARTITIONS)
        self._stage, self._tenant = stage, tenant
        self._waiting: list[Append] = []

    def _append(self, records: Sequence[Append]) -> None:
        self._waiting += records

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for told in self._stage.play(waiting):
            if told.tenant == self._tenant:
                self._keep(told)


@pytest.mark.parametrize(
    "page", ["catalogue.md", "cases.md", "levels.md", "lookups.md", "sources.md", "stock.md", "calendars.md"]
)
async def test_the_example_of_a_guide_holds_on_a_real_log(page: str, site: Site, tmp_path: Path) -> None:
    """Over several partitions, with what they say to each other, at each moment at which the guide looks."""
    folder = tmp_path / "guide"
    folder.mkdir()
    write_guide(page, folder)
    engines = Engines(site.url, site.prefix)
    async with engines.running() as (log, processor):
        stage = Stage(engines, log, processor)
        outcomes = await asyncio.to_thread(run_tests, folder, CelEvaluator(), stage.rehearse)
    assert outcomes
    assert [(one.name, one.failures) for one in outcomes if one.failures] == []
