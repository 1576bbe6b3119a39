"""An import: files → events → the log, as a run of its own that repeats by beginning a new attempt.

The run's engine time follows the events, so history unfolds as it did: frames that are appended together carry the
highest event time of those before them, for a frame may span months, and nothing may leave before its last event is
folded. At the end every window closes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from services.catalogue.canonical import to_text
from services.domain.catalogue import Catalogue
from services.domain.filters import Evaluator
from services.domain.frames import Kind
from services.domain.lookups import Key, Tables
from services.errors import InvalidInput
from services.importing.deriving import Deriver
from services.importing.documents import FileSpec, ImportDocument
from services.importing.mapping import CannotMap, Context, FileMapper, MapCode, Mapped, columns_of
from services.importing.sorting import MEMORY, Item, Sorter
from services.importing.tables import BadRow, Table, find, read_lookup
from services.intake.events import Event, Validator
from services.intake.explain import Rejection
from services.intake.frame_sets import Framer, heads
from services.intake.framing import LIVE
from services.intake.marks import marks_of
from services.ports import Append, Appender, Clock
from services.settings import Intake as IntakeSettings
from services.topics import Topics

DAY = 86_400_000
ROWS_PER_TURN = 500
"""Rows mapped, or events validated, between two turns of the event loop."""
EVENTS_PER_APPEND = 16_000
EXAMPLES = 20
"""Refusals that a report shows in full; the others are counted."""


class Stage(StrEnum):
    """What an import is at."""

    READING = "reading"
    WRITING = "writing"


class Progress(NamedTuple):
    """How far it is: bytes of the files while reading, events while writing."""

    stage: Stage
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row or event that was refused: where it stands, and why."""

    place: str
    id: str | None
    field: str | None
    value: str | None
    code: str
    message: str


@dataclass(slots=True)
class Report:
    """What an import found. ``rows`` by file; events read = accepted + refused + ``after_as_of``; ``codes`` counts
    refusals by code, ``refused`` shows the first of them, ``missed`` counts by look-up what it had no row for; times
    are epoch ms.
    """

    run: str
    attempt: int
    rows: dict[str, int] = field(default_factory=dict)
    read: int = 0
    accepted: int = 0
    after_as_of: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    first: int | None = None
    last: int | None = None
    as_of: int | None = None
    missed: Counter[str] = field(default_factory=Counter)

    @property
    def rejected(self) -> int:
        """How many were refused, rows that could not be read included."""
        return self.codes.total()

    def take(self, mapped: Mapped) -> bool:
        """Count an event that was read; false where it came after ``as_of``."""
        self.read += 1
        if self.as_of is None or mapped.time <= self.as_of:
            return True
        self.after_as_of += 1
        return False

    def refuse(self, refusal: Refusal) -> None:
        """Count one."""
        self.codes[refusal.code] += 1
        if len(self.refused) < EXAMPLES:
            self.refused.append(refusal)

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:  # noqa: ARG002  # see ``Misses``
        """A look-up had no row for ``key``."""
        self.missed[lookup] += 1

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for ``--json`` and the database."""
        return {
            "run": self.run,
            "attempt": self.attempt,
            "rows": self.rows,
            "read": self.read,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "after_as_of": self.after_as_of,
            "by_type": dict(self.by_type),
            "codes": dict(self.codes),
            "refused": [
                {name: getattr(one, name) for name in ("place", "id", "field", "value", "code", "message")}
                for one in self.refused
            ],
            "first": self.first,
            "last": self.last,
            "as_of": self.as_of,
            "missed": dict(self.missed),
        }


@dataclass(frozen=True, slots=True)
class Importer:
    """Where imports go, and with which catalogue."""

    log: Appender
    topics: Topics
    clock: Clock
    catalogue: Catalogue
    evaluator: Evaluator
    tenant: str
    settings: IntakeSettings
    max_event_bytes: int = 128 << 10
    memory: int = MEMORY
    tables: Tables = field(default_factory=dict)
    """Look-ups that fields of events are derived from."""

    async def run(
        self,
        mapping: ImportDocument,
        paths: Sequence[Path],
        *,
        run: str | None = None,
        attempt: int | None = None,
        as_of: int | None = None,
        begin: Callable[[], Awaitable[None]] | None = None,
        tell: Callable[[Progress], None] = lambda _: None,
    ) -> Report:
        """Import the files under ``paths`` as run ``run`` (default: the mapping's name), replacing that run.

        ``attempt`` must grow with each repetition (default: the clock). ``as_of`` leaves later events out and ends
        the run at that instant. ``begin`` is called when the files have been read and before the run is replaced.
        Returns once the log has acknowledged all. Raises ``InvalidInput`` for files that do
        not fit the mapping, before anything is written.
        """
        name = run or mapping.metadata.name
        if name == LIVE:
            raise InvalidInput(
                "an import cannot replace the live run", field="run", value=name, remedy="choose another name"
            )
        report = Report(name, self.clock.now() if attempt is None else attempt, as_of=as_of)
        with Sorter(self.memory) as sorter:
            files = await self._read(mapping, paths, report, sorter, tell)
            if begin is not None:
                await begin()
            await self._write(sorter, files, report, tell)
        return report

    async def _read(
        self, mapping: ImportDocument, paths: Sequence[Path], report: Report, sorter: Sorter,
        tell: Callable[[Progress], None],
    ) -> list[str]:  # fmt: skip
        """All rows → events into ``sorter``; the names of the files by index."""
        spec, empty = mapping.spec, frozenset(mapping.spec.empty)
        listing = [(file, path) for file in spec.files for path in find(file.file, paths)]
        lookups = {}
        for name, lookup in spec.lookups.items():
            lookups[name] = read_lookup(lookup, paths, empty)
            await asyncio.sleep(0)
        context = Context(spec, lookups, self.catalogue, self.evaluator)
        total, done = sum(path.stat().st_size for _, path in listing), 0
        key = _KEYS[spec.sort]
        for index, (file, path) in enumerate(listing):
            report.rows[path.name] = 0
            with Table(path, file, empty, columns_of(file)) as table:
                for number, (line, found) in enumerate(mapped_rows(table, file, context)):
                    if number % ROWS_PER_TURN == 0:
                        tell(Progress(Stage.READING, done + table.position, total))
                        await asyncio.sleep(0)
                    report.rows[path.name] += 1
                    for one in found:
                        if isinstance(one, CannotMap):
                            place = f"{path.name}:{line}"
                            report.refuse(Refusal(place, None, one.field, one.value, one.code, one.message))
                        elif report.take(one):
                            sorter.add(Item(key(one), report.read, index, line, one.payload))
                done += table.size
        tell(Progress(Stage.READING, total, total))
        return [path.name for _, path in listing]

    async def _write(
        self, sorter: Sorter, files: Sequence[str], report: Report, tell: Callable[[Progress], None]
    ) -> None:
        validator = Validator(
            self.catalogue, max_event_bytes=self.max_event_bytes, tables=self.tables, misses=report
        )
        framer, deriver = self._framer(report), self._deriver(report)
        highest = passed = 0
        span = self._span()
        total = report.read - report.after_as_of
        await self.log.append(self._beginning(framer))
        items = iter(sorter)
        for number in range(0, total, ROWS_PER_TURN):
            tell(Progress(Stage.WRITING, number, total))
            await asyncio.sleep(0)
            turn = [*islice(items, ROWS_PER_TURN)]
            outcomes = validator.validate_all([item.payload for item in turn])
            for item, outcome in zip(turn, outcomes, strict=True):
                if isinstance(outcome, Rejection):
                    report.refuse(_refusal(outcome, f"{files[item.file]}:{item.line}"))
                    continue
                if framer.events >= EVENTS_PER_APPEND or (framer.events and outcome.time > passed + span):
                    await self.log.append(
                        deriver.completed(framer.take(passed, ticks=True), passed) + framer.marks(passed)
                    )
                    passed = highest
                framer.add(outcome)
                highest = max(highest, outcome.time)
                _count(report, outcome)
        await self.log.append(
            deriver.completed(framer.take(passed, ticks=True), passed) + framer.marks(passed)
        )
        end = highest if report.as_of is None else max(highest, report.as_of)
        report.as_of = end
        await self.log.append(framer.mark(Kind.END, end))
        tell(Progress(Stage.WRITING, total, total))

    def _deriver(self, report: Report) -> Deriver:
        head = heads(self.tenant, report.run, report.attempt, self.catalogue.digest)
        return Deriver(self.catalogue, self.evaluator, head, self.topics)

    def _beginning(self, framer: Framer) -> list[Append]:
        """Every partition learns of the new attempt, then of its catalogue."""
        text = to_text(self.catalogue)
        return framer.mark(Kind.BEGIN, 0) + framer.mark(Kind.CATALOGUE, 0, catalogue=text)

    def _span(self) -> int:
        """How much time one append may cover: due times that pass meanwhile must still find their windows kept."""
        return max(DAY, min((kpi.reopen_ms for kpi in self.catalogue.kpis.values()), default=DAY))

    def _framer(self, report: Report) -> Framer:
        return Framer(
            self.catalogue,
            heads(self.tenant, report.run, report.attempt, self.catalogue.digest),
            self.topics.events.name,
            self.topics.partitions,
            frame_events=self.settings.frame_events,
            frame_bytes=self.settings.frame_bytes,
            marks=marks_of(self.catalogue, report.run),
        )


_KEYS: Mapping[str, Callable[[Any], int]] = {
    "eventTime": lambda mapped: int(mapped.time),
    "recordedTime": lambda mapped: int(mapped.recorded),
    "none": lambda _: 0,
}


def mapped_rows(
    table: Table, file: FileSpec, context: Context
) -> Iterator[tuple[int, Sequence[Mapped | CannotMap]]]:
    """What becomes of each row of a file, with its line."""
    mapper = FileMapper(context, file, table.header, table.path.name)
    for line, row in table.rows:
        if isinstance(row, BadRow):
            yield line, [unreadable(row)]
        else:
            yield line, mapper.map(row)


def unreadable(row: BadRow) -> CannotMap:
    """A row that is none."""
    return CannotMap(MapCode.UNREADABLE_ROW, "row", None, row.message)


def _refusal(rejection: Rejection, place: str) -> Refusal:
    return Refusal(place, rejection.id, rejection.field, rejection.value, rejection.code, rejection.message)


def _count(report: Report, event: Event) -> None:
    report.accepted += 1
    report.by_type[event.type] += 1
    report.first = event.time if report.first is None else min(report.first, event.time)
    report.last = event.time if report.last is None else max(report.last, event.time)
