"""The ids of a source's events, as the log has them: what `sightline reconcile` compares a list with.

They are those of facts that stand, as KPIs count them: not of what was withdrawn, reversed or superseded, of what
claims to come from the future, or of what a row says before a change.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from services.domain.batch import Batch, BlockRows, Interner
from services.domain.catalogue import CHANGED, FieldType
from services.domain.corrections import Corrections
from services.domain.frames import Block, Frame, Kind, decode
from services.domain.identity import hash64
from services.domain.program import Program
from services.domain.rows import NULL, Columns, Mask, Numbers, Places, Strings
from services.domain.watermark import FUTURE_MS
from services.domain.windows import Span
from services.ports import Log, Record
from services.sources import ID, LIVE
from services.topics import Topics


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The ``field`` of events of ``source`` (a hash), of one type and one day (None: of any)."""

    source: int
    type_: str | None
    day: Span | None
    field: str

    def has_type(self, name: str) -> bool:
        """Whether events of a type are wanted."""
        return self.type_ in {None, name}

    def on_day(self, time: Numbers) -> Mask:
        """Which of these times are."""
        if self.day is None:
            return np.ones(time.size, np.bool_)
        return (time >= self.day.start) & (time < self.day.end)

    def value(self, event: bytes) -> str | None:
        """What an event says in the field."""
        said = json.loads(event, parse_float=str, parse_int=str)
        value = said.get(ID) if self.field == ID else said.get("data", {}).get(self.field)
        return None if value is None else str(value)


class SourceIds:
    """Reads partition after partition, record by record: memory is that of one batch of records, and of what stands,
    where it changes or is corrected.
    """

    def __init__(self, log: Log, topics: Topics) -> None:
        self._log = log
        self._topics = topics

    async def of(
        self,
        tenant: str,
        source: str,
        program: Program,
        *,
        type_: str | None,
        day: Span | None,
        field: str = ID,
    ) -> AsyncIterator[list[str]]:
        """The ids of the live run's events of ``source``, batch by batch; one that was posted twice may come twice.

        ``program`` says which events correct others; ``type_`` and ``day`` (of event time) leave others out; ``field``
        is ``id`` or a field of ``data``.
        """
        wanted = _Wanted(hash64(source.encode()), type_, day, field)
        chosen = [event for name, event in program.catalogue.events.items() if wanted.has_type(name)]
        correctable = any(event.correctable is not None for event in chosen)
        # What happened on a day may have been said first, or be taken back, long before or after it.
        whole = day is None or correctable or any(event.images is not None for event in chosen)
        rows = _Rows(field)
        topic = self._topics.events.name
        needle = hash64(source.encode()).to_bytes(8, "little")
        for partition, (first, _) in (await self._log.ends(topic)).items():
            start = first
            if day is not None and not whole:
                start = max(first, await self._log.offset_at(topic, partition, day.start - FUTURE_MS))
            facts = _Facts(program, wanted) if correctable else None
            async for records in self._log.read(topic, {partition: start}, follow=False):
                # Another source may take back what this one said.
                near = records if facts else [one for one in records if needle in (one.value or b"")]
                frames = list(_frames(near, tenant))
                if facts is not None and frames:
                    facts.take(frames)
                found = [each for frame in frames for each in _ids(frame, wanted, rows, facts)]
                if found:
                    yield found
                await asyncio.sleep(0)  # others want to be served meanwhile
            if facts is not None and (standing := facts.standing()):
                yield standing
        if standing := list(rows.standing()):
            yield standing


class _Facts:
    """What stands of correctable events in one partition, as the ledgers that KPIs read tell it."""

    def __init__(self, program: Program, wanted: _Wanted) -> None:
        self._wanted = wanted
        strings = Strings()
        self._interner = Interner(strings)
        self._corrections = Corrections(strings)
        self._corrections.switch(replace(program, cubes=()))
        self._standing: dict[tuple[int, int], str] = {}

    def hold(self, block: Block) -> bool:
        """Whether these events are told here."""
        return self._corrections.hold(block.type, block.group.process)

    def take(self, frames: list[Frame]) -> None:
        """What some frames say, in the order of the log."""
        batch = Batch(frames, self._interner)
        ingest = np.array([frame.head.ingest for frame in frames])
        for group, rows in batch.rows(batch.said <= ingest[batch.frame] + FUTURE_MS):
            if self._corrections.concern(group.type):
                came = rows.of_frames(ingest)
                for event, found in self._corrections.update(
                    group.type, group.process, rows, came, primary=group.primary
                ):
                    if self._wanted.has_type(event):
                        self._keep(found.told, rows, frames)
        self._corrections.leave(int(ingest.max()))

    def standing(self) -> list[str]:
        """What each says that stands."""
        return list(self._standing.values())

    def _keep(self, told: Columns, rows: BlockRows, frames: list[Frame]) -> None:
        """What is told anew was said by one of ``rows``."""
        weights = np.ones(told.n, np.int64) if told.weight is None else told.weight
        identities, times = told.hash("identity").tolist(), told.number("time")
        entries = zip(identities, times.tolist(), strict=True)
        added = (weights > 0) & self._wanted.on_day(times)
        said = self._said(rows, frames) if added.any() else {}
        for entry, weight, new in zip(entries, weights.tolist(), added.tolist(), strict=True):
            if weight < 0:
                self._standing.pop(entry, None)
            elif new and (value := said.get(entry[0])) is not None:
                self._standing[entry] = value

    def _said(self, rows: BlockRows, frames: list[Frame]) -> dict[int, str | None]:
        """What the source's events say, by identity."""
        mine = np.flatnonzero(rows.hash("source") == np.uint64(self._wanted.source))
        numbers, places = rows.of_frames(np.arange(len(frames)))[mine], rows.places()[mine]
        identities = rows.hash("identity")[mine]
        return {
            identity: self._wanted.value(frames[number].event(place))
            for identity, number, place in zip(
                identities.tolist(), numbers.tolist(), places.tolist(), strict=True
            )
        }


class _Rows:
    """What stands in ``field`` (a string or an integer) of rows that change; each change counts once."""

    def __init__(self, field: str) -> None:
        self.field = field
        self._weights = Counter[str]()
        self._seen: set[tuple[int, int]] = set()

    def take(self, frame: Frame, block: Block, weight: int, at: Places) -> None:
        """The rows of a block, to be added or taken back."""
        identities = block.identity[at].tolist()
        for identity, value in zip(identities, self._values(frame, block, at), strict=True):
            if value is not None and (identity, weight) not in self._seen:
                self._seen.add((identity, weight))
                self._weights[value] += weight

    def standing(self) -> Iterator[str]:
        """Each value, as often as it stands."""
        return self._weights.elements()

    def _values(self, frame: Frame, block: Block, at: Places) -> list[str | None]:
        type_ = block.types.get(self.field)
        if type_ is FieldType.STRING:
            codes = block.column(self.field)[at].tolist()
            return [frame.string(code) if code >= 0 else None for code in codes]
        if type_ is FieldType.INTEGER:
            numbers = block.column(self.field)[at].tolist()
            return [str(number) if number != NULL else None for number in numbers]
        return [None] * at.size


def _frames(records: Sequence[Record], tenant: str) -> Iterator[Frame]:
    for record in records:
        with suppress(ValueError, KeyError, TypeError):
            frame = decode(record.value or b"")
            if (frame.head.tenant, frame.head.run, frame.head.kind) == (tenant, LIVE, Kind.EVENTS):
                yield frame


def _ids(frame: Frame, wanted: _Wanted, rows: _Rows, facts: _Facts | None) -> Iterator[str]:
    """Those of events that nobody corrects; what rows that change say goes to ``rows``."""
    for block in frame.blocks:
        if not wanted.has_type(block.type) or (facts is not None and facts.hold(block)):
            continue
        image = block.group.image
        said = block.time if image is None else block.column(CHANGED.name)
        chosen = (frame.hashes[block.source] == wanted.source) & wanted.on_day(block.time)
        chosen &= said <= frame.head.ingest + FUTURE_MS
        if image is not None and rows.field != ID:
            rows.take(frame, block, image.weight, np.flatnonzero(chosen))
            continue
        for row in np.flatnonzero(chosen).tolist() if block.primary else ():
            value = wanted.value(frame.event(block.first + row))
            if value is not None:
                yield value
