"""A consumer group of the embedded log. It has one member: there is one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from services.adapters.log.shards import Position
from services.ports import Record

if TYPE_CHECKING:
    from services.adapters.log.embedded import EmbeddedLog


class EmbeddedConsumer:
    """A ``services.ports.Consumer`` that owns all partitions of its topics."""

    def __init__(self, log: EmbeddedLog, group: str, topics: Sequence[str]) -> None:
        self._log, self._group, self._topics = log, group, topics
        self._positions: dict[Position, int] = {}
        self._moved: set[Position] = set()
        self._joined = False

    async def start(self) -> None:
        self._log.join(self._group)
        self._joined = True
        for topic in self._topics:
            for partition in await self._log.ends(topic):
                self._positions[topic, partition] = self._log.committed(self._group, topic, partition) or 0

    async def stop(self) -> None:
        if self._joined:
            self._log.leave(self._group)
        self._joined = False

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Sequence[Record]:
        if records := await self._take(max_records):
            return records
        await self._log.wait_for_data(self._positions, timeout_ms)
        return await self._take(max_records)

    async def commit(self) -> None:
        offsets = {position: self._positions[position] for position in self._moved}
        self._moved.clear()
        if offsets:
            await asyncio.wrap_future(self._log.commit_nowait(self._group, offsets))

    async def _take(self, max_records: int) -> list[Record]:
        taken: list[Record] = []
        for position in list(self._positions):
            if len(taken) >= max_records:
                break
            if records := await self._log.batch(
                position, self._positions[position], max_records - len(taken)
            ):
                taken += records
                # Who was served goes last, so that a busy partition does not starve the others.
                self._positions.pop(position)
                self._positions[position] = records[-1].offset + 1
                self._moved.add(position)
        return taken
