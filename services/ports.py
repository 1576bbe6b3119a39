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

from services.domain.facts import (
    Amendments,
    CaseFacts,
    ClosedWindow,
    ClosedWindows,
    DeadLetter,
    KpiValues,
    Scope,
)
from services.domain.stored import (
    ApiKey,
    CaseCounts,
    CaseQuery,
    Page,
    RunRecord,
    StoredCase,
    StoredDeadLetter,
)

MAX_RECORD_BYTES = (1 << 20) - 1_024
"""Key and value of one record together: what fits into a Kafka batch of 1 MiB."""


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
    """One record to append; ``value`` None is a tombstone, which needs a key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Appender(Protocol):
    """The end of a log that takes records."""

    async def append(self, records: Sequence[Append]) -> list[int]:
        """See ``Log.append``."""
        ...


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

    async def cleanup(self, topic: str) -> Cleanup:
        """How it is cleaned up; one that is compacted and deleted is compacted. ``NotFound`` for an unknown one."""
        ...

    async def append(self, records: Sequence[Append]) -> list[int]:
        """Append all; return their offsets, in order, once all are acknowledged.

        An acknowledged record survives SIGKILL and power loss. Raises ``TooLarge`` before anything is written
        when a record exceeds ``MAX_RECORD_BYTES``, ``NotFound`` when there is no such topic or partition,
        ``Unavailable`` when no acknowledgement came (the records may or may not be there: consumers recognise
        duplicates). Records of one partition keep their order.
        """
        ...

    async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """For each partition the (first offset kept, next offset to be written)."""
        ...

    async def lags(self, group: str, topic: str) -> dict[int, int]:
        """For each partition how many records the group has not committed yet."""
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


class Runs(Protocol):
    """Which runs there are."""

    async def begin(self, run: RunRecord) -> None:
        """A run's new attempt; replaces what was said of it before. An older attempt changes nothing."""
        ...

    async def end(
        self, tenant: str, run: str, attempt: int, ended: int, report: Mapping[str, object]
    ) -> None:
        """That attempt is complete; nothing where another attempt has begun."""
        ...

    async def get(self, tenant: str, run: str) -> RunRecord | None:
        """One run."""
        ...

    async def list(self, tenant: str) -> Sequence[RunRecord]:
        """All runs, latest first."""
        ...

    async def keep_final(self, values: Sequence[KpiValues]) -> None:
        """Keep the last keyframe of each judge partition of a completed run (idempotent; newer attempts win)."""
        ...

    async def finals(self) -> Sequence[KpiValues]:
        """What ``keep_final`` kept, of every run."""
        ...


class History(Protocol):
    """Closed windows with their mergeable state, by (tenant, run, KPI, its version, scope, start); what amends them."""

    async def record(self, closed: Sequence[ClosedWindows], amended: Sequence[Amendments] = ()) -> None:
        """Keep them all, in one transaction.

        Idempotent: a window replaces a kept one only with a greater (attempt, version), an amendment that is known by
        (attempt, partition, sequence, what it amends) changes nothing. A record that says ``begin`` voids the windows
        of the run's earlier attempts, and what amended them, first.
        """
        ...

    async def windows(
        self,
        tenant: str,
        run: str,
        kpi: str,
        *,
        start: int | None = None,
        end: int | None = None,
        scope: Scope | None = None,
        version: str | None = None,
    ) -> Sequence[ClosedWindow]:
        """The windows of a KPI that start in [start, end) at scopes that contain ``scope``, by start, then scope; after
        them, in the same order, what amends them or stands alone: as windows without a value, to be merged by state.

        None leaves a bound out.
        """
        ...


class Cases(Protocol):
    """The projection of notable cases that one can ask for; it lags the engine by a few seconds."""

    async def replace(self, facts: Sequence[CaseFacts]) -> None:
        """For each (tenant, run, partition, process), in order: what is said replaces all that was said before,
        unless that came from a later attempt.
        """
        ...

    async def void(self, tenant: str, run: str, attempt: int) -> None:
        """Forget what attempts before ``attempt`` said of the run."""
        ...

    async def find(
        self, tenant: str, run: str, query: CaseQuery, *, limit: int, cursor: str | None = None
    ) -> Page[StoredCase]:
        """The most urgent first: by earliest unmet due time (without one: last), then process and case.

        Raises ``InvalidInput`` for a cursor that none of these pages gave.
        """
        ...

    async def get(self, tenant: str, run: str, process: str, case: str) -> StoredCase | None:
        """One case, if it is a notable one."""
        ...

    async def counts(self, tenant: str, run: str) -> Sequence[CaseCounts]:
        """Per process, summed over partitions, by name."""
        ...


class DeadLetters(Protocol):
    """What was refused, until it is replayed or forgotten."""

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them; one that is known by id changes nothing."""
        ...

    async def find(
        self, tenant: str, *, limit: int, cursor: str | None = None, code: str | None = None
    ) -> Page[StoredDeadLetter]:
        """Latest first, those with ``code`` where given."""
        ...

    async def get(self, tenant: str, letter: str) -> StoredDeadLetter | None:
        """One, by id."""
        ...

    async def replayed(self, tenant: str, letter: str, at: int) -> None:
        """It was posted again and accepted."""
        ...

    async def count(self, tenant: str) -> int:
        """How many were not replayed."""
        ...


class ApiKeys(Protocol):
    """API keys, as hashes."""

    async def add(self, key: ApiKey) -> None:
        """Keep a new one."""
        ...

    async def list(self, tenant: str) -> Sequence[ApiKey]:
        """All, revoked ones too, oldest first."""
        ...

    async def revoke(self, tenant: str, key: str, at: int) -> None:
        """It is refused from now on; ``NotFound`` where there is none."""
        ...
