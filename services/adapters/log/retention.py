"""What the embedded log may forget: pure decisions, applied by its upkeep."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from services.adapters.log.store import KeyRow

TOMBSTONE_MS = 86_400_000
"""Tombstones are kept for a day, so that a reader who is behind learns of the deletion (as Kafka does)."""


def expired(times: Sequence[int], horizon: int) -> int:
    """How many of the oldest records were appended before ``horizon`` (epoch ms); times do not fall."""
    return bisect_left(times, horizon)


def superseded(rows: Iterable[KeyRow], horizon: int) -> list[int]:
    """The offsets that compaction deletes, in order.

    Kept are the newest record of each key, records without a key, tombstones appended at or after ``horizon``,
    and the newest record of all: readers wait until they have seen the end of the log.
    """
    seen: dict[bytes, KeyRow] = {}
    doomed = []
    last = -1
    for row in rows:
        last = row.offset
        if row.key is None:
            continue
        if (older := seen.get(row.key)) is not None:
            doomed.append(older.offset)
        seen[row.key] = row
    doomed += [
        row.offset for row in seen.values() if row.tombstone and row.time < horizon and row.offset != last
    ]
    return sorted(doomed)


def worth_compacting(kept: int, fresh: int, ratio: float) -> bool:
    """Whether ``fresh`` records since the last compaction are enough beside the ``kept`` ones."""
    return fresh > 0 and fresh >= ratio * (kept + fresh)
