"""The life of one case, as its events in the log tell it.

All copies of a case's events are in one partition. Its records are searched for the case's hash as bytes, which costs
next to nothing; only frames that hold it are decoded. What the events come to (steps, attributes, due times) is told
by the same case table that the engine folds with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from services.catalogue.problems import did_you_mean
from services.domain.batch import Batch, Interner
from services.domain.case_events import CaseEvents
from services.domain.case_facts import case_fact
from services.domain.cases import CaseTable
from services.domain.catalogue import Field, FieldType
from services.domain.facts import CaseFact
from services.domain.frames import Frame, Kind, decode, is_begin, is_opening
from services.domain.identity import hash64, partition_of
from services.domain.lookups import Value
from services.domain.passages import fields_added
from services.domain.program import Program
from services.domain.rows import NULL, Mask, Strings
from services.errors import NotFound
from services.lookups.rows import text_of
from services.ports import Log, Record
from services.topics import Topics

MAX_RECORDS = 500_000
"""How far back it looks, in records of the partition: more than five days of a quiet one (a tick per second)."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One case: ``events`` are its canonical events (JSON) by event time, duplicates left out; ``derived`` what the
    intake added to each, by field, and what came along with one that reached the case via others (the event then says
    in ``via`` which); ``fact`` what they come to, None where none of them counts as a step.
    ``truncated``: older records were not searched.
    """

    events: Sequence[bytes]
    fact: CaseFact | None
    truncated: bool
    derived: Sequence[Mapping[str, Value]] = ()


class Timelines:
    """``programs`` gives the compiled catalogue of a run (``NotFound`` where there is no such run)."""

    def __init__(
        self,
        log: Log,
        topics: Topics,
        programs: Callable[[str, str], Awaitable[Program]],
        max_records: int = MAX_RECORDS,
    ) -> None:
        self._log = log
        self._topics = topics
        self._programs = programs
        self._max_records = max_records

    async def of(self, tenant: str, run: str, process: str, case: str, now: int) -> Timeline:
        """The case's timeline, and how it stands at ``now``, the run's engine time in epoch ms; ``NotFound`` where the
        process is unknown or the log holds no event of the case.
        """
        program = await self._programs(tenant, run)
        if process not in program.catalogue.processes:
            raise NotFound(
                f"there is no process {process!r}",
                field="process",
                value=process,
                remedy=did_you_mean(process, program.catalogue.processes),
            )
        frames, truncated = await self._search(tenant, run, process, case)
        timeline = _timeline(frames, program, process, case, now, truncated=truncated)
        if not timeline.events:
            searched = " among the newest records" if truncated else ""
            raise NotFound(
                f"the log holds no event of {process} {case!r} in run {run!r}{searched}",
                field="case",
                value=case,
                remedy="check the id's spelling; events leave the log after its retention",
            )
        return timeline

    async def _search(self, tenant: str, run: str, process: str, case: str) -> tuple[list[Frame], bool]:
        """The frames of the run's latest attempt that hold the case's id, and its openings, in log order."""
        topic = self._topics.events.name
        ends = await self._log.ends(topic)
        partition = partition_of(f"{process}\0{case}", len(ends))
        first, end = ends[partition]
        start = max(first, end - self._max_records)
        needle = hash64(case.encode()).to_bytes(8, "little")
        frames: list[Frame] = []
        attempt = 0
        async for records in self._log.read(topic, {partition: start}, follow=False):
            for frame in _holding(records, needle):
                head = frame.head
                if (head.tenant, head.run) != (tenant, run) or head.attempt < attempt:
                    continue
                if head.attempt > attempt:
                    attempt, frames = head.attempt, []
                if head.kind in {Kind.EVENTS, Kind.OPENING, Kind.PASSED}:
                    frames.append(frame)
            await asyncio.sleep(0)  # others want to be served while it looks
        return frames, start > first


def _holding(records: Sequence[Record], needle: bytes) -> Iterator[Frame]:
    """Decoded: what may hold the hash, the beginnings of runs, openings. What cannot be read was told by the engine."""
    for record in records:
        value = record.value
        if value is not None and (needle in value or is_begin(value) or is_opening(value)):
            with suppress(ValueError, KeyError, TypeError):
                yield decode(value)


def _timeline(
    frames: Sequence[Frame], program: Program, process: str, case: str, now: int, *, truncated: bool
) -> Timeline:
    key = hash64(case.encode())
    opened = [
        (frame.head.ingest, int(frame.meta["instant"]))
        for frame in frames
        if frame.head.kind is Kind.OPENING and frame.meta["process"] == process
    ]
    frames = [frame for frame in frames if frame.head.kind is not Kind.OPENING]
    strings = Strings()
    batch = Batch(frames, Interner(strings))
    events: list[tuple[int, int, bytes, Mapping[str, Value]]] = []
    keep = np.zeros(batch.n, np.bool_)
    for row in _told(batch, _mine(batch, process, key)):
        keep[row] = True
        frame, index = batch.origin(row)
        event, derived = frames[frame].event(index), _derived(frames[frame], index, program)
        events.append((int(batch.time[row]), int(batch.identity[row]), event, derived))
    table = CaseTable.of(program, process, strings)
    if opened:
        table.open_at(max(opened)[1])
    table.update(
        [CaseEvents(type_, rows.hash("key"), rows, rows.texts) for (type_, *_), rows in batch.rows(keep)]
    )
    table.now = now
    row = table.find(key)
    fact = case_fact(table, row) if row >= 0 else None
    told = sorted(events, key=lambda each: each[:2])
    return Timeline([event for _, _, event, _ in told], fact, truncated, [derived for *_, derived in told])


def _told(batch: Batch, mine: Mask) -> Iterator[int]:
    """The rows that count among the case's: each event once; of a copy that was passed on what was said last."""
    found: dict[int, tuple[int, int, bool]] = {}
    for row in batch.in_log_order[mine[batch.in_log_order]].tolist():
        identity, meta = int(batch.identity[row]), batch.frames[batch.origin(row)[0]].meta
        said = meta.get("version", -1), row, meta.get("withdrawn", False)
        if identity not in found or said[0] > found[identity][0]:
            found[identity] = said
    return (row for _, row, withdrawn in found.values() if not withdrawn)


def _derived(frame: Frame, index: int, program: Program) -> Mapping[str, Value]:
    """The fields that one event got on its way (derived ones, those of relations that it was passed along): texts as
    they are, numbers as they are written (``"12.50"``).
    """
    block = next(block for block in frame.blocks if block.first <= index < block.first + block.n)
    event = program.catalogue.events.get(block.type)
    found: dict[str, Value] = {}
    added = fields_added(program.catalogue, block.type)
    for field in event.fields.values() if event is not None else ():
        if (field.derived or field.name in added) and field.name in block.types:
            cell = int(block.columns[field.name][index - block.first])
            found[field.name] = _written(frame, field, cell)
    return found


def _written(frame: Frame, field: Field, cell: int) -> Value:
    if field.type is FieldType.STRING:
        return None if cell < 0 else frame.string(cell)
    if field.type is FieldType.BOOLEAN:
        return None if cell < 0 else bool(cell)
    return None if cell == NULL else text_of(field, cell)


def _mine(batch: Batch, process: str, key: int) -> Mask:
    """Which rows are the case's."""
    ours = [part.block.process == process for part in batch.parts]
    mine: Mask = batch.envelope.hashes == key
    return mine & np.repeat(np.array(ours, np.bool_), [part.n for part in batch.parts])
