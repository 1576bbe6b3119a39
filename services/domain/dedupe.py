"""Which events have been seen: hashes of (source, id) in buckets of engine time.

The horizon is an hour or five million ids, whichever is shorter: then the oldest bucket leaves as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.index import Index, first_of_each
from services.domain.rows import Hashes, Mask

BUCKET_MS = 900_000
HORIZON_MS = 3_600_000
MOST = 5_000_000


class Dedupe:
    """The identities of one run in one partition. Smaller limits are for tests."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._starts: list[int] = []
        self._buckets: list[Index] = []

    def __len__(self) -> int:
        return sum(map(len, self._buckets))

    @property
    def since(self) -> int | None:
        """The engine time from which on duplicates are recognised."""
        return self._starts[0] if self._starts else None

    def fresh(self, identities: Hashes, now: int) -> Mask:
        """Which are seen for the first time, also within ``identities``; all are remembered as of engine time
        ``now``, which never goes back.
        """
        self._make_room(now)
        fresh = np.ones(identities.size, np.bool_)
        for bucket in self._buckets[:-1]:
            fresh &= bucket.find(identities) < 0
        at = fresh.nonzero()[0]
        newest = self._buckets[-1]
        rows, before = newest.upsert(identities[at])
        if len(newest) - before == at.size:
            return fresh
        first = np.zeros(at.size, np.bool_)
        new = rows >= before
        first[new] = first_of_each(rows[new] - before)
        fresh[at] = first
        return fresh

    def arrays(self) -> tuple[list[int], dict[str, NDArray[Any]]]:
        """A copy: when buckets start, and their identities by number."""
        copies = {str(number): bucket.keys().copy() for number, bucket in enumerate(self._buckets)}
        return list(self._starts), copies

    def load(self, starts: list[int], arrays: dict[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave."""
        self._starts = list(starts)
        self._buckets = [Index(arrays[str(number)]) for number in range(len(starts))]

    def _make_room(self, now: int) -> None:
        start = now - now % BUCKET_MS
        full = bool(self._buckets) and len(self._buckets[-1]) >= self._most // 4
        if not self._starts or start > self._starts[-1] or full:
            self._starts.append(max(start, self._starts[-1] if self._starts else start))
            self._buckets.append(Index())
        while len(self._buckets) > 1 and (
            self._starts[0] + BUCKET_MS + HORIZON_MS <= now or len(self) >= self._most
        ):
            del self._starts[0], self._buckets[0]
