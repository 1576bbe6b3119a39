"""The sketch entries of all cells of one measure: (cell, bucket) → count, in an index of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.index import Index, pair, unpair
from services.domain.rows import Codes, Numbers
from services.domain.sketches import BUCKET_BITS


class Entries:
    """``once``: an entry only says that there is a value (what is never taken back), so that it rarely changes."""

    def __init__(self, *, once: bool) -> None:
        self._once = once
        self._index = Index()
        self._count = np.zeros(0, np.int64)
        self._dirty = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._index)

    def add(self, cells: NDArray[np.int64], buckets: Codes, counts: Numbers) -> None:
        """Add ``counts`` at (cell, bucket), any of which may repeat."""
        found, before = self._index.upsert(pair(cells, buckets, BUCKET_BITS))
        if len(self) > self._count.size:
            size = max(64, len(self) * 3 // 2)
            self._count = np.concatenate([self._count, np.zeros(size - self._count.size, np.int64)])
            self._dirty = np.concatenate([self._dirty, np.zeros(size - self._dirty.size, np.bool_)])
        if self._once:
            self._count[before : len(self)] = 1
            self._dirty[before : len(self)] = True
        else:
            rows = found.astype(np.intp)
            np.add.at(self._count, rows, counts)
            self._dirty[rows] = True

    def all(self) -> tuple[NDArray[np.int64], Codes, Numbers]:
        """(cell, bucket, count) of all entries."""
        return self._entries(np.arange(len(self)))

    def changed(self) -> tuple[NDArray[np.int64], Codes, Numbers]:
        """(cell, bucket, count) of the entries that changed since this was last asked."""
        rows = self._dirty[: len(self)].nonzero()[0]
        self._dirty[rows] = False
        return self._entries(rows)

    def move(self, moved: NDArray[np.int32]) -> None:
        """Cell i is now cell ``moved[i]``; where that is -1 its entries go."""
        cells, buckets, counts = self.all()
        cells = moved[cells].astype(np.int64)
        kept = cells >= 0
        dirty = self._dirty[: len(self)][kept]
        self.load({"keys": pair(cells[kept], buckets[kept], BUCKET_BITS), "counts": counts[kept]})
        self._dirty[: dirty.size] = dirty

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy, for ``load``."""
        return {"keys": self._index.keys().copy(), "counts": self._count[: len(self)].copy()}

    def load(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave; nothing counts as changed."""
        self._index = Index(arrays["keys"])
        self._count = np.array(arrays["counts"])
        self._dirty = np.zeros(self._count.size, np.bool_)

    def _entries(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.int64], Codes, Numbers]:
        cells, buckets = unpair(self._index.keys()[rows], BUCKET_BITS)
        return cells, buckets.astype(np.int32), self._count[rows]
