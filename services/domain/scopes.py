"""Scopes: the combinations of dimension values that rows have, as dense numbers. Cubes with equal dimensions share
them.

A null value is a value: it shows as "". There are at most ``CAP`` scopes; rows of further ones count in the scope
whose every dimension is ``OTHER``, and are counted as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.index import Index
from services.domain.rows import Codes, Hashes, Places, Rows, Strings, hash_numbers

CAP = 100_000
_TABLE_BITS = 20
"""Where the values of all dimensions could combine in more ways than 2**20, scopes are found by hash alone."""
SCOPE_BITS = 20
"""Every scope's number is below 2**20."""
OTHER = "…other"


class Scopes:
    """The scopes of one set of ``dimensions``, numbered in the order in which they came."""

    def __init__(self, dimensions: tuple[str, ...], strings: Strings, cap: int = CAP) -> None:
        self.dimensions = dimensions
        self.strings = strings
        self.overflowed = 0
        self._cap = cap
        self._index = Index()
        self._codes = np.empty((0, len(dimensions)), np.int32)
        self._table = _Table(len(dimensions))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def codes(self) -> Codes:
        """Per scope the codes of its values in ``strings``, shape (scopes, dimensions)."""
        return self._codes[: len(self)]

    def of(self, rows: Rows) -> Places:
        """The scope of each row; new ones are added."""
        if not self.dimensions:
            if not len(self):
                self._admit(np.zeros(1, np.uint64), np.empty((1, 0), np.int32))
            return np.zeros(rows.n, np.intp)
        codes = [rows.code(name).astype(np.intp) for name in self.dimensions]
        found = self._table.find(codes, len(self.strings.texts))
        if np.count_nonzero(found < 0):
            self._look_up(found, codes)
        return found

    def _look_up(self, found: Places, codes: list[Places]) -> None:
        """Fill in the scopes that are not in the table yet."""
        missing = (found < 0).nonzero()[0]
        wanted = [column[missing] for column in codes]
        named = np.stack(wanted, axis=1).astype(np.int32)
        if named.min() < 0:
            named[named < 0] = self.strings.code("")
        scopes = found[missing] = self.find(named)
        known = scopes < self._cap  # what overflows is looked up again, to be counted
        self._table.add([column[known] for column in wanted], scopes[known])

    def find(self, codes: Codes) -> Places:
        """The scopes with these codes, shape (n, dimensions); new ones are added."""
        keys = _keys(codes)
        found = self._index.find(keys)
        missing = (found < 0).nonzero()[0]
        if missing.size:
            found[missing] = self._admit(keys[missing], codes[missing])
        return found.astype(np.intp)

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything, for ``load``."""
        return {"overflowed": self.overflowed}, {"codes": self.codes.flatten()}

    def load(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave."""
        width = len(self.dimensions)
        codes = arrays["codes"]
        self._codes = codes.reshape(codes.size // width, width) if width else np.empty((1, 0), np.int32)
        self._index = Index(_keys(self._codes))
        self._table = _Table(width)
        self.overflowed = meta["overflowed"]

    def _admit(self, keys: Hashes, codes: Codes) -> NDArray[np.int32]:
        distinct, first = np.unique(keys, return_index=True)
        if len(self) + distinct.size > self._cap and self.dimensions:
            return self._overflow(keys, codes, np.sort(first))
        rows, before = self._index.upsert(keys)
        fresh = np.flatnonzero(rows >= before)
        if len(self) > self._codes.shape[0]:
            grown = np.empty((max(16, len(self) * 3 // 2), codes.shape[1]), np.int32)
            grown[:before] = self._codes[:before]
            self._codes = grown
        self._codes[rows[fresh]] = codes[fresh]
        return rows

    def _overflow(self, keys: Hashes, codes: Codes, first: Places) -> NDArray[np.int32]:
        """Let in as many as there is room for, in the order they came; the rest are one."""
        room = max(self._cap - len(self), 0)
        if room:
            self._cap += 1  # the last to be let in must not come here again
            self._admit(keys[first[:room]], codes[first[:room]])
            self._cap -= 1
        other = np.full((1, len(self.dimensions)), self.strings.code(OTHER), np.int32)
        rest = self._index.upsert(_keys(other))
        if len(self) > rest[1]:
            self._codes = np.concatenate([self._codes[: rest[1]], other])
        rows = self._index.find(keys)
        self.overflowed += int(np.count_nonzero(rows < 0))
        rows[rows < 0] = rest[0][0]
        return rows


class _Table:
    """Scopes by the combination of their values' numbers within each dimension: a cache that costs no hashing.

    Numbers go by code, that of -1 (absent) is the last; 0 stands for a value that has none yet.
    """

    def __init__(self, dimensions: int) -> None:
        self._numbers = [np.zeros(1, np.intp) for _ in range(dimensions)]
        self._counts = [0] * dimensions
        self._bits = [1] * dimensions
        self._scopes: Places | None = np.full(1 << dimensions, -1, np.intp)
        self._fit()

    def find(self, codes: Sequence[Places], texts: int) -> Places:
        """The scope of each row; -1 where it is not here. ``codes``, one array per dimension, are below ``texts``."""
        if self._scopes is None:
            return np.full(codes[0].size, -1, np.intp)
        for dimension, numbers in enumerate(self._numbers):
            if numbers.size <= texts:
                self._numbers[dimension] = _longer(numbers, texts)
        return self._scopes[self._places(codes)]

    def add(self, codes: Sequence[Places], scopes: Places) -> None:
        """Take over what was looked up."""
        if self._scopes is None:
            return
        for dimension, column in enumerate(codes):
            numbers = self._numbers[dimension]
            fresh = np.unique(column[numbers[column] == 0])
            numbers[fresh] = np.arange(1, fresh.size + 1) + self._counts[dimension]
            self._counts[dimension] += fresh.size
        self._fit()
        if self._scopes is not None:
            self._scopes[self._places(codes)] = scopes

    def _places(self, codes: Sequence[Places]) -> Places:
        places = self._numbers[0][codes[0]]
        for numbers, column, bits in zip(self._numbers[1:], codes[1:], self._bits[1:], strict=True):
            places <<= bits
            places |= numbers[column]
        return places

    def _fit(self) -> None:
        """Make room for all numbers, or give up."""
        bits = [max(held, count.bit_length()) for held, count in zip(self._bits, self._counts, strict=True)]
        if sum(bits) > _TABLE_BITS:
            self._scopes = None
        if bits == self._bits or self._scopes is None:
            return
        old = (self._scopes >= 0).nonzero()[0]
        table = np.full(1 << sum(bits), -1, np.intp)
        moved, shift = np.zeros_like(old), 0
        rest = old
        for held, wanted in zip(reversed(self._bits), reversed(bits), strict=True):
            moved |= (rest & ((1 << held) - 1)) << shift
            rest, shift = rest >> held, shift + wanted
        table[moved] = self._scopes[old]
        self._scopes, self._bits = table, bits


def _longer(numbers: Places, texts: int) -> Places:
    longer = np.zeros(texts * 3 // 2 + 2, np.intp)
    longer[: numbers.size - 1], longer[-1] = numbers[:-1], numbers[-1]
    return longer


def _keys(codes: Codes) -> Hashes:
    """One key per row: exact for up to two dimensions, a chained hash for more."""
    if codes.shape[1] == 0:
        return np.zeros(codes.shape[0], np.uint64)
    key = codes[:, 0].astype(np.int64)
    for column in range(1, codes.shape[1]):
        if column > 1:
            key = hash_numbers(key).view(np.int64)
        key = (key << 32) ^ codes[:, column] if column == 1 else key ^ codes[:, column]
    return key.view(np.uint64)
