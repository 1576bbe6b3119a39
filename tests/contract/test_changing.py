"""Another catalogue for an installation that runs, over both logs: by the barrier, and without a loss."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

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
from services.errors import CatalogueError, InvalidInput
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
LOOKUP = """---
apiVersion: sightline/v1
kind: Lookup
metadata: {name: sites}
spec: {key: site, source: {file: rows/sites.csv}, columns: {region: {type: string}}}
"""


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


@pytest.fixture(params=["embedded", "kafka"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "embedded":
        return f"embedded://{tmp_path / 'log'}"
    return f"kafka://{request.getfixturevalue('kafka')}"


@pytest_asyncio.fixture
async def installation(url: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[Installation]:
    folder, topics, log = tmp_path / "mine", Topics(topic_prefix, PARTITIONS), open_log(url)
    write_template(folder)
    database = Database(f"sqlite:///{tmp_path}/db.sqlite")
    await log.start()
    await log.ensure([topics.events, topics.lookups, topics.dead_letters])
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


async def test_what_goes_on_loses_nothing_and_what_is_new_begins_anew(installation: Installation) -> None:
    """Orders before and after the change: revenue and what is open have all of them, another count the later ones."""
    await installation.post(1, 2, 3)
    installation.edit("title: Order value today", "title: Revenue")
    installation.edit(
        "{agg: count, event: order.placed}", "{agg: distinct, event: order.placed, field: order_id}"
    )
    assert await installation.apply() == {"orders": Outcome.MEANING, "revenue": Outcome.WORDS}
    await installation.post(4)
    numbers = await installation.numbers()
    assert (numbers["revenue"], numbers["open_orders"], numbers["orders"]) == (40.0, 4, 1)


async def test_nothing_is_lost_of_what_comes_during_the_change(installation: Installation) -> None:
    """Requests before, during and after it, all at once; it is applied twice, which changes nothing more."""
    installation.edit("title: Order value today", "title: Revenue")
    posts = [installation.post(*range(start, start + 5)) for start in range(0, 100, 5)]
    await asyncio.gather(*posts[:10], installation.apply(), *posts[10:15], installation.apply(), *posts[15:])
    numbers = await installation.numbers()
    assert (numbers["revenue"], numbers["open_orders"], numbers["orders"]) == (1000.0, 100, 100)


async def test_a_catalogue_that_does_not_lint_changes_nothing(installation: Installation) -> None:
    """All problems are told; the one in force stays, and so does what the run is kept with."""
    before = installation.intake.catalogue.digest
    packed = pack(installation.folder, *load_folder(installation.folder, EVALUATOR))
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as good, zipfile.ZipFile(body, "w") as bad:
        for name in good.namelist():
            bad.writestr(name, good.read(name).replace(b"agg: sum", b"agg: smu"))
    with pytest.raises(CatalogueError, match="'smu' is not possible here"):
        await installation.changing.apply(body.getvalue())
    assert installation.intake.catalogue.digest == before
    assert await installation.database.runs.get("default", LIVE) is None


@pytest.mark.parametrize("name", ["../kpis.yaml", "/etc/kpis.yaml", "a/../../kpis.yaml", "..\\kpis.yaml"])
async def test_a_file_outside_of_the_archive_is_refused(installation: Installation, name: str) -> None:
    """Nothing is written there."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr(name, "kind: Kpi")
    with pytest.raises(InvalidInput, match="lies outside"):
        await installation.changing.apply(body.getvalue())
    assert not (installation.folder.parent / "kpis.yaml").exists()


async def test_what_is_no_archive_is_refused(installation: Installation) -> None:
    """With what to use instead."""
    with pytest.raises(InvalidInput, match="no ZIP archive") as caught:
        await installation.changing.apply(b"kind: Kpi")
    assert caught.value.remedy == "use `sightline apply FOLDER`"


async def test_the_files_of_look_ups_come_along(installation: Installation) -> None:
    """Their rows are known when the catalogue is in force, which the live run is kept with."""
    (installation.folder / "rows").mkdir()
    (installation.folder / "rows" / "sites.csv").write_text("site,region\nW01,North\n")
    installation.edit("# The numbers", f"# With a look-up.\n{LOOKUP}---\n# The numbers")
    assert await installation.apply() == {"sites": Outcome.NEW}
    assert installation.changing.book.tables["sites"].find(("W01",), NOON) is not None
    kept = await installation.database.runs.get("default", LIVE)
    assert kept is not None
    assert kept.digest == installation.intake.catalogue.digest
