"""The embedded log as a Faust transport: everything in this process, one member, all partitions.

``register`` makes a ``LocalLog`` reachable as ``sightline-embedded://NAME``.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, ClassVar, cast

from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport import base
from faust.transport.producer import Producer as BaseProducer
from faust.types import TP, ConsumerMessage, RecordMetadata

from services.ports import Append, LocalLog, Record
from stream_processors.transports.seeking import SeekingConsumer

_BYTES_PER_PARTITION = 1 << 20
_BYTES_PER_FETCH = 8 << 20
_CREATE_TIME = 0

_logs: dict[str, LocalLog] = {}


def register(name: str, log: LocalLog) -> str:
    """Make ``log`` known under ``name``; returns the URL that a Faust app reaches it by."""
    _logs[name] = log
    return f"sightline-embedded://{name}"


def unregister(name: str) -> None:
    """Forget it."""
    _logs.pop(name, None)


class Consumer(SeekingConsumer):
    """The only member of its group: it gets every partition of what it subscribes to, once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._log = cast("Transport", self.transport).log
        self._positions: dict[TP, int] = {}
        self._assigned: set[TP] = set()
        self._generations = itertools.count(1)
        self._turn = 0
        self._nap: asyncio.Future[bool] | None = None

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Take all partitions. Assignment happens in a task: Faust awaits the end of ``subscribe`` in it."""
        assigned = {TP(name, number) for name in topics for number in range(self._log.partitions(name))}
        self.add_future(self._assign(assigned))

    async def _assign(self, assigned: set[TP]) -> None:
        self.app.on_rebalance_start()
        await self.on_partitions_revoked(set(self._assigned))
        self._assigned = assigned
        actives: dict[str, list[int]] = {}
        for tp in sorted(assigned):
            actives.setdefault(tp.topic, []).append(tp.partition)
        # Faust sets this when the leader of a group answers; there is none here.
        assignor = cast("PartitionAssignor", self.app.assignor)
        assignor._assignment = ClientAssignment(actives=actives, standbys={})  # noqa: SLF001  # see above
        generation = next(self._generations)
        self.app.consumer_generation_id = generation
        await self.on_partitions_assigned(assigned, generation)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Record]]:  # noqa: ASYNC109  # Faust's signature
        active = sorted(self._assigned if active_partitions is None else active_partitions & self._assigned)
        if not self.flow_active or not active:
            return {}
        found = self._fetch(active)
        if not found:
            wanted = {(tp.topic, tp.partition): self._position(tp) for tp in active}
            self._nap = asyncio.ensure_future(self._log.wait_for_data(wanted, int(timeout * 1000)))
            await self.wait_first(asyncio.wait([self._nap]))
            self._wake()
        return found

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Read from these again, at once."""
        super().resume_partitions(tps)
        self._wake()

    def _wake(self) -> None:
        """What is wanted has changed: do not go on waiting for something else."""
        if self._nap is not None:
            self._nap.cancel()
            self._nap = None

    def _fetch(self, active: list[TP]) -> dict[TP, list[Record]]:
        """Something of each partition, beginning with another one each time, up to a bound."""
        self._turn += 1
        start = self._turn % len(active)
        found: dict[TP, list[Record]] = {}
        room = _BYTES_PER_FETCH
        for tp in active[start:] + active[:start]:
            position = self._position(tp)
            if room <= 0 or self._log.end(*tp) <= position:
                continue
            records = list(self._log.fetch(tp.topic, tp.partition, position, _BYTES_PER_PARTITION))
            if records:
                found[tp] = records
                self._positions[tp] = records[-1].offset + 1
                room -= sum(len(record.value or b"") for record in records)
        return found

    def _single(self, tp: TP, record: Record) -> ConsumerMessage:
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp / 1000.0,
            _CREATE_TIME,
            None,
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _position(self, tp: TP) -> int:
        return max(self._positions.get(tp, 0), self._log.first(*tp))

    async def perform_seek(self) -> None:
        """Go to where the states are, and have the log keep what they need from the first moment on."""
        await super().perform_seek()
        await self.commit_positions(self.positions())

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Go to what was committed, else to the beginning."""
        group = self.app.conf.id
        for tp in self._assigned:
            if tp.topic not in self.app.tables.changelog_topics:
                self._positions[tp] = self._log.committed(group, *tp) or 0
        return {tp: self._position(tp) for tp in self._assigned}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seek."""
        self._positions.update(partitions)
        self._wake()

    async def _seek(self, partition: TP, offset: int) -> None:
        self._positions[partition] = offset

    async def seek_to_beginning(self, *partitions: TP) -> None:
        """To the first offset kept."""
        self._positions.update({tp: self._log.first(*tp) for tp in partitions})

    async def position(self, tp: TP) -> int | None:
        """The offset to be read next."""
        return self._position(tp)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        marks = {(tp.topic, tp.partition): offset for tp, offset in offsets.items()}
        if marks:
            await asyncio.wrap_future(self._log.commit_nowait(self.app.conf.id, marks))
        return True

    def assignment(self) -> set[TP]:
        """All partitions of all topics subscribed to."""
        return self._assigned

    def highwater(self, tp: TP) -> int:
        """The next offset to be written."""
        return self._log.end(*tp)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """The next offset to be written, of each."""
        return {tp: self._log.end(*tp) for tp in partitions}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offset kept, of each."""
        return {tp: self._log.first(*tp) for tp in partitions}

    def topic_partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None for an unknown one."""
        return self._log.partitions(topic) or None

    def key_partition(
        self,
        topic: str,  # noqa: ARG002  # Faust's signature
        key: bytes | None,  # noqa: ARG002  # Faust's signature
        partition: int | None = None,
    ) -> int | None:
        """Every sender of ours names the partition."""
        return partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are created by ``Log.ensure``, never by Faust."""

    async def on_stop(self) -> None:
        """Nothing to wait for: what was not committed comes again."""
        self._wake()


class Producer(BaseProducer):
    """Appends to the embedded log; acknowledged once durable."""

    async def send(  # noqa: PLR0917  # Faust's signature
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,  # noqa: ARG002  # the log stamps its records
        headers: Any,  # noqa: ARG002  # ours have none
        *,
        transactional_id: str | None = None,  # noqa: ARG002  # no transactions here
    ) -> Awaitable[RecordMetadata]:
        """Queue one record; the result ends when it is durable. ``partition`` must be given."""
        if partition is None:
            raise ValueError(f"no partition was named for a record of {topic}")
        log = cast("Transport", self.transport).log
        stored = log.append_nowait([Append(topic, partition, key, value)])
        return asyncio.ensure_future(_metadata(TP(topic, partition), asyncio.wrap_future(stored)))

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> RecordMetadata:
        """Queue one record and wait until it is durable."""
        return await (await self.send(*args, **kwargs))

    async def flush(self) -> None:
        """Hand over what Faust has buffered; each sender waits for its own acknowledgements."""
        await self.buffer.flush()

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        """Topics are created by ``Log.ensure``, never by Faust."""

    def key_partition(self, topic: str, key: bytes) -> TP:  # noqa: ARG002  # Faust's signature
        """Never asked: every sender of ours names the partition."""
        return TP(topic, 0)


async def _metadata(tp: TP, stored: asyncio.Future[list[int]]) -> RecordMetadata:
    return RecordMetadata(tp.topic, tp.partition, tp, (await stored)[0])


class Transport(base.Transport):
    """``sightline-embedded://NAME``."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer

    driver_version = "sightline-embedded"

    @property
    def log(self) -> LocalLog:
        """The log registered under the URL's name."""
        return _logs[self.url[0].host or ""]
