"""A small installation over either log: the template's catalogue, its way in, and what processors would say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.adapters.database import Database
from services.adapters.log import open_log
from services.catalogue.canonical import load_program, to_text
from services.catalogue.difference import Outcome
from services.catalogue.template import write_template
from services.changing import Changing, pack
from services.domain.facts import KpiValues
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.program import Program
from services.importing.inbound import inbound
from services.importing.load import load_folder
from services.intake.framing import LIVE, Intake
from services.lookups.book import LookupBook
from services.ports import Log
from services.settings import Intake as IntakeSettings
from services.topics import Topics

NOON = 1_714_903_200_000  # 2024-05-05T10:00:00Z
EVALUATOR = CelEvaluator()
PARTITIONS = 2


class Noon:
    def now(self) -> int:
        return NOON


def load(text: str) -> Program:
    return load_program(text, EVALUATOR)


@dataclass
class Installation:
    """Intake and book of a folder's catalogue, and the way in for another one."""

    folder: Path
    log: Log
    topics: Topics
    intake: Intake
    changing: Changing
    database: Database

    async def post(self, *numbers: int) -> None:
        await self.intake.accept("default", LIVE, [placed(number) for number in numbers])

    def edit(self, before: str, after: str) -> None:
        kpis = self.folder / "kpis.yaml"
        text = kpis.read_text()
        assert before in text
        kpis.write_text(text.replace(before, after, 1))

    async def apply(self) -> dict[str, Outcome]:
        found = await self.changing.apply(pack(self.folder, *load_folder(self.folder, EVALUATOR)))
        return {one.name: one.outcome for one in found.changes if one.outcome is not Outcome.UNCHANGED}

    async def numbers(self) -> dict[str, float | None]:
        """The totals, as processors that read the log find them."""
        observers = [Observer(partition, load, 4) for partition in range(PARTITIONS)]
        judges = [Judge(partition, load, PARTITIONS) for partition in range(4)]
        ends = await self.log.ends(self.topics.events.name)
        starts = {partition: ends[partition][0] for partition in range(PARTITIONS)}
        async for records in self.log.read(self.topics.events.name, starts, follow=False):
            for record in records:
                observers[record.partition].fold([(record.offset, record.value or b"")])
        for emission in (one for observer in observers for one in observer.emit()):
            if isinstance(emission.value, bytes):
                judge = judges[emission.partition]
                judge.fold([(judge.applied + 1, emission.value)])
        said = [one.value for judge in judges for one in judge.emit(everything=True)]
        values = [value for one in said if isinstance(one, KpiValues) for value in one.values]
        return {value.kpi: value.value for value in values if not value.scope}


def placed(number: int) -> bytes:
    data = {"order_id": f"SO-{number}", "amount": "10.00"}
    return json.dumps(
        {
            "specversion": "1.0", "id": str(number), "source": "shop", "type": "order.placed",
            "time": "2024-05-05T09:59:00Z", "data": data,
        }
    ).encode()  # fmt: skip


@asynccontextmanager
async def installed(url: str, prefix: str, place: Path) -> AsyncIterator[Installation]:
    """An installation that takes events; nothing ticks."""
    folder, topics, log = place / "mine", Topics(prefix, PARTITIONS), open_log(url)
    write_template(folder)
    database = Database(f"sqlite:///{place}/db.sqlite")
    await log.start()
    await log.ensure([topics.events, topics.lookups, topics.dead_letters, topics.observed])
    await database.start()
    catalogue, mappings = load_folder(folder, EVALUATOR)
    book = LookupBook(log, topics.lookups.name, Noon(), catalogue, tenant="default")
    intake = Intake(
        log, topics, Noon(), IntakeSettings(linger_ms=1, tick_ms=3_600_000), catalogue=catalogue,
        text=to_text(catalogue), tenant="default", max_event_bytes=10_000, tables=book.tables, misses=book.misses,
    )  # fmt: skip
    await book.start()
    await intake.start()
    inside = inbound(intake, mappings, catalogue, EVALUATOR)
    changing = Changing(intake, book, inside, database.runs, Noon(), "default", EVALUATOR)
    yield Installation(folder, log, topics, intake, changing, database)
    await intake.stop()
    await book.stop()
    await database.stop()
    await log.stop()
