"""Rows in columns: what filters and folds read, be they events of a frame or facts that a case table tells.

Absent values are ``NULL`` in numbers, -1 in codes and flags. Strings that filters or dimensions name are interned
per partition; everything else stays a hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.domain.identity import hash64

NULL = int(np.iinfo(np.int64).min)

Numbers = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.int8]
Hashes = NDArray[np.uint64]
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]
"""Row numbers, or positions: numpy gathers by nothing faster."""


class Strings:
    """Interned strings of one partition: code ↔ text. Codes are dense and never reused; -1 is absent."""

    def __init__(self, texts: list[str] | None = None) -> None:
        self.texts: list[str] = texts or []
        self._codes = {text: code for code, text in enumerate(self.texts)}
        self._selections: dict[str, Mask] = {}
        self._hashes = np.zeros(1, np.uint64)

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

    def hashes(self) -> Hashes:
        """For each code the ``hash64`` of its text; one more element than codes: index -1 (absent) reads 0."""
        done = self._hashes.size - 1
        if done < len(self.texts):
            fresh = [hash64(text.encode()) for text in self.texts[done:]]
            self._hashes = np.concatenate([self._hashes[:-1], np.array([*fresh, 0], np.uint64)])
        return self._hashes


class Rows(Protocol):
    """``n`` rows; every array returned has ``n`` elements and must not be written to.

    The number ``time`` (epoch ms) and the hash ``identity`` (the event's, or the case's: breaks ties) always exist.
    """

    @property
    def n(self) -> int:
        """How many."""
        ...

    @property
    def strings(self) -> Strings:
        """What ``code`` refers to."""
        ...

    @property
    def weight(self) -> Numbers | None:
        """+1 where a row is added, -1 where what an equal row added is taken back; None: all +1."""
        ...

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


@dataclass(frozen=True, slots=True)
class Columns:
    """``Rows`` held as arrays by name; a name that is not held reads as absent."""

    n: int
    strings: Strings
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    codes: Mapping[str, Codes] = field(default_factory=dict)
    flags: Mapping[str, Flags] = field(default_factory=dict)
    hashes: Mapping[str, Hashes] = field(default_factory=dict)
    weight: Numbers | None = None

    def number(self, name: str) -> Numbers:
        """See ``Rows``."""
        held = self.numbers.get(name)
        return np.full(self.n, NULL) if held is None else held

    def code(self, name: str) -> Codes:
        """See ``Rows``."""
        held = self.codes.get(name)
        return np.full(self.n, -1, np.int32) if held is None else held

    def flag(self, name: str) -> Flags:
        """See ``Rows``."""
        held = self.flags.get(name)
        return np.full(self.n, -1, np.int8) if held is None else held

    def hash(self, name: str) -> Hashes:
        """See ``Rows``; what is not held as a hash is computed from the string or number of that name."""
        held = self.hashes.get(name)
        if held is not None:
            return held
        if name in self.codes:
            return self.strings.hashes()[self.codes[name]]
        return hash_numbers(self.number(name))

    def part(self, rows: slice, numbers: Mapping[str, Numbers]) -> Columns:
        """Rows that lie together, as views, with ``numbers`` of their own beside."""
        start, stop, _ = rows.indices(self.n)
        return Columns(
            stop - start,
            self.strings,
            {**{name: array[rows] for name, array in self.numbers.items()}, **numbers},
            {name: array[rows] for name, array in self.codes.items()},
            {name: array[rows] for name, array in self.flags.items()},
            {name: array[rows] for name, array in self.hashes.items()},
            None if self.weight is None else self.weight[rows],
        )

    def take(self, at: NDArray[Any]) -> Columns:
        """The rows at indices (or where a mask) ``at``."""
        weight = None if self.weight is None else self.weight[at]
        return Columns(
            int(np.count_nonzero(at)) if at.dtype == np.bool_ else at.size,
            self.strings,
            {name: array[at] for name, array in self.numbers.items()},
            {name: array[at] for name, array in self.codes.items()},
            {name: array[at] for name, array in self.flags.items()},
            {name: array[at] for name, array in self.hashes.items()},
            weight,
        )


def hash_numbers(numbers: Numbers) -> Hashes:
    """A 64-bit hash of each number (splitmix64's finaliser, a bijection); 0 where absent."""
    x = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    x[numbers == NULL] = 0
    return x
