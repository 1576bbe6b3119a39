"""What Sightline needs from the world, as Protocols; the contract of each method stands here, once.

Adapters implement these without repeating the prose; ``tests/contract`` holds one suite per port that runs over
every adapter. Times are epoch milliseconds, UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Clock(Protocol):
    """The only source of the present. Nothing that decides numbers reads it: the intake stamps frames with it."""

    def now(self) -> int:
        """Epoch milliseconds, UTC; never smaller than a value returned before."""
        ...


class Cleanup(StrEnum):
    """What a topic forgets."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is created, and what an existing one is checked against.

    ``retention_ms`` is None for a compacted topic.
    """

    name: str
    partitions: int
    cleanup: Cleanup = Cleanup.DELETE
    retention_ms: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read from the log. ``timestamp`` is when it was appended (epoch ms, UTC)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Append:
    """One record to append; ``value`` None is a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Log(Protocol):
    """A durable, partitioned log: Kafka or the embedded one. Safe to use from one event loop."""

    async def start(self) -> None:
        """Open it. Raises ``Unavailable`` (cannot be reached) or ``Conflict`` (the embedded log has a writer)."""
        ...

    async def stop(self) -> None:
        """Close it; waits for appends under way. Safe to call twice."""
        ...

    @property
    async def epoch(self) -> str:
        """The identity of this life of the log (Kafka: the cluster id); offsets compare only within it."""
        ...

    async def ensure(self, topics: Sequence[TopicSpec]) -> None:
        """Create missing topics; raise ``Conflict`` naming each difference of an existing one and the remedy."""
        ...

    async def append(self, records: Sequence[Append]) -> list[int]:
        """Append all; return their offsets, in order, once all are acknowledged.

        An acknowledged record survives SIGKILL and power loss. Raises ``TooLarge`` before anything is written
        when a value exceeds 1 MiB less headers, ``Unavailable`` when no acknowledgement came (the records may or
        may not be there: consumers recognise duplicates). Records of one partition keep their order.
        """
        ...

    async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """For each partition the (first offset kept, next offset to be written)."""
        ...

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        """The first offset appended at or after ``timestamp``; the end where there is none."""
        ...

    def read(
        self, topic: str, offsets: Mapping[int, int], *, follow: bool
    ) -> AsyncIterator[Sequence[Record]]:
        """Read the partitions named from the offsets given, in batches, each partition in order.

        With ``follow`` it waits for more for ever; without, it ends where the log ended when called. An offset
        below what is kept starts at the first kept one. No consumer group, nothing is committed.
        """
        ...

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """A member of ``group``; a new group starts at the beginning."""
        ...


class Consumer(Protocol):
    """A group member that reads in batches and commits what was done with."""

    async def start(self) -> None:
        """Join."""
        ...

    async def stop(self) -> None:
        """Leave; what was not committed comes again."""
        ...

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Sequence[Record]:
        """What has come since, at most ``max_records``; empty after ``timeout_ms`` without any."""
        ...

    async def commit(self) -> None:
        """All that ``getmany`` returned is done with. Durable when this returns."""
        ...


class LocalLog(Log, Protocol):
    """A log that lives in this process: what its Faust transport needs beyond ``Log``.

    Every method below is thread-safe and may be called from any thread and any event loop.
    """

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has; 0 when there is no such topic."""
        ...

    def topics(self) -> Sequence[str]:
        """The names of all topics."""
        ...

    def append_nowait(self, records: Sequence[Append]) -> Future[list[int]]:
        """Queue all for the next group commit; the future gives their offsets once they are durable.

        Records queued first are written first, whatever the thread. Raises as ``append`` does.
        """
        ...

    def first(self, topic: str, partition: int) -> int:
        """The first offset kept."""
        ...

    def end(self, topic: str, partition: int) -> int:
        """The next offset to be written; all below it is durable."""
        ...

    def fetch(self, topic: str, partition: int, offset: int, max_bytes: int) -> Sequence[Record]:
        """Records from ``offset`` on, in order: at least one if there is any, then up to ``max_bytes`` of values.

        Never waits for appends. Recent records come from memory; older ones block for a read from disk.
        Compaction leaves gaps: the next position is the last record's offset + 1.
        """
        ...

    async def wait_for_data(self, positions: Mapping[tuple[str, int], int], timeout_ms: int) -> bool:
        """Wait until one of the (topic, partition) → offset has data at or after its offset; False on time-out."""
        ...

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        """The offset that the group reads next; None when it never committed."""
        ...

    def commit_nowait(self, group: str, offsets: Mapping[tuple[str, int], int]) -> Future[None]:
        """Store what the group reads next, per (topic, partition); the future ends once that is durable."""
        ...

    def protect(self, topic: str, partition: int, offset: int, owner: str) -> Future[None]:
        """``owner`` still needs ``offset`` and all after it: trimming stops there, also after a restart.

        A later call by the same owner moves its mark. Offsets committed by groups protect in the same way.
        """
        ...

    def release(self, owner: str) -> Future[None]:
        """Forget all that ``owner`` (a protector or a group) needs; its committed offsets go too."""
        ...
