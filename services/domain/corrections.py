"""Corrections on their way: which ledgers a run keeps, and what events of correctable types say to them.

A ledger belongs to an event type as one process sees it (none: process ""), because copies of one event live in the
partitions of their cases. Nothing here costs anything for other event types.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.batch import BlockRows
from services.domain.case_events import CaseEvents
from services.domain.catalogue import Agg, Correctable, EventType, Field, FieldType, Reverses, Time
from services.domain.ledger import FINAL, FIRST, LAST_RANK, Kept, Ledger, PassedLedger, Said
from services.domain.named_ledger import NamedLedger
from services.domain.program import EventFeed, Filter, Program
from services.domain.rows import NULL, Columns, Hashes, Mask, Numbers, Places, Rows, Strings, hash_numbers
from services.domain.snapshots import prefixed, under
from services.domain.texts import Packed
from services.domain.times import retimed

Key = tuple[str, str]

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True)
class Corrected:
    """What came of events of one type and process: rows to be told, and what the cases of the process hear.

    ``heard`` are those of the events that count now, ``gone`` those that no longer do, ``standing`` all that still
    do of the cases of the latter. ``beyond`` are row numbers to be listed.
    """

    told: Columns
    heard: CaseEvents
    gone: CaseEvents
    standing: CaseEvents
    duplicates: int
    corrections: int
    beyond: NDArray[np.intp]


class _Copies(NamedTuple):
    """Events of one type as one process sees them, when each came, and the case that each concerns."""

    rows: BlockRows
    came: Numbers
    cases: Hashes
    primary: bool


class Corrections:
    """The ledgers of one run in one partition."""

    def __init__(self, strings: Strings) -> None:
        self._strings = strings
        self._program: Program | None = None
        self._ledgers: dict[Key, Ledger] = {}

    def __len__(self) -> int:
        return sum(map(len, self._ledgers.values()))

    def switch(self, program: Program) -> None:
        """Go on under another catalogue. Entries stay; of columns that they did not keep they know nothing."""
        self._program = program
        events = program.catalogue.events
        kept = {
            (name, process): kept_columns(program, name, process)
            for name, event in events.items()
            if event.correctable is not None or event.passed is not None
            for process in processes_of(program, name)
        }
        before, self._ledgers = self._ledgers, {}
        for key, columns in kept.items():
            event = events[key[0]]
            ledger = PassedLedger if event.passed else NamedLedger if event.by_id else Ledger
            self._ledgers[key] = ledger(columns, self._strings, _horizon(events[key[0]]))
            if key in before:
                self._ledgers[key].adopt(before[key])

    def told(self) -> Iterator[tuple[str, Columns]]:
        """(event type, all that is told of it now): what a new measure starts from."""
        for (event, _), ledger in self._ledgers.items():
            yield event, ledger.told()

    def concern(self, event: str) -> bool:
        """Whether events of this type correct, are corrected or reverse others."""
        if self._program is None or not self._ledgers:
            return False
        type_ = self._program.catalogue.events.get(event)
        return type_ is not None and (type_.correctable is not None or type_.reverses is not None)

    def hold(self, event: str, process: str) -> bool:
        """Whether events of this type are told by a ledger, and not as they come."""
        return (event, process) in self._ledgers

    def update(
        self, event: str, process: str, rows: BlockRows, came: Numbers, *, primary: bool
    ) -> Iterator[tuple[str, Corrected]]:
        """(correctable type, what came of it) for what rows of type ``event`` say; ``came``: engine time per row."""
        if self._program is None:
            return
        type_ = self._program.catalogue.events[event]
        cases = rows.hash("key") if process else np.zeros(rows.n, np.uint64)
        copies = _Copies(rows, came, cases, primary)
        if type_.correctable is not None and (event, process) in self._ledgers:
            yield event, self._take(event, process, self._said(type_, process, type_.correctable, copies))
        if type_.reverses is not None and (type_.reverses.event, process) in self._ledgers:
            yield (
                type_.reverses.event,
                self._take(type_.reverses.event, process, _reversal(type_.reverses, copies)),
            )

    def hear(self, event: str, process: str, said: Said[BlockRows]) -> Corrected:
        """What came of copies that others passed on, of which ``copies_said`` said this."""
        return self._take(event, process, said)

    def leave(self, now: int) -> None:
        """Let go of what is beyond its horizon; where the log says so."""
        for ledger in self._ledgers.values():
            ledger.leave(now)

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything, for ``load``."""
        arrays: dict[str, NDArray[Any]] = {}
        for (event, process), ledger in self._ledgers.items():
            arrays |= prefixed(f"{event} {process}", ledger.arrays())
        return {}, arrays

    def load(self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: ARG002  # as every part
        """Become what ``arrays()`` gave under the same catalogue, or under one of which this is a part."""
        for (event, process), ledger in self._ledgers.items():
            if held := under(f"{event} {process}", arrays):
                ledger.load(held)

    def _take(self, event: str, process: str, said: Said[BlockRows]) -> Corrected:
        change = self._ledgers[event, process].update(said)
        rows = said.rows
        return Corrected(
            change.told,
            CaseEvents(event, rows.hash("key"), rows, rows.texts, change.heard),
            _case_events(event, change.gone),
            _case_events(event, change.standing),
            change.duplicates,
            change.corrections,
            change.beyond,
        )

    def _said(self, type_: EventType, process: str, how: Correctable, copies: _Copies) -> Said[BlockRows]:
        rows = copies.rows
        if how.key is None:
            keys, version, withdrawn = _by_id(rows)
        else:
            keys = rows.hash(how.key)
            version = _versions(rows, how.version)
            withdrawn = self._withdrawn(type_, rows)
        rank = np.where(withdrawn, np.uint64(LAST_RANK), content(rows, type_.fields))
        times = {
            time: retimed(rows, type_, time, lambda: copies.came).time
            for time in self._ledgers[type_.name, process].times
        }
        return Said(rows, keys, version, rank, withdrawn, copies.came, copies.cases, copies.primary, times)

    def _withdrawn(self, type_: EventType, rows: BlockRows) -> Mask:
        chosen: Filter | None = self._program.withdrawals.get(type_.name) if self._program else None
        return np.zeros(rows.n, np.bool_) if chosen is None else chosen.mask(rows)


def processes_of(program: Program, event: str) -> tuple[str, ...]:
    """The processes that events of this type are copied to, and "": some may name no case."""
    if (passed := program.catalogue.events[event].passed) is not None:
        return (passed.process,) if passed.process in program.catalogue.processes else ()
    objects = program.catalogue.events[event].objects
    return (*(name for name, one in program.catalogue.processes.items() if one.object in objects), "")


def kept_columns(program: Program, event: str, process: str) -> Kept:
    """What an entry keeps: what measures of the events and steps of the process read."""
    fields = {field.name: field for field in program.catalogue.events[event].columns}
    read: dict[str, set[str]] = {"numbers": set(), "codes": set(), "flags": set(), "hashes": set()}
    times: set[Time] = set()

    def keep(names: frozenset[str] | tuple[str, ...]) -> None:
        for name in names:
            read[_form(fields.get(name))].add(name)

    for cube in program.cubes:
        for measure in cube.measures:
            if isinstance(measure.feed, EventFeed) and measure.feed.event == event:
                times |= {measure.feed.time} - {Time.OCCURRED}
                read["codes"] |= set(cube.dimensions)
                keep(measure.filter.fields if measure.filter else ())
                if measure.field is not None:
                    read["hashes" if measure.agg is Agg.DISTINCT else "numbers"].add(measure.field)
    if (known := program.catalogue.processes.get(process)) is not None:
        for step in known.steps:
            if step.event == event:
                chosen = program.step_filters.get((process, step.name))
                keep(chosen.fields if chosen else ())
                keep(known.fields_of(step.name))
    forms = {form: frozenset(names) for form, names in read.items()}
    return Kept(**forms, times=frozenset(times))


def content(rows: Rows, fields: Iterable[str]) -> Hashes:
    """A hash of what each row says: when, and in these fields."""
    mixed = hash_numbers(rows.number("time"))
    for name in fields:
        mixed = (mixed ^ rows.hash(name)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    return np.minimum(mixed, np.uint64(LAST_RANK - 1))


def _form(field: Field | None) -> str:
    if field is None or field.type is FieldType.STRING:
        return "codes"
    return "flags" if field.type is FieldType.BOOLEAN else "numbers"


def _by_id(rows: BlockRows) -> tuple[Hashes, Numbers, Mask]:
    """Keys are identities: that of the event which is named, or an event's own. A correction is as new as it was
    recorded (else: as what it says happened), and newer than what it corrects.
    """
    root, recorded = rows.hash("~root"), rows.number("~recorded")
    withdrawn = rows.flag("~cancels") == 1
    said = np.where(recorded == NULL, rows.number("time"), recorded)
    version = np.where(withdrawn, FINAL, np.where(root == rows.hash("identity"), FIRST, said))
    return root, version, withdrawn


def _versions(rows: BlockRows, field: str | None) -> Numbers:
    if field is None:
        return rows.number("time")
    found = rows.number(field)
    return np.where(found == NULL, FIRST, found)


def _reversal(how: Reverses, copies: _Copies) -> Said[BlockRows]:
    rows = copies.rows
    version = np.full(rows.n, FINAL)
    if how.version is not None:
        said = rows.number(how.version)
        version = np.where(said == NULL, FINAL, said)
    rank = np.full(rows.n, LAST_RANK, np.uint64)
    everything = np.ones(rows.n, np.bool_)
    return Said(
        rows, rows.hash(how.key), version, rank, everything, copies.came, copies.cases, copies.primary
    )


def copies_said(rows: BlockRows, came: Numbers, version: Numbers, withdrawn: Mask) -> Said[BlockRows]:
    """Of each copy that was passed on the highest ``version`` stands, or is ``withdrawn``."""
    rank = np.where(withdrawn, np.uint64(LAST_RANK), hash_numbers(rows.number("time")) >> np.uint64(1))
    keys, cases = rows.hash("identity"), rows.hash("key")
    return Said(rows, keys, version, rank, withdrawn, came, cases, primary=False)


def _case_events(event: str, rows: Columns) -> CaseEvents:
    return CaseEvents(event, rows.hash("case"), rows, _no_texts)


def _no_texts(name: str, at: Places) -> Packed:  # noqa: ARG001  # the cases are known
    """Rows of a ledger belong to cases that have their names already."""
    return Packed.of([b""] * at.size)


def _horizon(event: EventType) -> int:
    if event.passed is not None:
        return event.passed.relation.horizon_ms
    return (event.correctable or Correctable()).horizon_ms
