"""A ledger whose keys are identities of events: a correction's own identity is another name of what it corrects.

So a correction that names a correction belongs to the first event of all, and stands before what it names, whatever
their times say: each step down a chain raises the version. Where it came before what it names, it was an entry of its
own; once the chain is known, the two become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import grown
from services.domain.index import Index
from services.domain.ledger import FINAL, FIRST, Change, Kept, Ledger, Said, joined
from services.domain.rows import Columns, Hashes, Numbers, Strings

STEP = 2**44
"""What a step down a chain adds to a version: more than any time in ms."""
LONGEST = 1000
"""Steps that are followed; what goes on (in a circle) is no chain."""


class NamedLedger(Ledger):
    """See above; ``_targets`` is what each of ``_names`` corrects."""

    def __init__(self, kept: Kept, strings: Strings, horizon_ms: int) -> None:
        super().__init__(kept, strings, horizon_ms)
        self._names = Index()
        self._targets = np.zeros(64, np.uint64)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return super().nbytes + self._names.nbytes + self._targets.nbytes

    def update(self, said: Said[Any]) -> Change:
        """As of ``Ledger``; keys are what events name, or their own identities."""
        own = said.rows.hash("identity")
        naming = own != said.keys
        lost = self._learn(own[naming], said.keys[naming]) if naming.any() else []
        keys, steps = self._followed(said.keys)
        change = super().update(said._replace(keys=keys, version=_deeper(said.version, steps)))
        if not lost:
            return change
        told = [rows for rows, _ in lost] if said.primary else []
        gone = joined([*(rows for _, rows in lost), change.gone])
        return change._replace(
            told=joined([*told, change.told]),
            gone=gone,
            standing=self._standing(gone.hash("case")),
            corrections=change.corrections + len(lost),
        )

    def leave(self, now: int) -> None:
        """Names leave with what they are names of."""
        before = len(self)
        super().leave(now)
        if len(self) < before and len(self._names):
            kept = self._index.find(self._followed(self._names.keys())[0]) >= 0
            self._targets = self._targets[: kept.size][kept]
            self._names.keep(kept)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name."""
        n = len(self._names)
        return {**super().arrays(), "names": self._names.keys().copy(), "targets": self._targets[:n].copy()}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave; of a ledger without names there are none."""
        nothing = np.zeros(0, np.uint64)
        self._names = Index(arrays.get("names", nothing))
        self._targets = np.array(arrays.get("targets", nothing))
        super().load(arrays)

    def _followed(self, keys: Hashes) -> tuple[Hashes, Numbers]:
        """What each key is a name of in the end, and in how many steps."""
        ends, steps = keys.copy(), np.zeros(keys.size, np.int64)
        on = np.arange(keys.size)
        for _ in range(LONGEST):
            names = self._names.find(ends[on])
            on, names = on[names >= 0], names[names >= 0]
            if not on.size:
                return ends, steps
            ends[on] = self._targets[names]
            steps[on] += 1
        ends[on], steps[on] = keys[on], 0
        return ends, steps

    def _learn(self, names: Hashes, targets: Hashes) -> list[tuple[Columns, Columns]]:
        """Take names of events; where one was an entry of its own, it becomes one with what it is a name of. Of each
        entry that loses by it, what is taken back and what is gone.
        """
        rows, before = self._names.upsert(names)
        self._targets = grown(self._targets, len(self._names), 0)
        fresh = rows >= before
        self._targets[rows[fresh]] = targets[fresh]
        fresh_names = np.unique(names[fresh])
        apart = fresh_names[self._index.find(fresh_names) >= 0]
        if not apart.size:
            return []
        roots, steps = self._followed(apart)
        found = [
            self._become_one(*one)
            for one in zip(apart, roots, steps.tolist(), strict=True)
            if one[0] != one[1]
        ]
        self._chain_anew()
        return [lost for lost in found if lost is not None]

    def _become_one(self, name: np.uint64, root: np.uint64, steps: int) -> tuple[Columns, Columns] | None:
        """The higher version of two entries stands under ``root``; the entry of ``name`` is nobody's any more."""
        (at,) = self._index.find(np.array([name]))
        (to,), _ = self._index.upsert(np.array([root]))
        self._reserve(len(self))
        columns = self._columns
        version = int(_deeper(columns["version"][at : at + 1], np.array([steps]))[0])
        wins = (version, columns["rank"][at]) > (columns["version"][to], columns["rank"][to])
        loser = np.array([to if wins else at], np.int64)
        loser = self._standing_of(loser)
        lost = self._counting(loser, -1), self._taken(loser, -1)
        touched = max(columns["touched"][at], columns["touched"][to])
        if wins:
            for name_, column in columns.items():
                if name_ != "next":
                    column[to] = column[at]
            columns["version"][to] = version
        columns["touched"][to] = touched
        columns["stands"][at] = False
        return lost if loser.size else None


def _deeper(version: Numbers, steps: Numbers) -> Numbers:
    """Versions ``steps`` further down a chain; first and final ones stay what they are."""
    return np.where((version == FIRST) | (version == FINAL), version, version + STEP * steps)
