"""The recorder: closed windows, notable cases, dead letters and the last values of imports go to SQL.

It reads its topics as one consumer group and commits after the database has: what comes twice changes nothing. It
runs beside everything else in one process, or alone; several share the partitions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from services.domain.facts import Amendments, CaseFacts, ClosedWindows, DeadLetter, KpiValues
from services.errors import Unavailable
from services.liveness import Mark
from services.ports import Cases, Clock, Consumer, DeadLetters, History, Log, Record, Runs
from services.records import decode
from services.topics import Topics

logger = logging.getLogger(__name__)

BATCH = 500
RETRY_S = 1.0


class _Glance(msgspec.Struct):
    """As much of a ``KpiValues`` as tells whether it is to be kept; the rest is skipped unread."""

    keyframe: bool
    complete: bool = False


class _Told(msgspec.Struct):
    """As much of a record of history as tells its kind."""

    sequence: int | None = None


_told = msgspec.msgpack.Decoder(_Told)
_glance = msgspec.msgpack.Decoder(_Glance)


@dataclass(slots=True)
class Batch:
    """What a read brought, by kind, in order."""

    closed: list[ClosedWindows] = field(default_factory=list)
    amended: list[Amendments] = field(default_factory=list)
    cases: list[CaseFacts] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    finals: list[KpiValues] = field(default_factory=list)
    unreadable: int = 0


@dataclass(slots=True)
class Recorded:
    """Totals since the start. ``behind_ms``: how old the last record was when it was read."""

    windows: int = 0
    amendments: int = 0
    cases: int = 0
    letters: int = 0
    unreadable: int = 0
    behind_ms: int = 0
    failing: str | None = None


def group_of(topics: Topics) -> str:
    """The consumer group that records."""
    return f"{topics.prefix}.recorder"


class Recorder:
    """``run`` is the task; ``recorded`` its figures."""

    def __init__(
        self,
        log: Log,
        topics: Topics,
        clock: Clock,
        *,
        history: History,
        cases: Cases,
        dead_letters: DeadLetters,
        runs: Runs,
    ) -> None:
        self._log = log
        self._topics = topics
        self._clock = clock
        self._history = history
        self._cases = cases
        self._dead_letters = dead_letters
        self._runs = runs
        self._attempts: dict[tuple[str, str], int] = {}
        self._voided: dict[tuple[str, str], int] = {}
        self.group = group_of(topics)
        self._inputs = [
            spec.name for spec in (topics.history, topics.cases, topics.dead_letters, topics.kpis)
        ]
        self.recorded = Recorded()
        self._read = 0

    async def run(self) -> None:
        """Record for ever; returns only by cancellation. A database that is away is waited for."""
        consumer = self._log.consumer(self.group, self._inputs)
        await consumer.start()
        try:
            while True:
                await self.step(consumer)
        finally:
            await consumer.stop()

    async def lag(self) -> int:
        """How many records of its topics no recorder has kept yet."""
        lags = [await self._log.lags(self.group, topic) for topic in self._inputs]
        return sum(lag for each in lags for lag in each.values())

    async def marks(self) -> Mapping[str, Mark]:
        """Whether it gets on, for ``services.liveness.watch``; one that waits for the database is not stuck."""
        return {"recorder": Mark(self._read, waits=self.recorded.failing is None and await self.lag() > 0)}

    async def step(self, consumer: Consumer, *, timeout_ms: int = 500) -> int:
        """Read, keep, commit once; returns how many records were read."""
        records = await consumer.getmany(timeout_ms=timeout_ms, max_records=BATCH)
        if records:
            await self._keep(self.sort(records))
            await consumer.commit()
            self._read += len(records)
            self.recorded.behind_ms = max(0, self._clock.now() - records[-1].timestamp)
        return len(records)

    def sort(self, records: Sequence[Record]) -> Batch:
        """Decode each by its topic; what cannot be read is counted and left."""
        batch = Batch()
        topics = self._topics
        for record in records:
            if record.value is None:
                continue
            try:
                if record.topic == topics.history.name:
                    if _told.decode(record.value).sequence is None:
                        batch.closed.append(decode(ClosedWindows, record.value))
                    else:
                        batch.amended.append(decode(Amendments, record.value))
                elif record.topic == topics.cases.name:
                    batch.cases.append(decode(CaseFacts, record.value))
                elif record.topic == topics.dead_letters.name:
                    batch.letters.append(decode(DeadLetter, record.value))
                elif (glance := _glance.decode(record.value)).keyframe and glance.complete:
                    batch.finals.append(decode(KpiValues, record.value))
            except msgspec.DecodeError as error:
                batch.unreadable += 1
                logger.warning("%s/%d@%d: %s", record.topic, record.partition, record.offset, error)
        return batch

    async def _keep(self, batch: Batch) -> None:
        while True:
            try:
                await self._write(batch)
            except Unavailable as error:
                if self.recorded.failing is None:
                    logger.warning("the recorder waits: %s", error)
                self.recorded.failing = error.message
                await asyncio.sleep(RETRY_S)
            else:
                self.recorded.failing = None
                return

    async def _write(self, batch: Batch) -> None:
        for closed in batch.closed:
            if closed.begin:
                await self._begin(closed)
        windows = [each for each in batch.closed if await self._current(each)]
        amended = [each for each in batch.amended if await self._current(each)]
        cases = [each for each in batch.cases if await self._current(each)]
        await self._history.record(windows, amended)
        await self._cases.replace(cases)
        await self._dead_letters.add(batch.letters)
        await self._runs.keep_final([each for each in batch.finals if await self._current(each)])
        total = self.recorded
        total.windows += sum(len(each.windows) for each in windows)
        total.amendments += sum(len(each.amendments) for each in amended)
        total.cases += sum(len(each.cases) for each in cases)
        total.letters += len(batch.letters)
        total.unreadable += batch.unreadable

    async def _begin(self, closed: ClosedWindows) -> None:
        """A run's new attempt: what earlier ones said of its cases goes (``History.record`` sees to windows).

        Every partition tells of it; once is enough.
        """
        key = (closed.tenant, closed.run)
        if await self._current(closed) and self._voided.get(key) != closed.attempt:
            await self._cases.void(*key, closed.attempt)
            self._voided[key] = closed.attempt

    async def _current(self, told: ClosedWindows | Amendments | CaseFacts | KpiValues) -> bool:
        """Whether it comes from the run's latest attempt, as far as known."""
        key = (told.tenant, told.run)
        if key not in self._attempts:
            run = await self._runs.get(*key)
            self._attempts[key] = told.attempt if run is None else run.attempt
        self._attempts[key] = max(self._attempts[key], told.attempt)
        return told.attempt == self._attempts[key]
