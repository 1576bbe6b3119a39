"""The loop that OBSERVE and JUDGE share: takes records from Faust, folds them, sends what follows, snapshots.

A record is folded only if its offset is applied + 1; what is below is a replay, what is above a gap, healed
by a seek. Emissions go out at once when it is quiet and every ``flush_ms`` when it is not. A partition's
snapshot is complete after all that was said before it has been acknowledged; then the input is committed up
to it. Partitions take turns; one with little to fold waits a little for more, once it has had its turn. CPU work
comes in slices of about 50 ms under load, so that the loop stays responsive.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, thread_time, time
from typing import Any, cast

from faust import Stream
from faust.types import TP, AppT, StreamT

from services import records
from services.domain.facts import Amendments, CaseFacts, ClosedWindows, DeadLetter, KpiValues
from services.domain.state import Emission, State
from services.errors import Unavailable
from services.health import PartitionHealth
from services.ports import Log
from services.settings import Processing
from services.snapshots import Key, choose, digest, manifest, new_generation
from services.topics import Topics
from stream_processors.partition import UNKNOWN, Copy, Offer, Partition
from stream_processors.sending import Sender
from stream_processors.tables import SnapshotTable
from stream_processors.transports.seeking import Helping, SeekingConsumer

_log = logging.getLogger(__name__)

_SLICE, _LONGEST_SLICE, _SLICES = 0.05, 0.2, 8
"""CPU (s) per call. A call costs some 8 ms, however little there is to fold: short calls would be all overhead. What
waits is folded in so many calls, where that makes them neither shorter than the one nor longer than the other.
"""
_FOLD_SHARE, _LONGEST_FOLD_WAIT = 2, 0.25
_LEAST_BUDGET, _MOST_BUDGET = 32 << 10, 8 << 20
_MOST_QUEUED = 32 << 20
_TURNS = 10
"""How often the event loop goes round after a call while more waits: what the log has delivered needs several rounds to
get here, and the thread that fetches needs the interpreter. With one, fetches came only once everything was folded.
"""
_FLUSH_SHARE = 3
_CATCHING_UP, _FAR_BEHIND = 0.5, 2.0
"""How much longer (s) a partition stays silent while more waits to be folded, here or by the processor beside it: as
long as that takes, but at least the one and at most the other. What JUDGE says while OBSERVE catches up is old when it
is read.
"""
_CHUNKS_UNDER_WAY = 8
_LONGEST_SEEK_WAIT = 8.0
SLOWEST_SNAPSHOT = 6
_WATCH_EVERY, _KICK_AFTER = 10.0, 30.0


class Driver:
    """Runs the states of the partitions of one input topic.

    ``factory`` makes an empty state. ``heals`` says what happens, besides an alarm, when the log has lost
    records that a state needs: a processor whose input repeats itself (JUDGE: partials are cumulative) goes
    on after them; for any other that partition stands still. ``beside`` are the drivers of this process.
    """

    def __init__(
        self,
        name: str,
        app: AppT,
        *,
        topic: str,
        topics: Topics,
        table: SnapshotTable,
        factory: Callable[[int], State],
        cadence: Processing,
        sender: Sender,
        log: Log,
        heals: bool,
    ) -> None:
        self.name = name
        self.topic = topic
        self.recovering = True
        self._app = app
        self._names = {key: getattr(topics, key).name for key in _EMITTED}
        self._table = table
        self._factory = factory
        self._cadence = cadence
        self._sender = sender
        self._source = log
        self._heals = heals
        self.beside: Sequence[Driver] = (self,)
        self._partitions: dict[int, Partition] = {}
        self._budget = 256 << 10
        self._pace = self._budget / _SLICE
        self._queued = 0
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._lock = asyncio.Lock()
        self._turns = itertools.count()
        self._snapshotting: asyncio.Task[None] | None = None
        self._watch_due = 0.0

    # What Faust calls.

    async def consume(self, stream: StreamT[Helping]) -> None:
        """The body of the agent: hand each record over. Nothing is acked; commits follow snapshots."""
        unacked = cast("Stream[Helping]", stream).noack()
        async for event in unacked.events():
            await self.take(event.message.partition, event.value)

    async def take(self, partition: int, helping: Helping) -> None:
        """Take the records that follow on what is there; waits while too many bytes are queued."""
        owned = self._partitions.get(partition)
        if owned is None or self.recovering:
            return
        for offset, value in helping:
            if owned.offer(offset, value) is Offer.TAKEN:
                self._queued += len(value)
        self._wake.set()
        while self._queued > _MOST_QUEUED and not self.recovering:
            self._room.clear()
            await self._room.wait()

    async def revoked(self) -> None:
        """A rebalance begins: say what is still unsaid, drop what waits, keep the states."""
        self.recovering = True
        self._forget_queues()
        await self._stop_snapshot()
        async with self._lock:
            for partition in self._partitions.values():
                while partition.dirty:
                    await self._flush(partition)
        await self._sender.barrier()

    def assigned(self, partitions: set[int]) -> None:
        """Drop the states of partitions that did not remain."""
        self._partitions = {n: partition for n, partition in self._partitions.items() if n in partitions}

    async def recovered(self, partitions: set[int]) -> None:
        """The changelog has been read: restore the states, tell everything, go on."""
        ends = await self._ends()
        for number in sorted(partitions):
            partition = self._partitions.get(number) or Partition(number, self._factory(number))
            self._restore(partition, self._table.store.take(number))
            partition.again = ends[number][1] if number in ends else UNKNOWN
            partition.watched_from = monotonic()
            partition.snapshot_at = partition.snapshot_at or partition.watched_from
            self._partitions[number] = partition
            await asyncio.sleep(0)
        self._forget_queues()
        self.recovering = False
        self._wake.set()

    @property
    def behind(self) -> float:
        """How much CPU (s) it takes to fold what waits, at the pace of the last call; 0 where nothing waits."""
        return self._queued / self._pace

    def positions(self) -> Mapping[TP, int]:
        """What each state needs next."""
        return {TP(self.topic, n): partition.expected for n, partition in self._partitions.items()}

    # The loop.

    async def run(self) -> None:
        """Work for ever; whatever it raises must end the process."""
        while True:
            async with self._lock:
                progressed = not self.recovering and await self._fold_round()
                await self._flush_round()
                await self._watch()
                await self._heal()
                await self._maybe_snapshot()
            if not progressed:
                await self._pause()

    async def snapshot(self) -> None:
        """Snapshot every state now: whoever starts next has nothing to fold again."""
        async with self._lock:
            if self._snapshotting is not None:
                await self._snapshotting
            for partition in self._partitions.values():
                if partition.state.applied > partition.snapshot:
                    await (await self._begin_snapshot(partition))

    async def stop(self) -> None:
        """Say what is still unsaid; no snapshot, a restart folds again what came after the last one."""
        await self.revoked()

    async def _fold_round(self) -> bool:
        progressed = False
        for partition in self._in_turn():
            if self.recovering:
                break
            if self._ready(partition, monotonic()) and (batch := partition.slice(self._budget)):
                await self._fold(partition, batch)
                progressed = True
                for _ in range(_TURNS if self._queued else 1):
                    await asyncio.sleep(0)
        return progressed

    def _ready(self, partition: Partition, now: float) -> bool:
        return partition.ready(self._budget, now, crowded=self._queued * 4 >= _MOST_QUEUED * 3)

    async def _fold(self, partition: Partition, batch: list[tuple[int, bytes]]) -> None:
        size = sum(len(value) for _, value in batch)
        started = (
            thread_time()
        )  # by the wall clock, a busy machine would make calls short, and so more of them
        try:
            partition.fold(batch, monotonic())
        except Exception as error:  # noqa: BLE001  # whatever it is, one record must not end all folding
            where = f"{self.topic}, partition {partition.number}, offsets {batch[0][0]} to {batch[-1][0]}"
            error.add_note(where)
            partition.suspect(batch, error)
            _log.exception("%s could not be folded", where)
            self._queued -= size
            await self._start_over(partition)
            return
        took = max(thread_time() - started, 1e-6)
        self._pace, self._queued = size / took, self._queued - size
        wait = min(_FOLD_SHARE * took * len(self._partitions), _LONGEST_FOLD_WAIT)
        partition.fold_due = monotonic() + wait
        slice_ = min(max(self.behind / _SLICES, _SLICE), _LONGEST_SLICE)
        if took > slice_ or size * 2 > self._budget:
            wanted = int(self._budget * min(2.0, slice_ / took))
            self._budget = min(max(wanted, _LEAST_BUDGET), _MOST_BUDGET)
        self._room.set()

    async def _start_over(self, partition: Partition) -> None:
        """A fold that raised may have done half of its work: back to the last snapshot, and fold again from there."""
        await self._stop_snapshot()
        found: dict[bytes, bytes] = {}
        changelog = self._table.changelog_topic_name
        async for records_ in self._source.read(changelog, {partition.number: 0}, follow=False):
            for record in records_:
                if record.key is not None and record.value is not None:
                    found[record.key] = record.value
                elif record.key is not None:
                    found.pop(record.key, None)
        self._queued -= partition.queued
        partition.again = UNKNOWN
        partition.state = self._factory(partition.number)
        self._restore(partition, found)
        partition.gap, partition.seek_due = True, 0.0
        self._room.set()

    def _restore(self, partition: Partition, found: dict[bytes, bytes]) -> None:
        partition.restore(found, choose(found), lambda: self._factory(partition.number))
        if partition.unreadable is not None:
            where = f"{self.topic}, partition {partition.number}"
            _log.warning("%s: %s; folding from the log instead", where, partition.unreadable)

    async def _flush_round(self) -> None:
        behind = max(driver.behind for driver in self.beside)
        wait = min(max(behind, _CATCHING_UP), _FAR_BEHIND) if behind else 0.0
        for partition in list(self._partitions.values()):
            if partition.dirty and not self.recovering and monotonic() >= partition.flush_due + wait:
                await self._flush(partition)

    async def _flush(self, partition: Partition) -> None:
        """Send what has changed; the next time comes so much later that all emitting costs a third at most."""
        if not partition.dirty:
            return
        started = monotonic()
        emissions = self._emit(partition)
        spent = monotonic() - started
        partition.flush_due = started + max(
            self._cadence.flush_ms / 1000, _FLUSH_SHARE * spent * len(self._partitions)
        )
        await self._send(emissions)

    def _emit(self, partition: Partition) -> list[Emission]:
        """What has changed. A state may keep back what is too much for one call, so it is asked until it is done."""
        emissions = partition.state.emit(everything=partition.whole())
        partition.dirty = bool(emissions)
        return emissions

    async def _send(self, emissions: list[Emission]) -> None:
        for emission in emissions:
            await self._sender.send(self._names[emission.topic], emission.partition, _payload(emission.value))

    async def _watch(self) -> None:
        """Look at the log by another client: a consumer can stall and say nothing. Then a seek may help."""
        now = monotonic()
        if self.recovering or now < self._watch_due:
            return
        self._watch_due = now + _WATCH_EVERY
        for number, (_, end) in (await self._ends()).items():
            if (partition := self._partitions.get(number)) is None:
                continue
            partition.end = end
            partition.again = end if partition.again == UNKNOWN else partition.again
            partition.gap |= partition.stalled(now) > _KICK_AFTER

    async def _heal(self) -> None:
        """Seek back to what is missing, rarer each time; where the log has it no longer, say so."""
        now = monotonic()
        gaps = [p for p in self._partitions.values() if p.gap and not p.queue and now >= p.seek_due]
        if not gaps or self.recovering:
            return
        ends = await self._ends()
        for partition in gaps:
            if partition.number not in ends:
                continue
            partition.seek_due = now + partition.seek_wait
            partition.seek_wait = min(2 * partition.seek_wait, _LONGEST_SEEK_WAIT)
            partition.gap = False
            partition.seeks += 1
            if (first := ends[partition.number][0]) > partition.expected:
                await self._lost(partition, first)
            await self._consumer.go_to({TP(self.topic, partition.number): partition.expected})

    async def _ends(self) -> dict[int, tuple[int, int]]:
        """Where the log begins and ends; nothing while the broker is away: a send that fails ends the process."""
        try:
            return await self._source.ends(self.topic)
        except Unavailable as error:
            _log.warning("%s: %s", self.name, error)
            return {}

    async def _lost(self, partition: Partition, first: int) -> None:
        """The log begins after what the state needs: an alarm; on only where the input repeats itself."""
        if partition.lost is None:
            since = partition.snapshot_time
            partition.lost = (
                f"{self.topic}, partition {partition.number}: the state needs offset {partition.expected}, "
                f"the log begins at {first}; lost is what came "
                f"{'from the beginning' if since is None else f'from {_instant(since)}'} "
                f"to {_instant(await self._time_of(partition.number, first))}"
                f"{'' if partition.unreadable is None else f' ({partition.unreadable})'}"
            )
            _log.error("%s: the log has lost records: %s", self.name, partition.lost)
        if self._heals:
            partition.floor = first

    async def _time_of(self, partition: int, offset: int) -> int | None:
        """When the first record from ``offset`` on was appended, epoch ms; None where none can be had."""
        with suppress(Unavailable):
            async for records_ in self._source.read(self.topic, {partition: offset}, follow=False):
                for record in records_:
                    return record.timestamp
        return None

    async def _pause(self) -> None:
        """Wait for a record, or for what is due next."""
        self._wake.clear()
        now = monotonic()
        due = [now + 1.0]
        waiting = [] if self.recovering else [p for p in self._partitions.values() if p.queue]
        if any(self._ready(p, now) for p in waiting):
            return
        due += [p.fold_due for p in waiting]
        due += [p.flush_due for p in self._partitions.values() if p.dirty]
        due += [p.seek_due for p in self._partitions.values() if p.gap]
        try:
            async with asyncio.timeout(max(min(due) - now, 0.001)):
                await self._wake.wait()
        except TimeoutError:
            pass

    # Snapshots.

    async def _maybe_snapshot(self) -> None:
        if self.recovering or (self._snapshotting is not None and not self._snapshotting.done()):
            return
        if self._snapshotting is not None:
            self._snapshotting.result()
            self._snapshotting = None
        now = monotonic()
        due = next((partition for partition in self._in_turn() if self._snapshot_due(partition, now)), None)
        if due is None:
            return
        self._snapshotting = asyncio.ensure_future(await self._begin_snapshot(due))
        self._snapshotting.add_done_callback(lambda _: self._wake.set())

    async def _begin_snapshot(self, partition: Partition) -> Coroutine[Any, Any, None]:
        """Take a copy, now; what is returned writes it."""
        emissions = self._emit(partition)
        copy = Copy.of(partition.state)
        partition.snapshot_at, partition.folded = monotonic(), 0
        await self._send(emissions)
        return self._snapshot(partition, copy, self._sender.outstanding())

    def _snapshot_due(self, partition: Partition, now: float) -> bool:
        """A snapshot only saves folding again: seldom when little came, never twice for the same offset."""
        if partition.state.applied <= partition.snapshot or partition.snapshot_at is None:
            return False
        age = (now - partition.snapshot_at) * 1000 / self._cadence.snapshot_ms
        worth = partition.folded * 4 >= partition.snapshot_bytes
        many = partition.folded >= self._cadence.snapshot_bytes
        return many or age >= (1 if worth else SLOWEST_SNAPSHOT)

    async def _snapshot(self, partition: Partition, copy: Copy, said: list[asyncio.Future[Any]]) -> None:
        """Chunks; when they and all that was ``said`` before are acknowledged, the manifest.

        Then the snapshot before goes, and the input is committed.
        """
        generation, taken = new_generation(), round(time() * 1000)
        keys: list[bytes] = []
        digests: list[str] = []
        size = 0
        for chunk in copy.chunks:
            keys.append(Key(partition.number, generation, len(keys)).pack())
            partition.garbage.add(keys[-1])
            digests.append(digest(chunk))
            size += len(chunk)
            said.append(self._write(keys[-1], chunk))
            if len(keys) % _CHUNKS_UNDER_WAY == 0:
                await self._sender.barrier(said)
                said = []
            await asyncio.sleep(0)
        await self._sender.barrier(said)
        keys.append(Key.manifest(partition.number, generation).pack())
        await self._sender.barrier([self._write(keys[-1], manifest(copy.applied, taken, digests))])
        partition.snapshot, partition.snapshot_bytes = copy.applied, size
        partition.snapshot_time = taken
        await self._replace(partition, frozenset(keys))
        await self._consumer.commit_positions({TP(self.topic, partition.number): copy.applied + 1})

    async def _replace(self, partition: Partition, keys: frozenset[bytes]) -> None:
        """Tombstones for all that the new snapshot makes superfluous."""
        old = (partition.garbage | partition.current) - keys
        partition.current, partition.garbage = keys, set(old)
        await self._sender.barrier([self._write(key, None) for key in sorted(old)])
        partition.garbage -= old

    def _write(self, key: bytes, value: bytes | None) -> asyncio.Future[Any]:
        future = self._table.write(key, value)
        self._sender.track(future)
        return future

    async def _stop_snapshot(self) -> None:
        task, self._snapshotting = self._snapshotting, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    # Small helpers.

    def health(self) -> list[PartitionHealth]:
        """All partitions that this process has."""
        now = monotonic()
        return [self._health(partition, now) for _, partition in sorted(self._partitions.items())]

    def _health(self, partition: Partition, now: float) -> PartitionHealth:
        applied = partition.state.applied
        seen = self._consumer.highwater(TP(self.topic, partition.number)) or 0
        end = max(seen, partition.end, applied + 1)
        return PartitionHealth(
            processor=self.name,
            partition=partition.number,
            applied=applied,
            end=end,
            lag=max(end - applied - 1, 0),
            progress_age=None if partition.progress_at is None else now - partition.progress_at,
            snapshot=partition.snapshot,
            snapshot_age=None if partition.snapshot_at is None else now - partition.snapshot_at,
            records=partition.records,
            replayed=partition.replayed,
            seeks=partition.seeks,
            refused=len(partition.refused),
            gap=partition.lost,
            unsaid=partition.dirty or bool(self._sender.outstanding()),
        )

    @property
    def _consumer(self) -> SeekingConsumer:
        return cast("SeekingConsumer", self._app.consumer)

    def _in_turn(self) -> list[Partition]:
        """All partitions, beginning with another one each time."""
        ordered = list(self._partitions.values())
        start = next(self._turns) % max(len(ordered), 1)
        return ordered[start:] + ordered[:start]

    def _forget_queues(self) -> None:
        for partition in self._partitions.values():
            partition.forget_queue()
        self._queued = 0
        self._room.set()


def _instant(ms: int | None) -> str:
    return "now" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


_EMITTED = ("events", "judging", "kpis", "history", "cases", "dead_letters")


def _payload(value: bytes | KpiValues | ClosedWindows | Amendments | CaseFacts | DeadLetter) -> bytes:
    return value if isinstance(value, bytes) else records.encode(value)
