"""The log's topic of look-ups, followed: rows from files, uploads and others become the tables that events are enriched
with, in every process that takes events.

The tables are a function of the topic, which is compacted by key: each record says one row, one alias, or what one
process has missed. Whoever has read equally far has the same tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from services.domain.catalogue import Catalogue, Kpi, LookupSource
from services.domain.compile import rates_of
from services.domain.lookups import Key, LookupRow, LookupTable
from services.errors import Conflict, NotFound, SightlineError, Unavailable
from services.lookups.changes import Changes, Manner, changes, compare
from services.lookups.files import Filed
from services.lookups.misses import KEPT_MS, Missed, MissLedger, Tally
from services.lookups.rows import Cells, RowReader, WrongRowError
from services.ports import Append, Clock, Log, Record

BATCH = 2000
"""Records per append."""
TELL_S = 1.0
"""How often what was missed is told."""
FOLLOWS_WITHIN_S = 10.0
"""An upload waits for so long until this process knows it, too."""
REFUSED_SHOWN = 100

_log = structlog.get_logger(__name__)


class Said(msgspec.Struct, omit_defaults=True, frozen=True):
    """The value of a record, as JSON: a ``row``, an ``alias`` ``of`` a key, or what process ``by`` has ``missing``."""

    lookup: str
    tenant: str = "default"
    row: dict[str, Any] | None = None
    alias: str | None = None
    of: str | None = None
    missing: list[str] | None = None
    day: str | None = None
    by: str | None = None
    count: int = 0
    first: int = 0
    last: int = 0
    told: int = 0


_decode = msgspec.json.Decoder(Said, float_hook=str).decode


@dataclass(frozen=True, slots=True)
class Refused:
    """A record of the topic that could not be used, and why."""

    offset: int
    lookup: str
    message: str


class _GoneError(Exception):
    """A record of somebody else, or of a look-up that the catalogue does not have."""


class LookupBook:
    """All look-ups of one catalogue. ``tables`` and ``misses`` are for the intake; they change as the topic does."""

    def __init__(
        self,
        log: Log,
        topic: str,
        clock: Clock,
        catalogue: Catalogue,
        *,
        tenant: str,
        filed: Mapping[str, Filed] | None = None,
    ) -> None:
        """``filed`` is what the catalogue's files say."""
        self._log, self._topic, self._clock, self._tenant = log, topic, clock, tenant
        self.readers: dict[str, RowReader] = {}
        self.tables: dict[str, LookupTable] = {}
        self.misses = MissLedger(clock.now, self._day)
        self.refused: list[Refused] = []
        self.refusals = 0
        self.position = 0
        self._by = secrets.token_hex(6)
        self._rows: dict[bytes, tuple[str, Key, int]] = {}
        self._aliases: dict[bytes, tuple[str, str]] = {}
        self._moved = asyncio.Event()
        self._uploading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._take_up(catalogue, filed)

    def _take_up(self, catalogue: Catalogue, filed: Mapping[str, Filed] | None) -> None:
        """Empty tables for the look-ups of a catalogue."""
        self.catalogue, self._filed = catalogue, filed or {}
        for kept in (self.readers, self.tables, self._rows, self._aliases, self.misses.others):
            kept.clear()
        self.readers.update({name: RowReader(lookup) for name, lookup in catalogue.lookups.items()})
        self.tables.update({name: LookupTable(lookup) for name, lookup in catalogue.lookups.items()})
        self.position = 0

    async def switch(self, catalogue: Catalogue, filed: Mapping[str, Filed] | None = None) -> None:
        """Be the book of another catalogue: the topic is read again. ``tables`` stays the same mapping and has the new
        ones; who validates by the old ones (``Intake``) has them as they were until it switches itself, afterwards.
        """
        await self.stop()
        self._take_up(catalogue, filed)
        await self.start()

    async def start(self) -> None:
        """Read the topic, bring it up to the files, and follow it until ``stop``."""
        if not self.catalogue.lookups and not self._misses_possible:
            return
        await self.read_up()
        self._tasks = [
            asyncio.create_task(self._following(), name="look-ups"),
            asyncio.create_task(self._telling(), name="look-ups' misses"),
        ]
        for filed in self._filed.values():
            await self._publish(filed)
        await self._forget()

    async def stop(self) -> None:
        """Tell what is still to be told, and end."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._tasks:
            with contextlib.suppress(SightlineError):
                await self._tell()
        self._tasks = []

    @property
    def _misses_possible(self) -> bool:
        """Whether some field is converted by units alone: that can be missed, too."""
        return any(
            field.derived for event in self.catalogue.events.values() for field in event.fields.values()
        )

    def table(self, name: str) -> LookupTable:
        """One look-up; ``NotFound`` where there is none."""
        table = self.tables.get(name)
        if table is None:
            known = ", ".join(sorted(self.tables)) or "none"
            raise NotFound(
                f"there is no look-up {name!r}", field="name", value=name, remedy=f"there are: {known}"
            )
        return table

    async def upload(self, name: str, rows: Sequence[Cells], manner: Manner) -> Changes:
        """Change a look-up and return once this process knows the new rows; nothing is done where the result has
        problems. ``NotFound`` for an unknown look-up, ``Conflict`` for one whose rows come from elsewhere,
        ``Unavailable`` where the log does not acknowledge.
        """
        table = self.table(name)
        if table.lookup.source is not LookupSource.API:
            where = "its file" if table.lookup.source is LookupSource.FILE else f"the topic {self._topic}"
            raise Conflict(
                f"the rows of {name!r} come from {where}",
                field="name",
                value=name,
                remedy="change them there, or write source: api in the catalogue",
            )
        async with self._uploading:
            _, end = (await self._log.ends(self._topic))[0]
            await self.known(end - 1)  # what others have just changed is changed already
            found = changes(self.readers[name], table, rows, manner, self._clock.now())
            if not found.problems:
                await self._write(name, found)
        return found

    def missing(self, name: str) -> dict[Missed, Tally]:
        """What one look-up has missed, in all processes."""
        return {missed: tally for missed, tally in self.misses.total().items() if missed.lookup == name}

    def mapped(self, missed: Missed, tally: Tally) -> bool:
        """Whether what was missed has a row by now."""
        table = self.tables.get(missed.lookup)
        if table is None:
            return False
        *head, unit, to = ("", *missed.key) if len(missed.key) < 2 else missed.key
        wanted = (missed.key, missed.key[:-1], (*head, to, unit))
        return any(table.find(key, tally.last) is not None for key in wanted if key)

    def missing_rates(self, kpi: Kpi, start: int, end: int) -> list[str]:
        """What could not be converted of what a KPI reads, by events in [start, end): "USD to EUR on 2024-05-04"."""
        lookups = rates_of(self.catalogue, kpi)
        found = [
            missed
            for missed, tally in self.misses.total().items()
            if missed.lookup in lookups and tally.first < end and tally.last >= start
        ]
        return [_pair(missed) for missed in sorted(found, key=lambda each: (each.day or "", each.key))]

    def _day(self, lookup: str, at: int) -> str:
        return self.readers[lookup].day(at)

    async def _publish(self, filed: Filed) -> None:
        """What the file says and the topic does not; what is no longer in the file goes."""
        name = filed.lookup.name
        found = Changes()
        if filed.lookup.file is not None:
            read = {(row.key, row.start): (line, row) for row, line in filed.rows}
            manner = Manner(whole=True, correct=True)
            found = compare(self.readers[name], self.tables[name], read, manner, self._clock.now())
        known = {alias: of for lookup, alias, of in self._told_aliases() if lookup == name}
        aliases = [
            self._record(["alias", name, alias], Said(name, self._tenant, alias=alias, of=of))
            for alias, of in filed.aliases.items()
            if known.get(alias) != of
        ]
        gone = [self._record(["alias", name, alias], None) for alias in known.keys() - filed.aliases.keys()]
        await self._write(name, found, [*aliases, *gone])

    def _told_aliases(self) -> list[tuple[str, str, str]]:
        return [
            (lookup, alias, self.tables[lookup].aliases.get(alias, ""))
            for lookup, alias in self._aliases.values()
        ]

    async def _write(self, name: str, found: Changes, more: Sequence[Append] = ()) -> None:
        """Append, and wait until it has come back."""
        reader = self.readers[name]
        places = {place: key for key, place in self._rows.items()}
        records = [Append(self._topic, 0, places[name, row.key, row.start], None) for row in found.removed]
        for row in found.put:
            cells: dict[str, Any] = {**reader.written(row)}
            said = Said(name, self._tenant, row={column: text for column, text in cells.items() if text})
            records.append(self._record(["row", name, *row.key, row.start], said))
        end = await self._append([*records, *more])
        await self.known(end)

    def _record(self, key: list[str | int], said: Said | None) -> Append:
        name = msgspec.json.encode([self._tenant, *key])
        return Append(self._topic, 0, name, None if said is None else msgspec.json.encode(said))

    async def _append(self, records: Sequence[Append]) -> int:
        """The offset of the last one; -1 where there is none."""
        last = -1
        for start in range(0, len(records), BATCH):
            last = (await self._log.append(records[start : start + BATCH]))[-1]
        return last

    async def known(self, offset: int) -> None:
        """Until the record at ``offset`` has been read; ``Unavailable`` where that takes too long."""
        try:
            async with asyncio.timeout(FOLLOWS_WITHIN_S):
                while self.position <= offset:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable(
                "the rows are in the log, but this process has not read them yet",
                remedy="look at GET /readyz?verbose; sending them again is safe",
            ) from None

    async def read_up(self) -> None:
        """Read what the topic holds now. ``start`` does it, and goes on."""
        first, end = (await self._log.ends(self._topic))[0]
        self.position = first
        if end > first:
            async for records in self._log.read(self._topic, {0: first}, follow=False):
                self._take(records)
        self.position = max(self.position, end)

    async def _following(self) -> None:
        """For ever; a log that is away is waited for."""
        while True:
            try:
                async for records in self._log.read(self._topic, {0: self.position}, follow=True):
                    self._take(records)
            except SightlineError as error:
                _log.warning("look-ups wait for the log", error=error.message)
                await asyncio.sleep(TELL_S)

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.offset >= self.position:
                self._apply(record)
                self.position = record.offset + 1
        self._moved.set()

    def _apply(self, record: Record) -> None:
        key = record.key or b""
        said: Said | None = None
        row: LookupRow | None = None
        try:
            said = None if record.value is None else _decode(record.value)
            row = self._row(said)
        except _GoneError:
            return
        except (msgspec.DecodeError, UnicodeDecodeError, WrongRowError) as error:
            self._drop(key)
            self._refuse(record.offset, said.lookup if said is not None else "", str(error))
            return
        self._drop(key)
        if said is None:
            return
        if row is not None:
            self.tables[said.lookup].put(row)
            self._rows[key] = (said.lookup, row.key, row.start)
        elif said.alias is not None and said.of is not None:
            self.tables[said.lookup].aliases[said.alias] = said.of
            self._aliases[key] = (said.lookup, said.alias)
        elif said.missing is not None and said.by != self._by:
            missed = Missed(said.lookup, tuple(said.missing), said.day)
            self.misses.others[key] = (missed, Tally(said.count, said.first, said.last, said.told))

    def _row(self, said: Said | None) -> LookupRow | None:
        """The row that is said, if one is. Raises ``WrongRowError``, or ``_GoneError`` where it is nobody's here."""
        if said is None:
            return None
        if said.tenant != self._tenant or (said.lookup not in self.tables and said.missing is None):
            raise _GoneError
        if said.row is None:
            return None
        cells = {name: None if value is None else _text(value) for name, value in said.row.items()}
        return self.readers[said.lookup].read(cells, strict=False)

    def _drop(self, key: bytes) -> None:
        """What the key said before."""
        if (place := self._rows.pop(key, None)) is not None:
            self.tables[place[0]].remove(*place[1:])
        if (alias := self._aliases.pop(key, None)) is not None:
            self.tables[alias[0]].aliases.pop(alias[1], None)
        self.misses.others.pop(key, None)

    def _refuse(self, offset: int, lookup: str, message: str) -> None:
        self.refusals += 1
        self.refused = [*self.refused[-REFUSED_SHOWN + 1 :], Refused(offset, lookup, message)]
        _log.warning("a look-up's record cannot be used", offset=offset, lookup=lookup, error=message)

    async def _telling(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            try:
                await self._tell()
            except SightlineError as error:
                _log.warning("misses not acknowledged", error=error.message)

    async def _tell(self) -> None:
        changed = self.misses.changed()
        records = [
            self._record(
                ["missing", self._by, one.lookup, one.day or "", *one.key],
                Said(
                    one.lookup,
                    self._tenant,
                    missing=list(one.key),
                    day=one.day,
                    by=self._by,
                    count=tally.count,
                    first=tally.first,
                    last=tally.last,
                    told=tally.told,
                ),
            )
            for one, tally in changed
        ]
        try:
            await self._append(records)
        except SightlineError:
            self.misses.again(changed)
            raise

    async def _forget(self) -> None:
        """What was missed long ago, by processes that may be gone."""
        horizon = self._clock.now() - KEPT_MS
        old = [key for key, (_, tally) in self.misses.others.items() if tally.told < horizon]
        await self._append([Append(self._topic, 0, key, None) for key in old])


def _pair(missed: Missed) -> str:
    if len(missed.key) < 2:
        return missed.key[0]
    *per, unit, to = missed.key
    about = f" of {', '.join(per)}" if per else ""
    return f"{unit} to {to}{about}{f' on {missed.day}' if missed.day else ''}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
