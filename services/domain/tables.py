"""Aggregates of several measures side by side in growing rows: what JUDGE adds up in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.aggregates import COLUMNS, SKETCHED, Aggregates, Arrays, combine, empty
from services.domain.catalogue import Agg
from services.domain.index import Index, pair, unpair
from services.domain.rows import Codes, Mask, Numbers
from services.domain.sketches import BUCKET_BITS, Sketch, consolidate

_LEAST = 64


def grown(array: NDArray[Any], size: int, fill: int = 0) -> NDArray[Any]:
    """``array`` with room for at least ``size`` elements; what is new reads ``fill``."""
    if size <= array.size:
        return array
    larger = np.full(max(size, array.size * 3 // 2, _LEAST), fill, array.dtype)
    larger[: array.size] = array
    return larger


class Entries:
    """The entries of many sketches: a count per (row, bucket)."""

    def __init__(self) -> None:
        self.index = Index()
        self.count = np.zeros(_LEAST, np.int64)
        self._order = np.empty(0, np.int64)  # of the first entries, by (row, bucket)

    def rows(self) -> tuple[Numbers, Codes, Numbers]:
        """All entries: row, bucket, count."""
        row, bucket = unpair(self.index.keys(), BUCKET_BITS)
        return row, bucket.astype(np.int32), self.count[: row.size]

    def add(self, rows: Numbers, buckets: Codes, counts: Numbers) -> None:
        """Add counts; a (row, bucket) may come several times."""
        at = self._at(rows, buckets)  # first: it may make room
        np.add.at(self.count, at, counts)

    def put(self, rows: Numbers, buckets: Codes, counts: Numbers) -> Numbers:
        """Replace counts, of distinct entries; returns by how much each grew."""
        at = self._at(rows, buckets)
        growth = counts - self.count[at]
        self.count[at] = counts
        return growth

    def sketch(self, rows: Numbers, size: int) -> Sketch:
        """The entries of distinct ``rows`` among ``size``, by their place there."""
        row, bucket, count = self.rows()
        place = np.full(size, -1)
        place[rows] = np.arange(rows.size)
        if (rows[1:] < rows[:-1]).any():
            return consolidate(place[row], bucket, count)
        order = self._sorted()
        group, count = place[row[order]], count[order]
        held = ((group >= 0) & (count != 0)).nonzero()[0]
        return Sketch(group[held], bucket[order[held]], count[held])

    def _sorted(self) -> Numbers:
        """The entries by (row, bucket): those that were sorted before and the new ones are merged."""
        keys, done = self.index.keys(), self._order.size
        if done < keys.size:
            order = np.concatenate([self._order, np.arange(done, keys.size)])
            self._order = order[np.argsort(keys[order], kind="stable")]
        return self._order

    def keep(self, moved: Numbers) -> None:
        """Renumber rows: the new row of each old one, -1 where it goes. Zero counts go too."""
        row, bucket, count = self.rows()
        to = moved[row]
        left = (to >= 0) & (count != 0)
        self.index = Index(pair(to[left], bucket[left], BUCKET_BITS))
        self._order = np.empty(0, np.int64)
        self.count = grown(count[left].copy(), _LEAST)

    def _at(self, rows: Numbers, buckets: Codes) -> NDArray[np.int32]:
        at, _ = self.index.upsert(pair(rows, buckets, BUCKET_BITS))
        self.count = grown(self.count, len(self.index))
        return at


class Table:
    """Rows 0 … size - 1, each with one aggregate per measure."""

    def __init__(self, aggs: Mapping[str, Agg]) -> None:
        self.aggs = dict(aggs)
        self.size = 0
        self.columns: dict[str, dict[str, NDArray[Any]]] = {one: empty(agg, 0) for one, agg in aggs.items()}
        self.entries = {one: Entries() for one, agg in aggs.items() if agg in SKETCHED}

    def grow(self, size: int) -> None:
        """Have at least ``size`` rows; new ones hold aggregates of nothing."""
        if size <= self.size:
            return
        self.size = size
        for one, agg in self.aggs.items():
            columns = self.columns[one]
            for column in COLUMNS[agg]:
                columns[column.name] = grown(columns[column.name], size, column.neutral)

    def combine(self, measure: str, rows: Numbers, given: Aggregates) -> None:
        """Combine aggregate i of ``given`` into row ``rows[i]``, or leave it out where that is -1."""
        kept = rows >= 0
        columns: Arrays = given.columns
        if not kept.all():
            columns = {name: column[kept] for name, column in columns.items()}
        combine(given.agg, self.columns[measure], rows[kept], columns)
        if measure in self.entries and given.sketch.group.size:
            to = rows[given.sketch.group]
            wanted = to >= 0
            self.entries[measure].add(to[wanted], given.sketch.bucket[wanted], given.sketch.count[wanted])

    def pick(self, measure: str, rows: Numbers) -> Aggregates:
        """The aggregates of distinct ``rows``, in that order."""
        columns = {name: column[rows] for name, column in self.columns[measure].items()}
        if measure not in self.entries:
            return Aggregates(self.aggs[measure], columns)
        return Aggregates(self.aggs[measure], columns, self.entries[measure].sketch(rows, self.size))

    def keep(self, kept: Mask) -> Numbers:
        """Drop the rows where ``kept`` (one per row) is false; returns the new row of each old one, or -1."""
        moved = np.full(self.size, -1)
        moved[kept] = np.arange(np.count_nonzero(kept))
        for columns in self.columns.values():
            for name, column in columns.items():
                columns[name] = column[: self.size][kept]
        for entries in self.entries.values():
            entries.keep(moved)
        self.size = int(np.count_nonzero(kept))
        return moved

    def clear(self) -> None:
        """Make every row an aggregate of nothing."""
        for one, agg in self.aggs.items():
            for column in COLUMNS[agg]:
                self.columns[one][column.name][:] = column.neutral
        self.entries = {one: Entries() for one in self.entries}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name, as ``load`` takes it."""
        found: dict[str, NDArray[Any]] = {}
        for one, columns in self.columns.items():
            found |= {f"{one}|{name}": column[: self.size].copy() for name, column in columns.items()}
        for one, entries in self.entries.items():
            found[f"{one}|#keys"] = entries.index.keys().copy()
            found[f"{one}|#count"] = entries.count[: len(entries.index)].copy()
        return found

    def load(self, size: int, arrays: Arrays) -> None:
        """Become what ``arrays`` was taken from."""
        self.size = size
        for one, columns in self.columns.items():
            for name in columns:
                columns[name] = arrays[f"{one}|{name}"].copy()
        for one in self.entries:
            fresh = self.entries[one] = Entries()
            fresh.index = Index(arrays[f"{one}|#keys"])
            fresh.count = grown(arrays[f"{one}|#count"].copy(), _LEAST)


def negated(given: Aggregates) -> Aggregates:
    """What takes ``given`` back; only for aggregates that add (not min, max, last)."""
    sketch = Sketch(given.sketch.group, given.sketch.bucket, -given.sketch.count)
    return Aggregates(given.agg, {name: -column for name, column in given.columns.items()}, sketch)


MONOTONE = frozenset({Agg.MIN, Agg.MAX, Agg.LAST})
"""What cannot be taken back."""
