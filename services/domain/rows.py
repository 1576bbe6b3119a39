"""Rows in columns: what filters and folds read, be they events of a frame or facts that a case table tells.

Absent values are ``NULL`` in numbers, -1 in codes and flags. Strings that filters or dimensions name are interned
per partition; everything else stays a hash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NULL = int(np.iinfo(np.int64).min)

Numbers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.int8]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]


class Strings:
    """Interned strings of one partition: code ↔ text. Codes are dense and never reused; -1 is absent."""

    def __init__(self, texts: list[str] | None = None) -> None:
        self.texts: list[str] = texts or []
        self._codes = {text: code for code, text in enumerate(self.texts)}
        self._selections: dict[str, Mask] = {}

    def code(self, text: str) -> int:
        """The code of ``text``, given now if it is new."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code

    def select(self, name: str, predicate: Callable[[str], bool]) -> Mask:
        """For each code whether its text satisfies ``predicate``; remembered under ``name``, extended as texts come.

        The result has one more element than there are codes: index -1 (absent) reads False.
        """
        known = self._selections.get(name)
        done = 0 if known is None else known.size - 1
        if known is None or done < len(self.texts):
            fresh = np.fromiter((predicate(text) for text in self.texts[done:]), np.bool_)
            head = np.empty(0, np.bool_) if known is None else known[:-1]
            known = self._selections[name] = np.concatenate([head, fresh, np.zeros(1, np.bool_)])
        return known


class Rows(Protocol):
    """``n`` rows; every array returned has ``n`` elements and must not be written to."""

    @property
    def n(self) -> int: ...

    @property
    def strings(self) -> Strings: ...

    def number(self, name: str) -> Numbers:
        """Integers, fixed-point decimals (scaled) and timestamps (epoch ms); ``NULL`` where absent."""
        ...

    def code(self, name: str) -> Codes:
        """Codes of strings in ``strings``; -1 where absent."""
        ...

    def flag(self, name: str) -> Flags:
        """Booleans: 1, 0, and -1 where absent."""
        ...

    def hash(self, name: str) -> Hashes:
        """64-bit hashes of the values of a string or number, for distinct; 0 where absent."""
        ...
