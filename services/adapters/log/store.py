"""The SQLite file behind the embedded log: schema and statements; no threads and no cache.

One table holds all records. A record's row id is ``shard << 40 | offset``, where a shard is one partition of one
topic: reading a partition from an offset on is a scan of the table's own tree, and appending extends it.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from services.errors import Unavailable
from services.ports import Cleanup, TopicSpec

_FORMAT = "1"
_SHIFT = 40
_MASK = (1 << _SHIFT) - 1
_PAGE_BYTES = 16_384
_CHECKPOINT_PAGES = 1_024  # 16 MiB of write-ahead log

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, cleanup TEXT NOT NULL, retention_ms INTEGER,
    config TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS shards (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    first INTEGER NOT NULL, next INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS marks (
    owner TEXT NOT NULL, shard INTEGER NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (owner, shard)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, key BLOB, value BLOB);
"""

_PRAGMAS = (
    f"page_size = {_PAGE_BYTES}",
    "journal_mode = WAL",
    "synchronous = FULL",
    f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
    f"journal_size_limit = {4 * _CHECKPOINT_PAGES * _PAGE_BYTES}",
)

Row = tuple[int, int, bytes | None, bytes | None]
"""Row id, append time (epoch ms), key, value."""

# One step of a statement gives up the interpreter lock and has to win it back: one statement for many rows.
_BLOCKS = (64, 8, 1)
_INSERTS = {n: f"INSERT INTO records VALUES {','.join(['(?,?,?,?)'] * n)}" for n in _BLOCKS}  # noqa: S608  # no input


class ShardRow(NamedTuple):
    """One partition as stored; ``next`` and ``time`` are those after the last record."""

    id: int
    topic: str
    partition: int
    first: int
    next: int
    time: int


class KeyRow(NamedTuple):
    """What compaction needs of a record."""

    offset: int
    time: int
    key: bytes | None
    tombstone: bool


def row_id(shard: int, offset: int) -> int:
    """Where a record is stored."""
    return shard << _SHIFT | offset


def offset_of(row: int) -> int:
    """The offset of a stored record."""
    return row & _MASK


def unreadable(file: Path, error: sqlite3.Error) -> Unavailable:
    """A file that is damaged, or no log at all."""
    return Unavailable(
        f"the log in {file} cannot be opened: {error}",
        field="broker.url",
        value=f"embedded://{file.parent}",
        remedy="bring the folder back from a backup, or name another one to begin anew",
    )


def connect(file: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that commits durably; raises ``Unavailable`` when the file is no log."""
    with contextlib.ExitStack() as undo:
        try:
            db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            undo.callback(db.close)
            for pragma in _PRAGMAS:
                db.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise unreadable(file, error) from error
        undo.pop_all()
    return db


class Store:
    """The writing side: used by one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._db = connect(file)
        self._db.executescript(_SCHEMA)
        self._pending: list[Row] = []
        insert = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
        self._db.execute(insert, ("format", _FORMAT))
        self._db.execute(insert, ("epoch", secrets.token_hex(8)))
        if (found := self._meta("format")) != _FORMAT:
            self.close()
            raise Unavailable(f"the log in {file} has format {found}; this version reads format {_FORMAT}")
        self.epoch = self._meta("epoch")

    def close(self) -> None:
        """Close the file; the last connection to close folds the write-ahead log in."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; durable when it ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._flush()
            self._db.execute("COMMIT")
        except BaseException:
            self._pending.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def insert(self, row: Row) -> None:
        """Add a record before the transaction ends."""
        self._pending.append(row)

    def topics(self) -> list[TopicSpec]:
        """All topics."""
        rows = self._db.execute("SELECT name, partitions, cleanup, retention_ms, config FROM topics")
        return [
            TopicSpec(
                name,
                partitions,
                Cleanup(cleanup),
                retention,
                msgspec.json.decode(config, type=dict[str, str]),
            )
            for name, partitions, cleanup, retention, config in rows
        ]

    def shards(self) -> list[ShardRow]:
        """All shards."""
        rows = self._db.execute("SELECT id, topic, partition, first, next FROM shards").fetchall()
        return [self._shard(*row) for row in rows]

    def create(self, spec: TopicSpec) -> list[ShardRow]:
        """Store a new topic; its shards."""
        config = msgspec.json.encode(dict(spec.config)).decode()
        row = (spec.name, spec.partitions, spec.cleanup.value, spec.retention_ms, config)
        self._db.execute("INSERT INTO topics VALUES (?, ?, ?, ?, ?)", row)
        shards = []
        for partition in range(spec.partitions):
            statement = "INSERT INTO shards (topic, partition, first, next) VALUES (?, ?, 0, 0)"
            made = self._db.execute(statement, (spec.name, partition)).lastrowid
            assert made is not None
            shards.append(ShardRow(made, spec.name, partition, 0, 0, 0))
        return shards

    def marks(self) -> dict[tuple[str, int], int]:
        """(owner, shard) → the offset that it needs next."""
        return marks_of(self._db)

    def mark(self, owner: str, shard: int, offset: int) -> None:
        """Set what an owner needs."""
        self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", (owner, shard, offset))

    def unmark(self, owner: str) -> None:
        """Forget an owner."""
        self._db.execute("DELETE FROM marks WHERE owner = ?", (owner,))

    def times(self, shard: int, start: int, stop: int, limit: int) -> list[int]:
        """Append times from offset ``start`` to ``stop``, at most ``limit``."""
        span = (row_id(shard, start), row_id(shard, stop), limit)
        rows = self._db.execute("SELECT time FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", span)
        return [time for (time,) in rows]

    def trim(self, shard: int, first: int, cut: int, next_offset: int) -> None:
        """Delete offsets from ``first`` to below ``cut``; remember where the shard goes on."""
        span = (row_id(shard, first), row_id(shard, cut))
        self._db.execute("DELETE FROM records WHERE id >= ? AND id < ?", span)
        self._db.execute("UPDATE shards SET first = ?, next = ? WHERE id = ?", (cut, next_offset, shard))

    def delete(self, shard: int, offsets: Sequence[int]) -> None:
        """Delete single records."""
        self._db.executemany(
            "DELETE FROM records WHERE id = ?", [(row_id(shard, offset),) for offset in offsets]
        )

    def _meta(self, name: str) -> str:
        (value,) = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return str(value)

    def _shard(self, shard: int, topic: str, partition: int, first: int, next_offset: int) -> ShardRow:
        last = "SELECT id, time FROM records WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT 1"
        found = self._db.execute(last, (row_id(shard + 1, 0), row_id(shard, 0))).fetchone()
        if found is None:
            return ShardRow(shard, topic, partition, first, next_offset, 0)
        return ShardRow(shard, topic, partition, first, max(next_offset, offset_of(found[0]) + 1), found[1])

    def _flush(self) -> None:
        rows, at = self._pending, 0
        for block in _BLOCKS:
            while len(rows) - at >= block:
                self._db.execute(_INSERTS[block], [*itertools.chain.from_iterable(rows[at : at + block])])
                at += block
        rows.clear()


def marks_of(db: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """(owner, shard) → the offset that it needs next."""
    rows = db.execute("SELECT owner, shard, offset FROM marks")
    return {(owner, shard): offset for owner, shard, offset in rows}


def read(
    db: sqlite3.Connection, shard: int, start: int, stop: int, *, max_bytes: int, max_records: int
) -> list[Row]:
    """Records from offset ``start`` to ``stop``: at least one if there is one, then within both bounds."""
    span = (row_id(shard, start), row_id(shard, stop), max_records)
    statement = "SELECT id, time, key, value FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
    rows: list[Row] = []
    size = 0
    with contextlib.closing(db.execute(statement, span)) as cursor:
        for row in cursor:
            size += len(row[3] or b"")
            if rows and size > max_bytes:
                break
            rows.append(row)
    return rows


def keys(db: sqlite3.Connection, shard: int, stop: int) -> list[KeyRow]:
    """What compaction needs of all records of a shard below ``stop``, in order."""
    statement = "SELECT id, time, key, value IS NULL FROM records WHERE id >= ? AND id < ? ORDER BY id"
    rows = db.execute(statement, (row_id(shard, 0), row_id(shard, stop))).fetchall()
    return [KeyRow(offset_of(row), time, key, bool(tombstone)) for row, time, key, tombstone in rows]


def seek(db: sqlite3.Connection, shard: int, first: int, end: int, timestamp: int) -> int:
    """The first offset from ``first`` on with an append time of at least ``timestamp``; ``end`` if none.

    Append times never fall along a shard, so this bisects.
    """
    statement = "SELECT id, time FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
    low, high, found = first, end, end
    while low < high:
        middle = (low + high) // 2
        row = db.execute(statement, (row_id(shard, middle), row_id(shard, high))).fetchone()
        if row is None:
            high = middle
        elif row[1] >= timestamp:
            found, high = offset_of(row[0]), middle
        else:
            low = offset_of(row[0]) + 1
    return found
