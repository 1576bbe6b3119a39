"""The embedded log: durable, partitioned, in one SQLite file of one process.

A writer thread groups concurrent appends into one commit (write-ahead log, ``synchronous=FULL``); readers have
connections of their own and find what is recent in memory. A commit wakes who waits for its records.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from sqlite3 import Connection, DatabaseError
from threading import Lock, local
from typing import TypeVar

from services.adapters.log import retention
from services.adapters.log.lock import FileLock
from services.adapters.log.member import EmbeddedConsumer
from services.adapters.log.shards import Position, Shard, Shards
from services.adapters.log.store import Store, connect, keys, offset_of, read, row_id, seek, unreadable
from services.adapters.log.writer import Writer
from services.errors import Conflict, TooLarge, Unavailable
from services.ports import MAX_RECORD_BYTES, Append, Cleanup, Record, TopicSpec

T = TypeVar("T")

_log = logging.getLogger(__name__)

_CACHE_BYTES = 32 << 20
_BATCH_BYTES = 4 << 20
_BATCH_RECORDS = 5_000
_SLICE = 256  # records deleted per transaction: appends never wait long for upkeep
_UPKEEP_S = 30.0
_FOREVER_MS = 3_600_000


def _group(name: str) -> str:
    return f"group:{name}"


def _state(name: str) -> str:
    return f"state:{name}"


def _deletion(shard: Shard, offsets: Sequence[int]) -> Callable[[Store], Callable[[], None]]:
    def job(store: Store) -> Callable[[], None]:
        store.delete(shard.id, offsets)
        return lambda: None

    return job


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A ``services.ports.LocalLog`` in the folder ``path``; ``now`` gives append times (epoch ms)."""

    def __init__(
        self, path: Path, *, now: Callable[[], int] = _wall_clock, cache_bytes: int = _CACHE_BYTES
    ) -> None:
        self._path, self._now = path, now
        self._file = path / "log.sqlite"
        self._shards = Shards(cache_bytes)
        self._marks: dict[tuple[str, int], int] = {}
        self._members: set[str] = set()
        self._connections: list[Connection] = []
        self._connecting = Lock()
        self._local = local()
        self._time = 0
        self._epoch = ""
        self._writer: Writer | None = None
        self._lock: FileLock | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._upkeep: asyncio.Task[None] | None = None

    # --- life ---

    async def start(self) -> None:
        await asyncio.to_thread(self._open)
        self._upkeep = asyncio.create_task(self._keep_up(), name="log upkeep")

    async def stop(self) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._upkeep
            self._upkeep = None
        await asyncio.to_thread(self._close)

    @property
    async def epoch(self) -> str:
        return self._epoch

    def _open(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._path / "lock")
        except OSError as error:
            raise Unavailable(
                f"the log in {self._path} cannot be opened: {error}", field="broker.url"
            ) from error
        store: Store | None = None
        try:
            store = Store(self._file)
            self._load(store)
        except BaseException as error:
            if store is not None:
                store.close()
            self._lock.release()
            self._lock = None
            if isinstance(error, DatabaseError):
                raise unreadable(self._file, error) from error
            raise

    def _load(self, store: Store) -> None:
        rows = store.shards()
        for spec in store.topics():
            self._shards.add(spec, [row for row in rows if row.topic == spec.name])
        self._time = max((row.time for row in rows), default=0)
        self._marks = store.marks()
        self._epoch = store.epoch
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="sightline-log-read")
        self._local = local()
        self._writer = Writer(store, self._shards.undo)

    def _close(self) -> None:
        if self._writer is None or self._pool is None or self._lock is None:
            return
        self._writer.close()
        self._shards.wake_all()
        self._pool.shutdown()
        with self._connecting:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
        self._lock.release()
        self._writer = self._pool = self._lock = None

    # --- topics ---

    def topics(self) -> Sequence[str]:
        return self._shards.topics()

    def partitions(self, topic: str) -> int:
        return len(self._shards.of(topic)) if topic in self._shards.topics() else 0

    async def cleanup(self, topic: str) -> Cleanup:
        return self._shards.of(topic)[0].spec.cleanup

    async def ensure(self, topics: Sequence[TopicSpec]) -> None:
        await asyncio.wrap_future(self._running().submit(partial(self._ensure, topics)))

    def _ensure(self, topics: Sequence[TopicSpec], store: Store) -> Callable[[], None]:
        # Asked of the store: another call in this transaction may have made them, and is not published yet.
        known = {spec.name: spec for spec in store.topics()}
        for spec in topics:
            if spec.name in known:
                self._check(spec, known[spec.name])
        made = [(spec, store.create(spec)) for spec in topics if spec.name not in known]

        def publish() -> None:
            for spec, rows in made:
                self._shards.add(spec, rows)

        return publish

    def _check(self, wanted: TopicSpec, found: TopicSpec) -> None:
        differences = [
            f"{name} is {getattr(found, name)}, not {getattr(wanted, name)}"
            for name in ("partitions", "cleanup", "retention_ms")
            if getattr(found, name) != getattr(wanted, name)
        ]
        if differences:
            raise Conflict(
                f"topic {wanted.name} exists already and differs: {'; '.join(differences)}",
                field=wanted.name,
                remedy=f"set it back, or name another folder than {self._path} and bring the events in again",
            )

    async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        return {shard.partition: (shard.first, shard.end) for shard in self._shards.of(topic)}

    async def lags(self, group: str, topic: str) -> dict[int, int]:
        return {
            shard.partition: shard.end - max(shard.first, self.committed(group, topic, shard.partition) or 0)
            for shard in self._shards.of(topic)
        }

    def first(self, topic: str, partition: int) -> int:
        return self._shards.at(topic, partition).first

    def end(self, topic: str, partition: int) -> int:
        return self._shards.at(topic, partition).end

    # --- appending ---

    async def append(self, records: Sequence[Append]) -> list[int]:
        return await asyncio.wrap_future(self.append_nowait(records))

    def append_nowait(self, records: Sequence[Append]) -> Future[list[int]]:
        targets = [(self._shards.at(record.topic, record.partition), record) for record in records]
        sizes = [len(record.key or b"") + len(record.value or b"") for record in records]
        if sizes and max(sizes) > MAX_RECORD_BYTES:
            raise TooLarge(
                f"a record of {max(sizes)} bytes; at most {MAX_RECORD_BYTES} fit", value=max(sizes)
            )
        return self._running().submit(partial(self._append, targets), sum(sizes))

    def _append(self, targets: Sequence[tuple[Shard, Append]], store: Store) -> Callable[[], list[int]]:
        self._time = now = max(self._time, self._now())
        appended = []
        for shard, record in targets:
            offset, key, value = shard.written, record.key, record.value
            shard.written += 1
            store.insert((row_id(shard.id, offset), now, key, value))
            appended.append((shard, Record(record.topic, record.partition, offset, now, key, value)))

        def publish() -> list[int]:
            self._shards.publish(appended)
            return [record.offset for _, record in appended]

        return publish

    # --- reading ---

    def fetch(self, topic: str, partition: int, offset: int, max_bytes: int) -> Sequence[Record]:
        return self._fetch(self._shards.at(topic, partition), offset, max_bytes, _BATCH_RECORDS)

    async def wait_for_data(self, positions: Mapping[Position, int], timeout_ms: int) -> bool:
        self._running()
        return await self._shards.wait(positions, timeout_ms)

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        shard = self._shards.at(topic, partition)
        return await self._in_pool(lambda: seek(self._reader(), shard.id, shard.first, shard.end, timestamp))

    def read(
        self, topic: str, offsets: Mapping[int, int], *, follow: bool
    ) -> AsyncIterator[Sequence[Record]]:
        positions = {(topic, partition): offset for partition, offset in offsets.items()}
        stops = None if follow else {position: self._shards.at(*position).end for position in positions}
        return self._read(positions, stops)

    async def _read(
        self, positions: dict[Position, int], stops: dict[Position, int] | None
    ) -> AsyncIterator[Sequence[Record]]:
        while True:
            moved = False
            for position, offset in list(positions.items()):
                records = await self.batch(position, offset, _BATCH_RECORDS)
                if stops is not None:
                    records = [record for record in records if record.offset < stops[position]]
                if records:
                    moved = True
                    positions[position] = records[-1].offset + 1
                    yield records
            if moved:
                continue
            if stops is not None:
                return
            await self.wait_for_data(positions, _FOREVER_MS)

    async def batch(self, position: Position, offset: int, max_records: int) -> list[Record]:
        """Records from ``offset`` on, none if there are none yet; reads from disk leave the loop free."""
        shard = self._shards.at(*position)
        recent = self._shards.recent(shard, max(offset, shard.first), _BATCH_BYTES, max_records)
        if recent is not None:
            return recent
        return await self._in_pool(lambda: self._fetch(shard, offset, _BATCH_BYTES, max_records))

    def _fetch(self, shard: Shard, offset: int, max_bytes: int, max_records: int) -> list[Record]:
        start = max(offset, shard.first)
        recent = self._shards.recent(shard, start, max_bytes, max_records)
        if recent is not None:
            return recent
        rows = read(self._reader(), shard.id, start, shard.end, max_bytes=max_bytes, max_records=max_records)
        topic, number = shard.spec.name, shard.partition
        return [Record(topic, number, offset_of(row), moment, key, value) for row, moment, key, value in rows]

    def _reader(self) -> Connection:
        self._running()
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._file)
            with self._connecting:
                self._connections.append(connection)
        return connection

    # --- groups and protection ---

    def consumer(self, group: str, topics: Sequence[str]) -> EmbeddedConsumer:
        return EmbeddedConsumer(self, group, topics)

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        return self._marks.get((_group(group), self._shards.at(topic, partition).id))

    def commit_nowait(self, group: str, offsets: Mapping[Position, int]) -> Future[None]:
        return self._mark(_group(group), offsets)

    def protect(self, topic: str, partition: int, offset: int, owner: str) -> Future[None]:
        return self._mark(_state(owner), {(topic, partition): offset})

    def release(self, owner: str) -> Future[None]:
        return self._running().submit(partial(self._release, (_group(owner), _state(owner))))

    def join(self, group: str) -> None:
        """Become the one member that a group has here; raises ``Conflict`` when there is one."""
        if group in self._members:
            raise Conflict(f"group {group} has a member already", field="group", value=group)
        self._members.add(group)

    def leave(self, group: str) -> None:
        """Make room for the next member."""
        self._members.discard(group)

    def _mark(self, owner: str, offsets: Mapping[Position, int]) -> Future[None]:
        marks = {(owner, self._shards.at(*position).id): offset for position, offset in offsets.items()}

        def job(store: Store) -> Callable[[], None]:
            for (who, shard), offset in marks.items():
                store.mark(who, shard, offset)
            return lambda: self._marks.update(marks)

        return self._running().submit(job)

    def _release(self, owners: tuple[str, str], store: Store) -> Callable[[], None]:
        for owner in owners:
            store.unmark(owner)

        def publish() -> None:
            self._marks = {mark: offset for mark, offset in self._marks.items() if mark[0] not in owners}

        return publish

    # --- upkeep ---

    async def upkeep(self) -> None:
        """Trim and compact what is due, in slices between appends. Runs by itself every 30 s."""
        for shard in self._shards.all():
            if shard.spec.cleanup is Cleanup.COMPACT:
                await self._compact(shard)
            elif shard.spec.retention_ms is not None:
                while await asyncio.wrap_future(self._running().submit(partial(self._trim, shard))):
                    pass

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(_UPKEEP_S)
            try:
                await self.upkeep()
            except Unavailable:
                # Appends report the same to those who can act on it; the next round tries again.
                _log.warning("upkeep of the log failed", exc_info=True)

    def _trim(self, shard: Shard, store: Store) -> Callable[[], bool]:
        needed = [offset for (_, marked), offset in list(self._marks.items()) if marked == shard.id]
        stop = min([shard.end, shard.first + _SLICE, *needed])
        times = store.times(shard.id, shard.first, stop, _SLICE)
        cut = shard.first + retention.expired(times, self._now() - (shard.spec.retention_ms or 0))
        if cut <= shard.first:
            return lambda: False
        store.trim(shard.id, shard.first, cut, shard.end)

        def publish() -> bool:
            self._shards.forget(shard, cut)
            return True

        return publish

    async def _compact(self, shard: Shard) -> None:
        ratio = float(shard.spec.config.get("min.cleanable.dirty.ratio", "0.5"))
        if not retention.worth_compacting(shard.kept, shard.fresh, ratio):
            return
        stop = shard.end
        rows = await self._in_pool(lambda: keys(self._reader(), shard.id, stop))
        doomed = retention.superseded(rows, self._now() - retention.TOMBSTONE_MS)
        for at in range(0, len(doomed), _SLICE):
            await asyncio.wrap_future(self._running().submit(_deletion(shard, doomed[at : at + _SLICE])))
        self._shards.compacted(shard, len(rows) - len(doomed), stop)

    # --- threads ---

    async def _in_pool(self, call: Callable[[], T]) -> T:
        self._running()
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def _running(self) -> Writer:
        if self._writer is None:
            raise Unavailable("the log is not open")
        return self._writer
