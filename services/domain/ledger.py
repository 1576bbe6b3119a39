"""What correctable events contributed, so that it can be taken back: per business key the version that stands.

Of all that is said of a key the highest version stands, in whatever order it comes; of equal versions a withdrawal,
else the one whose content hashes highest. A change tells the entry that stood with weight -1 and the one that stands
now with weight +1: sums of what was told are those of a history in which only the standing entries ever happened. A
withdrawal that comes before what it withdraws waits for it.

An entry leaves when nothing was said of its key for the horizon. What is then said of facts from before the horizon
is *beyond* it: nobody knows any more what it corrects, so it counts at the moment at which it came, and is listed. It
is an entry like others all the same: what is said of the key from now on corrects it, and what is taken back is taken
from the moment at which it counted. Cases, which are known by when their events occurred, are told that moment.

About 70 bytes per entry and 8 for each number, 4 for each string that a measure reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import grown
from services.domain.catalogue import Time
from services.domain.index import Index
from services.domain.rows import NULL, Columns, Hashes, Mask, Numbers, Rows, Strings
from services.domain.times import time_column

UNSAID = NULL
"""The version of a key of which nothing was said."""
FIRST = NULL + 1
"""The version of a fact that does not say one."""
FINAL = 2**62
"""The version of a withdrawal that does not say one: nothing comes after it."""
LAST_RANK = 2**64 - 1

Rows64 = NDArray[np.int64]

_NOTHING = np.empty(0, np.intp)


class Kept(NamedTuple):
    """The columns that an entry keeps, by name and by how they are read (see ``Rows``); and which times besides."""

    numbers: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    times: frozenset[Time] = frozenset()

    @property
    def moments(self) -> tuple[str, ...]:
        """The numbers that say when an entry counts: when it occurred, and its other times."""
        return ("time", *map(time_column, self.times))


R = TypeVar("R", bound=Rows)


class Said(NamedTuple, Generic[R]):
    """What events say of keys; arrays of ``rows.n`` elements.

    ``rank`` decides between equal versions (the hash of the content; ``LAST_RANK`` of a withdrawal), ``came`` is the
    engine time of each row's frame, ``cases`` the case that each concerns (zeros where there is none). Only entries
    of ``primary`` copies are told. ``times`` are the other times of each, where they are kept.
    """

    rows: R
    keys: Hashes
    version: Numbers
    rank: Hashes
    withdrawn: Mask
    came: Numbers
    cases: Hashes
    primary: bool
    times: Mapping[Time, Numbers] = {}


class Change(NamedTuple):
    """``told`` are rows with weight ±1, those taken back first. ``heard`` are the numbers of the rows that count now.
    ``gone`` are entries that stand no more, and ``standing`` all that stand of the cases that these belonged to, at
    the times at which they occurred; both have the hash ``case``. ``duplicates`` and ``corrections`` are counts,
    ``beyond`` the rows that are the first of their keys and came after the horizon, in ascending order.
    """

    told: Columns
    heard: NDArray[np.intp]
    gone: Columns
    standing: Columns
    duplicates: int
    corrections: int
    beyond: NDArray[np.intp]


class _Age(NamedTuple):
    """Per row: whether its key was first heard of beyond the horizon, and when it counts where that is not when it
    says (else ``NULL``); and the rows by which such keys were first heard of.
    """

    late: Mask
    counted: Numbers
    first: NDArray[np.intp]


class Ledger:
    """The entries of one event type as one process sees it, in one partition of a run."""

    def __init__(self, kept: Kept, strings: Strings, horizon_ms: int) -> None:
        self._kept = kept
        self._strings = strings
        self._horizon_ms = horizon_ms
        self._index = Index()
        self._cases = Index()
        self._heads = np.full(64, -1, np.int32)
        self._columns: dict[str, NDArray[Any]] = {}
        self._reserve(64)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        own = self._index.nbytes + self._cases.nbytes + self._heads.nbytes
        return own + sum(column.nbytes for column in self._columns.values())

    @property
    def times(self) -> frozenset[Time]:
        """Which times entries keep besides when they occurred."""
        return self._kept.times

    def update(self, said: Said[Any]) -> Change:
        """Take what events say; tell what has changed."""
        age = self._age(said)
        best, repeated = _best(said)
        places, _ = self._index.upsert(said.keys[best])
        self._reserve(len(self))
        at = places.astype(np.int64)
        version, rank = self._columns["version"][at], self._columns["rank"][at]
        repeated += int(np.count_nonzero((said.version[best] == version) & (said.rank[best] == rank)))
        newer = said.version[best] > version
        wins = newer | ((said.version[best] == version) & (said.rank[best] > rank))
        wins &= ~self._again(said, at, best, newer)
        self._columns["touched"][at] = np.maximum(self._columns["touched"][at], said.came[best])
        return self._replace(said, at[wins], best[wins], age, repeated)

    def told(self) -> Columns:
        """All that is told of the entries that stand."""
        rows = self._standing_of(np.arange(len(self)))
        return self._counting(rows[self._columns["primary"][rows]], 1)

    def adopt(self, other: Ledger) -> None:
        """Take over the entries of a ledger that kept other columns; what it did not keep is absent."""
        absent: dict[str, NDArray[Any]] = {
            name: np.full(len(other), absent, dtype) for name, (absent, dtype) in _slots(self._kept).items()
        }
        self.load(absent | other.arrays())

    def leave(self, now: int) -> None:
        """Let go of entries of whose keys nothing was said for the horizon; call it where the log says so."""
        n = len(self)
        kept = self._columns["touched"][:n] + self._horizon_ms > now
        if kept.all():
            return
        self._index.keep(kept)
        for name, column in self._columns.items():
            self._columns[name] = column[:n][kept]
        self._reserve(len(self))
        self._chain_anew()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name."""
        n = len(self)
        return {"keys": self._index.keys().copy()} | {
            name: column[:n].copy() for name, column in self._columns.items() if name != "next"
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave of a ledger that keeps these columns, and maybe others."""
        self._index = Index(arrays["keys"])
        self._columns = {name: np.array(arrays[name]) for name in _slots(self._kept) if name in arrays}
        self._reserve(len(self))
        self._chain_anew()

    def _age(self, said: Said[Any]) -> _Age:
        """Facts from before the horizon count when they came, unless their key was heard of while it was known."""
        came = said.came
        old: Mask = said.rows.number("time") < came - self._horizon_ms
        late, first = np.zeros(old.size, np.bool_), _NOTHING
        if old.any():
            found = self._index.find(said.keys)
            late[found >= 0] = self._columns["late"][found[found >= 0]]
            new = np.flatnonzero(found < 0)
            _, begins, key = np.unique(said.keys[new], return_index=True, return_inverse=True)
            late[new] = old[new[begins]][key]
            first = np.sort(new[begins[old[new[begins]]]])
        return _Age(late, np.where(late & old, came, NULL), first)

    def _again(self, said: Said[Any], at: Rows64, chosen: NDArray[np.intp], newer: Mask) -> Mask:
        """Which say of an event what was said of the same one: then only the version is ``newer``."""
        columns = self._columns
        same: Mask = newer & (columns["rank"][at] == said.rank[chosen])
        same &= (columns["hash identity"][at] == said.rows.hash("identity")[chosen]) & (
            columns["stands"][at] != said.withdrawn[chosen]
        )
        columns["version"][at[same]] = said.version[chosen[same]]
        return same

    def _replace(
        self, said: Said[Any], at: Rows64, chosen: NDArray[np.intp], age: _Age, repeated: int
    ) -> Change:
        stood = self._standing_of(at)
        known = self._columns["version"][at] != UNSAID
        gone, taken = self._taken(stood, -1), self._counting(stood, -1)
        self._write(said, at, chosen, age)
        told = joined([taken, self._counting(self._standing_of(at), 1)])
        return Change(
            told if said.primary else told.take(_NOTHING),
            chosen[~said.withdrawn[chosen]],
            gone,
            self._standing(gone.hash("case")),
            repeated,
            int(np.count_nonzero(known)),
            age.first,
        )

    def _write(self, said: Said[Any], at: Rows64, chosen: NDArray[np.intp], age: _Age) -> None:
        columns = self._columns
        fresh = at[columns["version"][at] == UNSAID]
        moved = (columns["case"][at] != said.cases[chosen]) & (columns["version"][at] != UNSAID)
        columns["version"][at], columns["rank"][at] = said.version[chosen], said.rank[chosen]
        columns["stands"][at] = ~said.withdrawn[chosen]
        columns["primary"][at] = said.primary
        columns["counted"][at] = age.counted[chosen]
        columns["late"][at] |= age.late[chosen]
        # A withdrawal of a type of its own has none of these: they are not read then.
        read = _columns_of(said, self._kept)
        for name, values in read.items():
            columns[name][at] = values[chosen]
        columns["case"][at] = said.cases[chosen]
        if moved.any():
            self._chain_anew()
        else:
            self._chain(fresh)

    def _counting(self, at: Rows64, weight: int) -> Columns:
        """Entries as rows that count: at their own times, or when they came."""
        rows, counted = self._taken(at, weight), self._columns["counted"][at]
        late = counted != NULL
        if not late.any():
            return rows
        moments = {name: np.where(late, counted, rows.number(name)) for name in self._kept.moments}
        return replace(rows, numbers={**rows.numbers, **moments})

    def _taken(self, at: Rows64, weight: int) -> Columns:
        """Entries as rows at the times that they say."""
        kept, held = self._kept, self._columns
        return Columns(
            at.size,
            self._strings,
            {name: held[f"number {name}"][at] for name in (*kept.numbers, *kept.moments)},
            {name: held[f"code {name}"][at] for name in kept.codes},
            {name: held[f"flag {name}"][at] for name in kept.flags},
            {
                "identity": held["hash identity"][at],
                "case": held["case"][at],
                **{name: held[f"hash {name}"][at] for name in kept.hashes},
            },
            np.full(at.size, weight, np.int64),
        )

    def _standing(self, cases: Hashes) -> Columns:
        """All entries that stand of some cases."""
        found = [np.empty(0, np.int32)]
        heads = self._cases.find(np.unique(cases[cases != 0]))
        at = self._heads[heads[heads >= 0]]
        while (at := at[at >= 0]).size:
            found.append(at)
            at = self._columns["next"][at]
        return self._taken(self._standing_of(np.concatenate(found).astype(np.int64)), 1)

    def _standing_of(self, rows: Rows64) -> Rows64:
        stands: Rows64 = rows[self._columns["stands"][rows]]
        return stands

    def _chain(self, rows: Rows64) -> None:
        """Put entries before the others of their cases."""
        rows = rows[self._columns["case"][rows] != 0]
        if not rows.size:
            return
        heads, _ = self._cases.upsert(self._columns["case"][rows])
        self._heads = grown(self._heads, len(self._cases), -1)
        order = np.argsort(heads, kind="stable")
        rows, heads = rows[order], heads[order]
        starts = np.concatenate([[True], heads[1:] != heads[:-1]])
        previous = np.concatenate([[-1], rows[:-1]])
        self._columns["next"][rows] = np.where(starts, self._heads[heads], previous)
        self._heads[heads] = rows  # of repeated indices numpy keeps the last: each chain's new head

    def _chain_anew(self) -> None:
        self._cases, self._heads = Index(), np.full(64, -1, np.int32)
        self._columns["next"][:] = -1
        self._chain(np.arange(len(self)))

    def _reserve(self, size: int) -> None:
        for name, (absent, dtype) in _slots(self._kept).items():
            self._columns[name] = grown(self._columns.get(name, np.empty(0, dtype)), size, absent)


class PassedLedger(Ledger):
    """One of copies that are passed on, of events of any age: who passes them on knows what he said of them before."""

    def _age(self, said: Said[Any]) -> _Age:
        return _Age(np.zeros(said.rows.n, np.bool_), np.full(said.rows.n, NULL), _NOTHING)


def _slots(kept: Kept) -> dict[str, tuple[int, type]]:
    """Every column of an entry: what stands there until something is said, and its type."""
    return {
        "version": (UNSAID, np.int64),
        "rank": (0, np.uint64),
        "stands": (0, np.bool_),
        "primary": (0, np.bool_),
        "touched": (0, np.int64),
        "late": (0, np.bool_),
        "counted": (NULL, np.int64),
        "case": (0, np.uint64),
        "next": (-1, np.int32),
        **{f"number {name}": (NULL, np.int64) for name in (*kept.numbers, *kept.moments)},
        **{f"code {name}": (-1, np.int32) for name in kept.codes},
        **{f"flag {name}": (-1, np.int8) for name in kept.flags},
        **{f"hash {name}": (0, np.uint64) for name in (*kept.hashes, "identity")},
    }


def _columns_of(said: Said[Any], kept: Kept) -> dict[str, NDArray[Any]]:
    rows = said.rows
    return {
        **{f"number {name}": rows.number(name) for name in (*kept.numbers, "time")},
        **{f"number {time_column(time)}": values for time, values in said.times.items()},
        **{f"code {name}": rows.code(name) for name in kept.codes},
        **{f"flag {name}": rows.flag(name) for name in kept.flags},
        **{f"hash {name}": rows.hash(name) for name in (*kept.hashes, "identity")},
    }


def _best(said: Said[Any]) -> tuple[NDArray[np.intp], int]:
    """Of the rows the winner of each key; and how many say the same as another one."""
    if not said.keys.size:
        return _NOTHING, 0
    order = np.lexsort((said.rank, said.version, said.keys))
    keys, version, rank = said.keys[order], said.version[order], said.rank[order]
    same_key = keys[1:] == keys[:-1]
    same = same_key & (version[1:] == version[:-1]) & (rank[1:] == rank[:-1])
    return order[np.concatenate([~same_key, [True]])], int(np.count_nonzero(same))


def joined(parts: Iterable[Columns]) -> Columns:
    """Rows with the same columns, one after the other."""
    parts = list(parts)
    first = parts[0]

    def join(name: str) -> dict[str, Any]:
        columns = [getattr(part, name) for part in parts]
        return {key: np.concatenate([column[key] for column in columns]) for key in columns[0]}

    weights = [np.ones(part.n, np.int64) if part.weight is None else part.weight for part in parts]
    return Columns(
        sum(part.n for part in parts),
        first.strings,
        join("numbers"),
        join("codes"),
        join("flags"),
        join("hashes"),
        np.concatenate(weights),
    )
