"""Scopes: the combinations of dimension values that rows have, as dense numbers. Cubes with equal dimensions share
them.

A null value is a value: it shows as "". There are at most ``CAP`` scopes; rows of further ones count in the scope
whose every dimension is ``OTHER``, and are counted as such.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.index import Index
from services.domain.rows import Codes, Hashes, Rows, Strings, hash_numbers

CAP = 100_000
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
        self._direct = np.empty(0, np.int64)  # of one dimension: code → scope, -1 where there is none yet

    def __len__(self) -> int:
        return len(self._index)

    @property
    def codes(self) -> Codes:
        """Per scope the codes of its values in ``strings``, shape (scopes, dimensions)."""
        return self._codes[: len(self)]

    def of(self, rows: Rows) -> NDArray[np.int64]:
        """The scope of each row; new ones are added."""
        if not self.dimensions:
            if not len(self):
                self._admit(np.zeros(1, np.uint64), np.empty((1, 0), np.int32))
            return np.zeros(rows.n, np.int64)
        if len(self.dimensions) == 1:
            return self._of_one(rows.code(self.dimensions[0]))
        codes = np.empty((rows.n, len(self.dimensions)), np.int32)
        for column, name in enumerate(self.dimensions):
            codes[:, column] = rows.code(name)
        if rows.n and codes.min() < 0:
            codes[codes < 0] = self.strings.code("")
        return self.find(codes)

    def _of_one(self, codes: Codes) -> NDArray[np.int64]:
        nothing = self.strings.code("") if codes.size and codes.min() < 0 else 0
        codes = np.where(codes < 0, nothing, codes)
        if len(self.strings.texts) > self._direct.size:
            grown = np.full(len(self.strings.texts) * 3 // 2, -1)
            grown[: self._direct.size] = self._direct
            self._direct = grown
        found: NDArray[np.int64] = self._direct[codes]
        missing = (found < 0).nonzero()[0]
        if missing.size:
            found[missing] = self.find(codes[missing, None])
            told = found[missing] < self._cap  # what overflows is looked up again, to be counted
            self._direct[codes[missing[told]]] = found[missing[told]]
        return found

    def find(self, codes: Codes) -> NDArray[np.int64]:
        """The scopes with these codes, shape (n, dimensions); new ones are added."""
        keys = _keys(codes)
        found = self._index.find(keys)
        missing = np.flatnonzero(found < 0)
        if missing.size:
            found[missing] = self._admit(keys[missing], codes[missing])
        return found.astype(np.int64)

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything, for ``load``."""
        return {"overflowed": self.overflowed}, {"codes": self.codes.flatten()}

    def load(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave."""
        width = len(self.dimensions)
        codes = arrays["codes"]
        self._codes = codes.reshape(codes.size // width, width) if width else np.empty((1, 0), np.int32)
        self._index = Index(_keys(self._codes))
        self._direct = np.empty(0, np.int64)
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

    def _overflow(self, keys: Hashes, codes: Codes, first: NDArray[np.intp]) -> NDArray[np.int32]:
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
