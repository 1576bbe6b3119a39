"""Which rows of another table are a case's: a linked list per case, in arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import grown
from services.domain.rows import Codes, Places

_LEAST = 64


class Chains:
    """``case`` is the row of each row's case; -1: its case has left, or it is not linked yet."""

    def __init__(self) -> None:
        self._head, self.case, self._next = (np.full(_LEAST, -1, np.int32) for _ in range(3))

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self._head.nbytes + self.case.nbytes + self._next.nbytes

    def reserve(self, cases: int) -> None:
        """There are so many cases now."""
        self._head = grown(self._head, cases, -1)

    def grow(self, rows: int) -> None:
        """There are so many rows now."""
        self.case, self._next = grown(self.case, rows, -1), grown(self._next, rows, -1)

    def link(self, rows: Codes, cases: Places) -> None:
        """Link rows that are not linked, each once, to their cases."""
        order = np.argsort(cases, kind="stable")
        rows, cases = rows[order], cases[order]
        previous = np.concatenate([[-1], rows[:-1]]).astype(np.int32)
        starts = np.concatenate([[True], cases[1:] != cases[:-1]])
        self._next[rows] = np.where(starts, self._head[cases], previous)
        self._head[cases] = rows  # of repeated indices numpy keeps the last: each chain's new head
        self.case[rows] = cases

    def of(self, cases: Places) -> Codes:
        """All rows of some cases."""
        found = [np.empty(0, np.int32)]
        at = self._head[cases]
        while (at := at[at >= 0]).size:
            found.append(at)
            at = self._next[at]
        return np.concatenate(found)

    def leave(self, cases: Places) -> Codes:
        """The cases have left; returns the rows that were theirs."""
        rows = self.of(cases)
        self._head[cases] = -1
        self.case[rows] = self._next[rows] = -1
        return rows

    def keep(self, rows: Codes, cases: Codes, count: int) -> None:
        """Rows and cases have been renumbered (each old number's new one, -1 where it went, -1 last); there are
        ``count`` cases now.
        """
        old_case, old_next = self.case[: rows.size - 1], self._next[: rows.size - 1]
        kept = rows[:-1] >= 0
        case, next_ = cases[old_case[kept]], rows[old_next[kept]]
        self.case = grown(case, max(_LEAST, case.size), -1)
        self._next = grown(next_, max(_LEAST, case.size), -1)
        old = self._head[: cases.size - 1]
        stay = cases[: old.size] >= 0
        head = np.full(max(_LEAST, count), -1, np.int32)
        head[cases[: old.size][stay]] = rows[old[stay]]
        self._head = head

    def arrays(self, rows: int, cases: int) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name."""
        return {
            "case": self.case[:rows].copy(),
            "next": self._next[:rows].copy(),
            "head": self._head[:cases].copy(),
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays`` was taken from."""
        self.case = grown(arrays["case"], _LEAST, -1)
        self._next = grown(arrays["next"], _LEAST, -1)
        self._head = grown(arrays["head"], _LEAST, -1)
