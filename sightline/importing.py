"""``sightline import``: files into a run of their own, with a progress bar and a report.

On the embedded log the processors and the recorder run here until the run is complete; on Kafka they run elsewhere,
and the command ends when the log has acknowledged everything. Where a running Sightline holds the embedded log, it is
handed the records over its API.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from services import wiring
from services.adapters.cel import CelEvaluator
from services.catalogue.canonical import to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue
from services.domain.lookups import LookupTable, Tables
from services.domain.stored import RunRecord
from services.errors import InvalidInput, LogInUse, Unavailable
from services.importing.documents import ImportDocument
from services.importing.load import load_mapping
from services.importing.run import Importer, Progress, Report, Stage
from services.importing.times import Zone, time_reader
from services.live import LiveView
from services.lookups.book import LookupBook
from services.lookups.files import Filed, read_filed
from services.lookups.rows import RowReader
from services.ports import Appender
from services.settings import Settings, read_settings
from services.topics import Topics
from sightline.cli.output import console, print_json, print_rejected
from sightline.cli.query import get
from sightline.node import PROCESSOR, RECORDER, Node

if TYPE_CHECKING:
    from services.adapters.database import Database

POLL_S = 0.02
Tell = Callable[[Progress], None]


def run_import(
    mapping_path: Path,
    paths: Sequence[Path],
    *,
    catalogue: Path | None,
    run: str | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Import, then tell what was found."""
    begun = time.monotonic()
    check_there(mapping_path, *paths)
    folder = catalogue or catalogue_beside(mapping_path)
    found = load_catalogue(folder, CelEvaluator())
    mapping = load_mapping(mapping_path, found)
    end = None if as_of is None else _instant(as_of, mapping.spec.timezone)
    with _progress(quiet=as_json) as tell:
        filed, _ = read_filed(folder, found)
        wanted = Wanted(mapping, found, filed, paths, run or mapping.metadata.name, end, tell)
        report = asyncio.run(_import(read_settings(), wanted))
    if as_json:
        print_json(report.to_dict())
    else:
        _print(report, time.monotonic() - begun)


def check_there(*paths: Path) -> None:
    """Before anything else is told of: a catalogue is looked for beside the mapping."""
    for path in paths:
        if not path.exists():
            raise InvalidInput(
                f"there is no {path}", field="path", value=str(path), remedy="check its spelling"
            )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be imported, and who hears how far it is."""

    mapping: ImportDocument
    catalogue: Catalogue
    filed: Mapping[str, Filed]
    paths: Sequence[Path]
    run: str
    as_of: int | None
    tell: Tell


def _instant(text: str, timezone: str) -> int:
    try:
        return time_reader("iso", Zone(timezone))(text)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is no time",
            field="--as-of",
            value=text,
            remedy="write one such as 2018-09-05T22:22:01",
        ) from None


def catalogue_beside(mapping: Path) -> Path:
    """The mapping's folder, or the folder ``catalogue`` in it."""
    inner = mapping.parent / "catalogue"
    return inner if inner.is_dir() else mapping.parent


async def _import(settings: Settings, wanted: Wanted) -> Report:
    try:
        return await _import_here(settings, wanted)
    except LogInUse as error:
        return await _import_there(settings, wanted, error)


async def _import_there(settings: Settings, wanted: Wanted, in_use: LogInUse) -> Report:
    """Through the API of the process that holds the log; the database is shared with it."""
    from services.adapters.log.remote import RemoteLog

    url = os.environ.get("SIGHTLINE_URL", settings.api.url)
    log = RemoteLog(url, wanted.run, os.environ.get("SIGHTLINE_API_KEY"))
    database = wiring.database(settings)
    try:
        await log.reachable()
        await database.start()
        report = await _write(settings, log, database, wanted, _tables_there(url, wanted))
        await log.completed(report.attempt)
    except Unavailable as error:
        error.add_note(in_use.message)
        raise
    finally:
        await database.stop()
        await log.close()
    return report


async def _import_here(settings: Settings, wanted: Wanted) -> Report:
    """With processors of its own, or (Kafka) for those that run elsewhere."""
    local = settings.broker.url.startswith("embedded:")
    node = Node(settings, {PROCESSOR, RECORDER} if local else set())
    reports: list[Report] = []

    async def work() -> None:
        tables = await _tables_here(node, wanted)
        reports.append(await _write(settings, node.log, node.database, wanted, tables))
        if local:
            await _completed(node, reports[0], wanted.catalogue)

    try:
        await node.start()
        await node.watch(work())
    finally:
        await node.stop()
    return reports[0]


async def _tables_here(node: Node, wanted: Wanted) -> Tables:
    """Look-ups as the log's topic has them; those with a file as the file says them."""
    book = LookupBook(
        node.log, node.topics.lookups.name, node.clock, wanted.catalogue, tenant=node.settings.tenant
    )
    if wanted.catalogue.lookups:
        await book.read_up()
    return {**book.tables, **{name: filed.table() for name, filed in wanted.filed.items()}}


def _tables_there(url: str, wanted: Wanted) -> Tables:
    """The same, by the API of the process that holds the log."""
    tables = {name: LookupTable(lookup) for name, lookup in wanted.catalogue.lookups.items()}
    for name, table in tables.items():
        reader = RowReader(table.lookup)
        after: int | None = 0 if name not in wanted.filed else None
        while after is not None:
            page = get(url, f"/api/v1/lookups/{name}", limit=1000, after=after)
            for one in page["rows"]:
                table.put(reader.read(one["row"], strict=False))
            after = page["next"]
    return {**tables, **{name: filed.table() for name, filed in wanted.filed.items()}}


async def _write(
    settings: Settings, log: Appender, database: Database, wanted: Wanted, tables: Tables
) -> Report:
    """Everything into the log, and the run into the database."""
    catalogue, tenant, runs, clock = wanted.catalogue, settings.tenant, database.runs, wiring.clock()
    importer = Importer(
        log,
        Topics(settings.broker.prefix, settings.broker.partitions),
        clock,
        catalogue,
        CelEvaluator(),
        tenant,
        settings.intake,
        max_event_bytes=settings.api.max_event_bytes,
        tables=tables,
    )
    attempt = clock.now()

    async def begin() -> None:
        await runs.begin(
            RunRecord(tenant, wanted.run, attempt, catalogue.digest, to_text(catalogue), started=attempt)
        )

    report = await importer.run(
        wanted.mapping,
        wanted.paths,
        run=wanted.run,
        attempt=attempt,
        as_of=wanted.as_of,
        begin=begin,
        tell=wanted.tell,
    )
    await runs.end(tenant, wanted.run, attempt, clock.now(), report.to_dict())
    return report


async def _completed(node: Node, report: Report, catalogue: Catalogue) -> None:
    """Wait until every judge partition has told the run's end, and the recorder has kept all; then keep the states."""
    program = wiring.program_loader()(to_text(catalogue))
    judges = {kpi.judge for kpi in program.kpis.values()}
    view = LiveView(node.log, node.topics.kpis.name)
    following = asyncio.create_task(view.run())
    try:
        while True:
            run = view.get(node.settings.tenant, report.run)
            ended = {judge for judge, part in run.partitions.items() if part.complete}
            if run.attempt == report.attempt and judges <= ended:
                break
            await asyncio.sleep(POLL_S)
    finally:
        following.cancel()
    assert node.recorder is not None
    assert node.processor is not None
    while await node.recorder.lag() > 0:  # noqa: ASYNC110  # the lag is on disk: there is nothing to be told by
        await asyncio.sleep(POLL_S)
    await node.processor.snapshot()


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tell]:
    """A bar per stage on a terminal, nothing for programs."""
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:10}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        tasks = {stage: bars.add_task(stage.value, total=None) for stage in Stage}
        yield lambda told: bars.update(tasks[told.stage], completed=told.done, total=told.total)


def _print(report: Report, took: float) -> None:
    from rich.markup import escape
    from rich.table import Table

    console.print(f"[bold]run {escape(report.run)}[/]  {report.accepted:,} events accepted in {took:.1f} s")
    table = Table("file", "rows", box=None, header_style="dim")
    for file, rows in report.rows.items():
        table.add_row(escape(file), f"{rows:,}")
    console.print(table)
    for kind, count in sorted(report.by_type.items()):
        console.print(f"  {count:>9,}  {escape(kind)}")
    if report.after_as_of:
        console.print(f"  {report.after_as_of:>9,}  left out: after the as-of time")
    for name, count in sorted(report.missed.items()):
        console.print(f"  {count:>9,}  [yellow]without a row[/] in the look-up {escape(name)}")
    print_rejected(report.codes, report.refused)
