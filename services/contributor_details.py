"""What is known of those that make a number: of events their JSON, of cases their steps, attributes and due times.

It is read for the rows of one page only: cases from the tables that were folded, and from the log where they have left
these; events from the pieces of the log that they came in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from services.domain.batch import Batch, Interner
from services.domain.case_columns import LONG_AGO
from services.domain.case_events import CaseEvents
from services.domain.case_facts import facts_of
from services.domain.cases import CaseTable
from services.domain.catalogue import EventType, Process
from services.domain.contributors import RowArray
from services.domain.facts import CaseFact, Scope
from services.domain.frames import Frame, decode
from services.domain.links import CASE_NAME, filled
from services.domain.program import Program
from services.domain.rows import Strings
from services.ports import Log, Record
from services.refolding import PIECE, Folded


class Counted(NamedTuple):
    """When a row counts, its number in the unit of the list, and its scope."""

    time: int
    number: float | None
    scope: Scope


@dataclass(frozen=True, slots=True)
class Contributor:
    """One event or case. ``id``: the event's or the case's; ``type``: the event type or process; ``time``: when it
    counts. ``number`` is its own in the unit of the list; ``event`` its JSON, ``data`` the fields in it (of a changed
    row, as it is after the change); ``case`` what is known of it.
    """

    id: str
    type: str
    time: int
    number: float | None
    scope: Scope
    link: str | None
    event: bytes | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    case: CaseFact | None = None


class Details:
    """Reads ``topic``, that of the events."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic

    async def of_events(
        self, event_type: EventType, page: RowArray, counted: Iterable[Counted]
    ) -> list[Contributor]:
        """The rows of ``page`` as events."""
        found = await self._events(page)
        identities = page["identity"].tolist()
        return [
            _of_event(event_type, found.get(identity), one)
            for identity, one in zip(identities, counted, strict=True)
        ]

    async def of_cases(
        self,
        folded: Folded,
        program: Program,
        process: str,
        page: RowArray,
        *,
        counted: Iterable[Counted],
    ) -> list[Contributor]:
        """The rows of ``page`` as cases of ``process``."""
        known = program.catalogue.processes[process]
        found = await self._facts(folded, program, known, page)
        keys = page["case"].tolist()
        return [_of_case(known, found.get(key), key, one) for key, one in zip(keys, counted, strict=True)]

    async def _events(self, page: RowArray) -> dict[int, bytes]:
        """The events of rows, by identity, from the pieces of the log that they came in."""
        wanted = {int(identity) for identity in page["identity"]}
        places = {(int(row["partition"]), int(row["place"])) for row in page}
        if not places:
            return {}
        offsets: dict[int, int] = {}
        last: dict[int, int] = {}
        for partition, place in places:
            offsets[partition] = min(place, offsets.get(partition, place))
            last[partition] = max(place + PIECE, last.get(partition, 0))
        found: dict[int, bytes] = {}
        open_ = set(offsets)
        async for records in self._log.read(self._topic, offsets, follow=False):
            for record in records:
                if record.offset >= last[record.partition]:
                    open_.discard(record.partition)
                elif (record.partition, record.offset // PIECE * PIECE) in places:
                    for identity, event in _events_of(record):
                        if identity in wanted:
                            found.setdefault(identity, event)
            if not open_ or len(found) == len(wanted):
                break
        return found

    async def _facts(
        self, folded: Folded, program: Program, process: Process, page: RowArray
    ) -> dict[int, CaseFact]:
        """What is known of the cases of rows, by their hash: as their tables hold them, else as the log tells them."""
        found: dict[int, CaseFact] = {}
        for partition in set(page["partition"].tolist()):
            table = folded.cases(partition, process.name)
            keys = set(page["case"][page["partition"] == partition].tolist())
            if table is not None:
                found |= _facts(table, keys)
        left = set(page["case"].tolist()) - found.keys()
        if left:
            found |= await self._told(folded, program, process, left)
        return found

    async def _told(
        self, folded: Folded, program: Program, process: Process, keys: set[int]
    ) -> dict[int, CaseFact]:
        """Cases that have left their tables, from all their events in the log."""
        wanted = np.array(sorted(keys), np.uint64)
        frames: list[Frame] = []
        async for records in self._log.read(self._topic, folded.starts, follow=False):
            for record in records:
                frame = _frame(record)
                if frame is None or (frame.head.tenant, frame.head.run) != folded.key:
                    continue
                if np.isin(frame.hashes, wanted).any():
                    frames.append(frame)
        strings = Strings()
        batch = Batch(frames, Interner(strings))
        table = CaseTable.of(program, process.name, strings)
        table.update(
            [
                CaseEvents(type_, rows.hash("key"), rows, rows.texts)
                for (type_, name, *_), rows in batch.rows(None)
                if name == process.name
            ]
        )
        return _facts(table, keys)


def _events_of(record: Record) -> Iterable[tuple[int, bytes]]:
    """The primary events of a record, by identity."""
    frame = _frame(record)
    for block in frame.blocks if frame is not None else ():
        if block.primary:
            for index, identity in enumerate(block.identity.tolist()):
                yield identity, frame.event(block.first + index) if frame is not None else b""


def _frame(record: Record) -> Frame | None:
    """None for what is none: the engine has told of it."""
    try:
        return decode(record.value or b"")
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _facts(table: CaseTable, keys: Iterable[int]) -> dict[int, CaseFact]:
    """By hash, of those that the table holds."""
    rows = {key: row for key in keys if (row := table.find(key)) >= 0}
    facts = zip(rows, facts_of(table, list(rows.values())), strict=True)
    return {key: fact for key, fact in facts if fact.last != LONG_AGO}


def _of_event(event_type: EventType, event: bytes | None, counted: Counted) -> Contributor:
    said: dict[str, Any] = json.loads(event) if event is not None else {}
    data: Mapping[str, Any] = said.get("data") or {}
    if (images := event_type.images) is not None:
        data = data.get(images.after) or data.get(images.before) or {}
    link = filled(event_type.link, {**said, **data})
    return Contributor(str(said.get("id", "")), event_type.name, *counted, link, event, data)


def _of_case(process: Process, fact: CaseFact | None, key: int, counted: Counted) -> Contributor:
    if fact is None:  # the log no longer says what it is called
        return Contributor(f"#{key:016x}", process.name, *counted, None)
    link = filled(process.link, {**fact.attributes, CASE_NAME: fact.case})
    return Contributor(fact.case, process.name, *counted, link, case=fact)
