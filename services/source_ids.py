"""The ids of a source's events, as the log has them: what `sightline reconcile` compares a list with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import numpy as np

from services.domain.frames import Frame, Kind, decode
from services.domain.identity import hash64
from services.domain.watermark import FUTURE_MS
from services.domain.windows import Span
from services.ports import Log, Record
from services.topics import Topics

LIVE = "live"
ID = "id"


class SourceIds:
    """Reads partition after partition, record by record: memory is that of one batch of records."""

    def __init__(self, log: Log, topics: Topics) -> None:
        self._log = log
        self._topics = topics

    async def of(
        self, tenant: str, source: str, *, type_: str | None, day: Span | None, field: str = ID
    ) -> AsyncIterator[list[str]]:
        """The ids of the live run's events of ``source``, batch by batch; one that was posted twice comes twice.

        ``type_`` and ``day`` (of event time) leave others out; ``field`` is ``id`` or a field of ``data``.
        """
        topic = self._topics.events.name
        needle = hash64(source.encode()).to_bytes(8, "little")
        for partition, (first, _) in (await self._log.ends(topic)).items():
            start = first
            if day is not None:
                start = max(first, await self._log.offset_at(topic, partition, day.start - FUTURE_MS))
            async for records in self._log.read(topic, {partition: start}, follow=False):
                found = [
                    each
                    for frame in _frames([one for one in records if needle in (one.value or b"")], tenant)
                    for each in _ids(frame, source, type_, day, field)
                ]
                if found:
                    yield found
                await asyncio.sleep(0)  # others want to be served meanwhile


def _frames(records: list[Record], tenant: str) -> Iterator[Frame]:
    for record in records:
        with suppress(ValueError, KeyError, TypeError):
            frame = decode(record.value or b"")
            if (frame.head.tenant, frame.head.run, frame.head.kind) == (tenant, LIVE, Kind.EVENTS):
                yield frame


def _ids(frame: Frame, source: str, type_: str | None, day: Span | None, field: str) -> Iterator[str]:
    mine = hash64(source.encode())
    for block in frame.blocks:
        if not block.primary or type_ not in {None, block.type}:
            continue
        wanted = frame.hashes[block.source] == mine
        if day is not None:
            wanted &= (block.time >= day.start) & (block.time < day.end)
        for row in np.flatnonzero(wanted).tolist():
            event = json.loads(frame.event(block.first + row), parse_float=str, parse_int=str)
            value = event.get(ID) if field == ID else event.get("data", {}).get(field)
            if value is not None:
                yield str(value)
