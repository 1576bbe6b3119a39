"""What the embedded log keeps in memory of its partitions: where they begin and end, their newest records, who waits.

``Shards`` is shared by all threads behind one lock; nothing here touches the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from threading import Lock

from services.adapters.log.store import ShardRow
from services.errors import NotFound
from services.ports import Record, TopicSpec

Position = tuple[str, int]
"""Topic and partition."""


class Shard:
    """One partition of one topic. ``end`` is what readers see, ``written`` what the writer has given out."""

    __slots__ = ("end", "first", "fresh", "id", "kept", "partition", "spec", "tail", "waiters", "written")

    def __init__(self, row: ShardRow, spec: TopicSpec) -> None:
        self.id, self.partition, self.spec = row.id, row.partition, spec
        self.first, self.end, self.written = row.first, row.next, row.next
        self.kept, self.fresh = 0, row.next - row.first
        self.tail: deque[Record] = deque()
        self.waiters: set[asyncio.Future[None]] = set()


def _weight(record: Record) -> int:
    return 200 + len(record.key or b"") + len(record.value or b"")


def _since(tail: deque[Record], at: int) -> Iterable[Record]:
    """From place ``at`` on; walks from the nearer end, as who keeps up asks for the last few of many."""
    left = len(tail) - at
    return islice(tail, at, None) if at <= left else reversed([*islice(reversed(tail), left)])


def _wake(waiters: Iterable[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


class Shards:
    """All partitions, with the newest ``cache_bytes`` of records over all of them."""

    def __init__(self, cache_bytes: int) -> None:
        self._lock = Lock()
        self._topics: dict[str, list[Shard]] = {}
        self._budget = cache_bytes
        self._cached: deque[tuple[Shard, Record]] = deque()

    def add(self, spec: TopicSpec, rows: Sequence[ShardRow]) -> None:
        """Make a topic known."""
        with self._lock:
            self._topics[spec.name] = [
                Shard(row, spec) for row in sorted(rows, key=lambda row: row.partition)
            ]

    def topics(self) -> list[str]:
        """The names of all topics."""
        with self._lock:
            return list(self._topics)

    def of(self, topic: str) -> list[Shard]:
        """The partitions of a topic, in order; raises ``NotFound``."""
        shards = self._topics.get(topic)
        if shards is None:
            raise NotFound(f"there is no topic {topic!r}", field="topic", value=topic)
        return shards

    def at(self, topic: str, partition: int) -> Shard:
        """One partition; raises ``NotFound``."""
        shards = self.of(topic)
        if not 0 <= partition < len(shards):
            raise NotFound(
                f"topic {topic!r} has no partition {partition}", field="partition", value=partition
            )
        return shards[partition]

    def all(self) -> list[Shard]:
        """All partitions of all topics."""
        with self._lock:
            return [shard for shards in self._topics.values() for shard in shards]

    def publish(self, appended: Sequence[tuple[Shard, Record]]) -> None:
        """Show durable records, in the order in which they were written, and wake who waits for them."""
        waiting: set[asyncio.Future[None]] = set()
        with self._lock:
            for shard, record in appended:
                shard.end = record.offset + 1
                shard.fresh += 1
                shard.tail.append(record)
                self._budget -= _weight(record)
                waiting |= shard.waiters
                shard.waiters.clear()
            self._cached.extend(appended)
            self._evict()
        _notify(waiting)

    def undo(self) -> None:
        """The writer's transaction failed: offsets given out in it are free again."""
        for shard in self.all():
            shard.written = shard.end

    def forget(self, shard: Shard, first: int) -> None:
        """Records below ``first`` are gone."""
        with self._lock:
            shard.first = first
            while shard.tail and shard.tail[0].offset < first:
                shard.tail.popleft()

    def compacted(self, shard: Shard, kept: int, stop: int) -> None:
        """Below ``stop``, ``kept`` records remain: those in memory are no longer what is stored."""
        with self._lock:
            shard.kept, shard.fresh = kept, shard.end - stop
            shard.tail.clear()

    def recent(self, shard: Shard, offset: int, max_bytes: int, max_records: int) -> list[Record] | None:
        """Records from ``offset`` on if all of them are in memory; None if it takes the disk."""
        with self._lock:
            if offset >= shard.end:
                return []
            tail = shard.tail
            if not tail or offset < tail[0].offset:
                return None
            taken: list[Record] = []
            size = 0
            for record in _since(tail, offset - tail[0].offset):
                size += len(record.value or b"")
                if taken and (size > max_bytes or len(taken) >= max_records):
                    break
                taken.append(record)
            return taken

    async def wait(self, positions: Mapping[Position, int], timeout_ms: int) -> bool:
        """Wait until one of them has data at or after its offset."""
        shards = [(self.at(topic, partition), offset) for (topic, partition), offset in positions.items()]
        waiter = asyncio.get_running_loop().create_future()
        with self._lock:
            if _has_data(shards):
                return True
            for shard, _ in shards:
                shard.waiters.add(waiter)
        try:
            async with asyncio.timeout(
                timeout_ms / 1000
            ):  # wait_for would swallow a cancellation now and then
                await waiter
        except TimeoutError:
            return False
        finally:
            with self._lock:
                for shard, _ in shards:
                    shard.waiters.discard(waiter)
        return _has_data(shards)

    def wake_all(self) -> None:
        """The log closes: nobody needs to wait any longer."""
        with self._lock:
            waiting = {
                waiter for shards in self._topics.values() for shard in shards for waiter in shard.waiters
            }
        _notify(waiting)

    def _evict(self) -> None:
        while self._budget < 0 and self._cached:
            shard, record = self._cached.popleft()
            self._budget += _weight(record)
            # Trimming and compaction empty a tail out of turn; what they took waits for its turn here.
            if shard.tail and shard.tail[0] is record:
                shard.tail.popleft()


def _has_data(shards: Iterable[tuple[Shard, int]]) -> bool:
    return any(max(offset, shard.first) < shard.end for shard, offset in shards)


def _notify(waiting: set[asyncio.Future[None]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiting:
        by_loop.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, waiters in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_wake, waiters)
