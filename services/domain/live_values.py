"""The latest values of one judge partition, in columns: a record is laid over them as a whole, and a ``KpiValue`` is
made only for whoever asks for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.facts import FIGURES, KpiValue, Scope, ValueColumns, kpi_value
from services.domain.index import Index
from services.domain.rows import Hashes, Numbers, Strings, hash_numbers
from services.domain.tables import grown

ValueKey = tuple[str, tuple[tuple[str, str], ...]]
"""(KPI, scope as sorted pairs)."""

_COMPARED = tuple(name for name in FIGURES if name != "as_of")
_ROOM_FOR_GONE = 1_000


def value_key(kpi: str, scope: Scope) -> ValueKey:
    """What a value is filed under."""
    return kpi, tuple(sorted(scope.items()))


class Names:
    """What rows are filed under; grows at its end only. ``widths``: how many dimensions each scope names."""

    def __init__(self, keys: Iterable[ValueKey] = ()) -> None:
        self.keys = list(keys)
        self.widths = np.array([len(scope) for _, scope in self.keys], np.int64)

    def add(self, keys: list[ValueKey]) -> None:
        """Those of the next rows."""
        first = len(self.keys)
        self.keys += keys
        self.widths = grown(self.widths, len(self.keys))
        self.widths[first : len(self.keys)] = [len(scope) for _, scope in keys]


class LiveValues:
    """A row per (KPI, scope); one that is gone keeps its row, for it may come back."""

    def __init__(self) -> None:
        self.names = Names()
        self._scopes: list[Scope] = []
        self._row: dict[ValueKey, int] = {}
        self._present = np.zeros(1, np.bool_)
        self._columns: dict[str, NDArray[Any]] = {}
        # How a record names a row: by table and codes, hashed.
        self._strings = Strings()
        self._tables: dict[tuple[str, tuple[str, ...]], int] = {}
        self._told = Index()
        self._row_of = np.empty(0, np.int64)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._present))

    def lay(self, told: ValueColumns) -> tuple[Numbers, Numbers]:
        """Take values over; all their rows, and those of which another value was known, or none."""
        rows = self._rows(told)
        changed = ~self._present[rows]
        for name in FIGURES:
            fresh = getattr(told, name)
            held = self._columns.setdefault(name, np.zeros(1, fresh.dtype))
            held = self._columns[name] = grown(held, len(self.names.keys))
            if name in _COMPARED:
                before = held[rows]
                other = before != fresh
                if fresh.dtype.kind == "f":
                    other &= ~(np.isnan(before) & np.isnan(fresh))
                changed |= other
            held[rows] = fresh
        self._present[rows] = True
        return rows, rows[changed]

    def rows_of(self, keys: Iterable[ValueKey]) -> Numbers:
        """The rows of those that are there."""
        found = (self._row.get(key) for key in keys)
        rows = np.array([row for row in found if row is not None], np.int64)
        return rows[self._present[rows]]

    def drop(self, rows: Numbers) -> None:
        """These are gone."""
        self._present[rows] = False

    def tidy(self) -> None:
        """Forget what is gone where it is much. Rows that were given out before are then of the ``names`` of before."""
        gone = len(self.names.keys) - len(self)
        if gone > max(_ROOM_FOR_GONE, len(self)):
            self._close_ranks()

    def others(self, rows: Iterable[Numbers]) -> Numbers:
        """All rows that are there, but for these."""
        left = self._present.copy()
        for each in rows:
            left[each] = False
        return np.flatnonzero(left)

    def pick(self, rows: Numbers) -> Iterator[tuple[ValueKey, KpiValue]]:
        """The values of these rows."""
        columns = [self._columns[name][rows].tolist() for name in FIGURES] if rows.size else []
        for row, figures in zip(rows.tolist(), zip(*columns, strict=True), strict=True):
            key = self.names.keys[row]
            yield key, kpi_value(key[0], self._scopes[row], figures)

    def get(self, key: ValueKey) -> KpiValue | None:
        """One of them."""
        return next((value for _, value in self.pick(self.rows_of([key]))), None)

    def all(self) -> Numbers:
        """The rows of all that are there."""
        return np.flatnonzero(self._present)

    def _rows(self, told: ValueColumns) -> Numbers:
        found, before = self._told.upsert(self._hashed(told))
        if len(self._told) > before:
            self._admit(told, found, before)
        return self._row_of[found]

    def _hashed(self, told: ValueColumns) -> Hashes:
        """One number for each value's (KPI, dimensions, codes)."""
        own = np.array([self._strings.code(text) for text in told.strings], np.int32)
        codes = own[told.codes] if own.size else told.codes
        tables = [
            self._tables.setdefault((one.kpi, one.dimensions), len(self._tables)) for one in told.tables
        ]
        sizes = np.array([one.size for one in told.tables], np.int64)
        widths = np.repeat(np.array([len(one.dimensions) for one in told.tables], np.int64), sizes)
        first = np.cumsum(widths) - widths
        hashes = hash_numbers(np.repeat(np.array(tables, np.int64), sizes))
        for place in range(int(widths.max(initial=0))):
            wide = np.flatnonzero(widths > place)
            mixed = hashes[wide].view(np.int64) ^ codes[first[wide] + place]
            hashes[wide] = hash_numbers(mixed)
        return hashes

    def _admit(self, told: ValueColumns, found: NDArray[np.int32], before: int) -> None:
        """Rows for names that are new. Two names mean one row where they name the dimensions in another order."""
        places = (found >= before).nonzero()[0]
        sizes = np.array([table.size for table in told.tables], np.int64)
        widths = np.array([len(table.dimensions) for table in told.tables], np.int64)
        table = np.repeat(np.arange(sizes.size), sizes)[places]
        width = np.repeat(widths, sizes)
        first = (np.cumsum(width) - width)[places]
        rows, fresh = [], list[ValueKey]()
        for number, at in zip(table.tolist(), first.tolist(), strict=True):
            kpi, dimensions = told.tables[number].kpi, told.tables[number].dimensions
            texts = [told.strings[code] for code in told.codes[at : at + len(dimensions)].tolist()]
            scope = dict(zip(dimensions, texts, strict=True))
            key = value_key(kpi, scope)
            row = self._row.setdefault(key, len(self._scopes))
            if row == len(self._scopes):
                self._scopes.append(scope)
                fresh.append(key)
            rows.append(row)
        self.names.add(fresh)
        self._present = grown(self._present, len(self._scopes))
        self._row_of = grown(self._row_of, len(self._told))
        self._row_of[found[places]] = rows

    def _close_ranks(self) -> None:
        rows = self.all()
        kept = rows.tolist()
        self.names = Names(self.names.keys[row] for row in kept)
        self._scopes = [self._scopes[row] for row in kept]
        self._row = {key: row for row, key in enumerate(self.names.keys)}
        self._columns = {name: column[rows] for name, column in self._columns.items()}
        self._present = np.ones(len(kept), np.bool_)
        self._told, self._row_of, self._strings, self._tables = Index(), np.empty(0, np.int64), Strings(), {}
