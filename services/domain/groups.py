"""Groups of scopes: those that are alike in some dimensions. They number the rows of JUDGE's tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from services.domain.rows import Codes, Numbers, Strings

Texts = tuple[str, ...]


class Groups:
    """Numbered as they come. ``keys`` has their values by number; ``codes`` the same as codes into ``strings``."""

    def __init__(self, dimensions: Texts, strings: Strings) -> None:
        self.dimensions = dimensions
        self.strings = strings
        self.keys: list[Texts] = []
        self._number: dict[Texts, int] = {}
        self._codes = np.empty((0, len(dimensions)), np.int32)

    @property
    def size(self) -> int:
        """How many."""
        return len(self.keys)

    @property
    def codes(self) -> Codes:
        """Shape (groups, dimensions)."""
        done = self._codes.shape[0]
        if done < len(self.keys):
            fresh = [[self.strings.code(text) for text in key] for key in self.keys[done:]]
            more = np.array(fresh, np.int32).reshape(len(fresh), len(self.dimensions))
            self._codes = np.concatenate([self._codes, more])
        return self._codes

    def number(self, key: Texts) -> int:
        """Of a group, given now if it is new."""
        number = self._number.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number

    def numbers(self, keys: Iterable[Texts]) -> Numbers:
        """``number`` of each."""
        return np.fromiter((self.number(key) for key in keys), np.int64)
