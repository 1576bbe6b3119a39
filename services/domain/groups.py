"""Groups of scopes: those that are alike in some dimensions. They number the rows of JUDGE's tables.

A *grouping* is a set of dimensions: () is the total, one group; (site,) has a group per site.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.domain.rows import Codes, Numbers, Strings
from services.domain.tables import grown

Texts = tuple[str, ...]

_WIDE = 200


class Groups:
    """The groups of several groupings, numbered as they come; the total, which there always is, is number 0.

    Per number ``keys`` has (grouping, values) and ``grouping`` the index in ``groupings``.
    """

    def __init__(self, groupings: Sequence[Texts], strings: Strings) -> None:
        self.groupings = tuple(groupings)
        self.strings = strings
        self.keys: list[tuple[Texts, Texts]] = []
        self.grouping = np.zeros(1, np.int8)
        self._index = {grouping: index for index, grouping in enumerate(self.groupings)}
        self._number: dict[tuple[Texts, Texts], int] = {}
        self._sizes = np.zeros(len(self.groupings), np.int64)
        self._codes = np.empty((0, max(map(len, self.groupings))), np.int32)
        self.number((), ())

    @property
    def size(self) -> int:
        """How many."""
        return len(self.keys)

    @property
    def codes(self) -> Codes:
        """Their values as codes into ``strings``, shape (groups, most dimensions), 0 where a grouping has fewer."""
        done = self._codes.shape[0]
        if done < len(self.keys):
            more = np.zeros((len(self.keys) - done, self._codes.shape[1]), np.int32)
            for row, (_, texts) in enumerate(self.keys[done:]):
                more[row, : len(texts)] = [self.strings.code(text) for text in texts]
            self._codes = np.concatenate([self._codes, more])
        return self._codes

    def has(self, grouping: Texts) -> bool:
        """Whether there are groups by that."""
        return grouping in self._index

    def number(self, grouping: Texts, texts: Texts) -> int:
        """Of a group, given now if it is new."""
        key = (grouping, texts)
        number = self._number.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
            self.grouping = grown(self.grouping, len(self.keys))
            self.grouping[number] = self._index[grouping]
            self._sizes[self._index[grouping]] += 1
        return number

    def narrow(self, numbers: Numbers) -> Numbers:
        """Those of groupings that have few groups."""
        wide = self._sizes > _WIDE
        return numbers[~wide[self.grouping[numbers]]] if wide.any() else numbers

    def by_grouping(self, numbers: Numbers) -> list[tuple[Texts, Numbers]]:
        """They, taken apart by grouping."""
        index = self.grouping[numbers]
        parts = ((one, numbers[index == at]) for at, one in enumerate(self.groupings))
        return [(grouping, part) for grouping, part in parts if part.size]


class ScopeGroups(Groups):
    """The groups that full scopes fall into: ``of_scope`` has one per scope and grouping."""

    def __init__(self, groupings: Sequence[Texts], full: Texts, strings: Strings) -> None:
        super().__init__(groupings, strings)
        self._at = [[full.index(name) for name in grouping] for grouping in self.groupings]
        self.of_scope: NDArray[np.int64] = np.empty((0, len(self.groupings)), np.int64)

    def add(self, scopes: Sequence[Texts]) -> None:
        """Say which groups the next full scopes belong to."""
        fresh = [
            [
                self.number(grouping, tuple(scope[at] for at in places))
                for grouping, places in zip(self.groupings, self._at, strict=True)
            ]
            for scope in scopes
        ]
        more = np.array(fresh, np.int64).reshape(len(fresh), len(self.groupings))
        self.of_scope = np.concatenate([self.of_scope, more])
