"""What correctable events contributed, so that it can be taken back: per business key the version that stands.

Of all that is said of a key the highest version stands, in whatever order it comes; of equal versions a withdrawal,
else the one whose content hashes highest. A change tells the entry that stood with weight -1 and the one that stands
now with weight +1: sums of what was told are those of a history in which only the standing entries ever happened. A
withdrawal that comes before what it withdraws waits for it.

An entry leaves when nothing was said of its key for the horizon. What is then said of facts from before the horizon
is *beyond* it: nobody knows any more what it corrects, so it counts at the moment at which it came, and is listed.

About 60 bytes per entry and 8 for each number, 4 for each string that a measure reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """``told`` are rows with weight ±1, those taken back first. ``heard`` are the numbers of the rows that count now
    (those beyond the horizon among them). ``gone`` are entries that stand no more, and
    ``standing`` all that stand of the cases that these belonged to; both have the hash ``case``. ``duplicates`` and
    ``corrections`` are counts, ``beyond`` the rows that came after the horizon.
    """

    told: Columns
    heard: NDArray[np.intp]
    gone: Columns
    standing: Columns
    duplicates: int
    corrections: int
    beyond: NDArray[np.intp]


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
        beyond = self._beyond(said)
        rows = np.ones(said.rows.n, np.bool_)
        rows[beyond] = False
        best, repeated = _best(said, np.flatnonzero(rows))
        places, _ = self._index.upsert(said.keys[best])
        self._reserve(len(self))
        at = places.astype(np.int64)
        version, rank = self._columns["version"][at], self._columns["rank"][at]
        repeated += int(np.count_nonzero((said.version[best] == version) & (said.rank[best] == rank)))
        newer = said.version[best] > version
        wins = newer | ((said.version[best] == version) & (said.rank[best] > rank))
        wins &= ~self._again(said, at, best, newer)
        self._columns["touched"][at] = np.maximum(self._columns["touched"][at], said.came[best])
        return self._replace(said, at[wins], best[wins], beyond, repeated)

    def told(self) -> Columns:
        """All that is told of the entries that stand."""
        rows = self._standing_of(np.arange(len(self)))
        return self._taken(rows[self._columns["primary"][rows]], 1)

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

    def _beyond(self, said: Said[Any]) -> NDArray[np.intp]:
        """Rows of unknown keys whose facts are from before the horizon, unless a newer one precedes them."""
        old: NDArray[np.intp] = (said.rows.number("time") < said.came - self._horizon_ms).nonzero()[0]
        old = old[self._index.find(said.keys[old]) < 0] if old.size else old
        if not old.size:
            return old
        _, key = np.unique(said.keys, return_inverse=True)
        first = np.full(said.rows.n, said.rows.n)
        newer = np.ones(said.rows.n, np.bool_)
        newer[old] = False
        np.minimum.at(first, key[newer], newer.nonzero()[0])
        rows: NDArray[np.intp] = old[old < first[key[old]]]
        return rows

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
        self, said: Said[Any], at: Rows64, chosen: NDArray[np.intp], beyond: NDArray[np.intp], repeated: int
    ) -> Change:
        stood = self._standing_of(at)
        known = self._columns["version"][at] != UNSAID
        gone = self._taken(stood, -1)
        self._write(said, at, chosen)
        stands = self._standing_of(at)
        counted = beyond[~said.withdrawn[beyond]]
        late = _of_rows(said, counted, self._kept, self._strings)
        told = joined([gone, self._taken(stands, 1), late])
        return Change(
            told if said.primary else told.take(_NOTHING),
            np.concatenate([chosen[~said.withdrawn[chosen]], counted]),
            gone,
            self._standing(gone.hash("case")),
            repeated,
            int(np.count_nonzero(known)),
            beyond,
        )

    def _write(self, said: Said[Any], at: Rows64, chosen: NDArray[np.intp]) -> None:
        columns = self._columns
        fresh = at[columns["version"][at] == UNSAID]
        moved = (columns["case"][at] != said.cases[chosen]) & (columns["version"][at] != UNSAID)
        columns["version"][at], columns["rank"][at] = said.version[chosen], said.rank[chosen]
        columns["stands"][at] = ~said.withdrawn[chosen]
        columns["primary"][at] = said.primary
        # A withdrawal of a type of its own has none of these: they are not read then.
        read = _columns_of(said, self._kept)
        for name, values in read.items():
            columns[name][at] = values[chosen]
        columns["case"][at] = said.cases[chosen]
        if moved.any():
            self._chain_anew()
        else:
            self._chain(fresh)

    def _taken(self, at: Rows64, weight: int) -> Columns:
        """Entries as rows."""
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

    def _beyond(self, said: Said[Any]) -> NDArray[np.intp]:  # noqa: ARG002  # as ``Ledger``
        return _NOTHING


def _slots(kept: Kept) -> dict[str, tuple[int, type]]:
    """Every column of an entry: what stands there until something is said, and its type."""
    return {
        "version": (UNSAID, np.int64),
        "rank": (0, np.uint64),
        "stands": (0, np.bool_),
        "primary": (0, np.bool_),
        "touched": (0, np.int64),
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


def _of_rows(said: Said[Any], at: NDArray[np.intp], kept: Kept, strings: Strings) -> Columns:
    """Rows that came beyond the horizon: they count when they came."""
    rows = said.rows
    return Columns(
        at.size,
        strings,
        {
            **{name: rows.number(name)[at] for name in kept.numbers},
            **dict.fromkeys(kept.moments, said.came[at]),
        },
        {name: rows.code(name)[at] for name in kept.codes},
        {name: rows.flag(name)[at] for name in kept.flags},
        {
            "identity": rows.hash("identity")[at],
            "case": said.cases[at],
            **{name: rows.hash(name)[at] for name in kept.hashes},
        },
        np.ones(at.size, np.int64),
    )


def _best(said: Said[Any], at: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Of the rows ``at`` the winner of each key; and how many say the same as another one."""
    if not at.size:
        return at, 0
    keys, version, rank = said.keys[at], said.version[at], said.rank[at]
    order = np.lexsort((rank, version, keys))
    keys, version, rank = keys[order], version[order], rank[order]
    same_key = keys[1:] == keys[:-1]
    same = same_key & (version[1:] == version[:-1]) & (rank[1:] == rank[:-1])
    return at[order[np.concatenate([~same_key, [True]])]], int(np.count_nonzero(same))


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
