"""The ids of a source's events, as the log has them: what `sightline reconcile` compares a list with.

Of rows that change it is those that stand: what a row says before a change is no longer there.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import numpy as np

from services.domain.catalogue import FieldType
from services.domain.frames import Block, Frame, Kind, decode
from services.domain.identity import hash64
from services.domain.rows import NULL, Places
from services.domain.watermark import FUTURE_MS
from services.domain.windows import Span
from services.ports import Log, Record
from services.topics import Topics

LIVE = "live"
ID = "id"


class SourceIds:
    """Reads partition after partition, record by record: memory is that of one batch of records, and of the rows that
    stand, where they change.
    """

    def __init__(self, log: Log, topics: Topics) -> None:
        self._log = log
        self._topics = topics

    async def of(
        self,
        tenant: str,
        source: str,
        *,
        type_: str | None,
        day: Span | None,
        field: str = ID,
        changing: bool = False,
    ) -> AsyncIterator[list[str]]:
        """The ids of the live run's events of ``source``, batch by batch; one that was posted twice comes twice.

        ``type_`` and ``day`` (of event time) leave others out; ``field`` is ``id`` or a field of ``data``.
        ``changing``: some are of rows that change, which may have been created long before their day.
        """
        rows = _Rows(field)
        topic = self._topics.events.name
        needle = hash64(source.encode()).to_bytes(8, "little")
        for partition, (first, _) in (await self._log.ends(topic)).items():
            start = first
            if day is not None and not changing:
                start = max(first, await self._log.offset_at(topic, partition, day.start - FUTURE_MS))
            async for records in self._log.read(topic, {partition: start}, follow=False):
                found = [
                    each
                    for frame in _frames([one for one in records if needle in (one.value or b"")], tenant)
                    for each in _ids(frame, source, type_, day, rows)
                ]
                if found:
                    yield found
                await asyncio.sleep(0)  # others want to be served meanwhile
        if standing := list(rows.standing()):
            yield standing


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


def _frames(records: list[Record], tenant: str) -> Iterator[Frame]:
    for record in records:
        with suppress(ValueError, KeyError, TypeError):
            frame = decode(record.value or b"")
            if (frame.head.tenant, frame.head.run, frame.head.kind) == (tenant, LIVE, Kind.EVENTS):
                yield frame


def _ids(frame: Frame, source: str, type_: str | None, day: Span | None, rows: _Rows) -> Iterator[str]:
    """Those of events; what rows that change say goes to ``rows``."""
    mine = hash64(source.encode())
    for block in frame.blocks:
        if type_ not in {None, block.type}:
            continue
        wanted = frame.hashes[block.source] == mine
        if day is not None:
            wanted &= (block.time >= day.start) & (block.time < day.end)
        if block.group.image is not None and rows.field != ID:
            rows.take(frame, block, block.group.image.weight, np.flatnonzero(wanted))
            continue
        for row in np.flatnonzero(wanted).tolist() if block.primary else ():
            event = json.loads(frame.event(block.first + row), parse_float=str, parse_int=str)
            value = event.get(ID) if rows.field == ID else event.get("data", {}).get(rows.field)
            if value is not None:
                yield str(value)
