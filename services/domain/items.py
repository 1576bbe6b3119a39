"""Items of cases that have due times of their own: each is a row, chained to its case's others.

An item's due time comes from the first event (by time, then identity) of its step that names it; the case's ``until``
step meets it, and the case's end stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import LAST_TIE, LONG_AGO, NEVER, Cases, earliest, grown
from services.domain.catalogue import Due
from services.domain.chains import Chains
from services.domain.contributions import Differences, Promises, PromiseStory, differences
from services.domain.index import Index
from services.domain.rows import Codes, Hashes, Mask, Numbers, Places
from services.domain.texts import Packed, Texts

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class Named(NamedTuple):
    """Events that name an item. ``case`` is the case's row."""

    case: Places
    keys: Hashes
    time: Numbers
    tie: Codes
    due: Numbers
    labels: Callable[[Places], Packed]


class ItemsTold(NamedTuple):
    """What differs between items: ``case`` is, for each fact, the position among the 2n old and new cases."""

    found: Differences
    case: Places
    identity: Hashes


def item_keys(cases: Hashes, items: Hashes) -> Hashes:
    """The key of an item within its case."""
    return cases ^ (items * _SPREAD)


class Items:
    """The items of one due."""

    def __init__(self, due: Due, stories: Sequence[PromiseStory]) -> None:
        self.due = due
        self._stories = stories
        self._index = Index()
        self._labels = Texts()
        self._chains = Chains()
        self._time, self._due = np.full(64, NEVER), np.full(64, NEVER)
        self._tie = np.full(64, LAST_TIE, np.int32)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        own = self._time.nbytes + self._due.nbytes + self._tie.nbytes
        return own + self._index.nbytes + self._labels.nbytes + self._chains.nbytes

    def reserve(self, cases: int) -> None:
        """There are so many rows of cases now."""
        self._chains.reserve(cases)

    def update(
        self,
        rows: Places,
        changed: Mask,
        named: Sequence[Named],
        cases: Cases,
        *,
        now: int,
        restate: Mask | None,
    ) -> list[ItemsTold]:
        """Take events that name items; tell what has changed, for them and for the items of ``changed`` cases.

        ``rows`` are the (ascending) rows of the cases at work, ``cases`` their old and new columns side by side.
        """
        touched = [self._rows(events) for events in named]
        at = np.unique(np.concatenate([self.of(rows[changed]), *touched]))
        if not at.size:
            return []
        old = self._due[at]
        for events, items in zip(named, touched, strict=True):
            self._apply(events, items)
        local = np.searchsorted(rows, self._chains.case[at])
        due = np.concatenate([old, self._due[at]])
        case = np.concatenate([local, local + rows.size])
        return self._tell(at, due, case, cases, now, restate=None if restate is None else restate[local])

    def passing(self, before: int, now: int) -> Codes:
        """The items whose due time lies in (before, now]."""
        due = self._due[: len(self)]
        return np.flatnonzero((due > before) & (due <= now)).astype(np.int32)

    def cases_of(self, items: Codes) -> Codes:
        """The rows of their cases."""
        return self._chains.case[items]

    def pass_time(self, items: Codes, rows: Places, cases: Cases, before: int, now: int) -> list[ItemsTold]:
        """Tell what engine time going from ``before`` to ``now`` means; ``cases`` holds ``rows`` twice."""
        local = np.searchsorted(rows, self._chains.case[items])
        due = self._due[items]
        times = np.repeat(np.array([before, now]), items.size)
        case = np.concatenate([local, local + rows.size])
        return self._tell(items, np.concatenate([due, due]), case, cases, times)

    def standing(self, rows: Places, cases: Cases, now: int) -> list[ItemsTold]:
        """All that the items of ``rows`` tell; in ``cases`` the first half is empty."""
        items = np.sort(self.of(rows))
        if not items.size:
            return []
        local = np.searchsorted(rows, self._chains.case[items])
        due = self._due[items]
        case = np.concatenate([local, local + rows.size])
        return self._tell(items, np.concatenate([np.full_like(due, NEVER), due]), case, cases, now)

    def of(self, cases: Places) -> Codes:
        """All items of some cases."""
        return self._chains.of(cases)

    def latest(self, cases: Places) -> Numbers:
        """Of each of some cases (ascending) the last due time; ``LONG_AGO`` without one."""
        items = self.of(cases)
        items = items[self._due[items] != NEVER]
        found = np.full(cases.size, LONG_AGO)
        np.maximum.at(found, np.searchsorted(cases, self._chains.case[items]), self._due[items])
        return found

    def label(self, item: int) -> str:
        """What the item is called."""
        return self._labels[item]

    def due_times(self) -> tuple[Numbers, Codes]:
        """Each item's due time and the row of its case (-1: it has left)."""
        return self._due[: len(self)], self._chains.case[: len(self)]

    def leave(self, cases: Places) -> None:
        """The cases have left, and their items with them."""
        items = self._chains.leave(cases)
        self._tie[items] = LAST_TIE
        self._time[items] = self._due[items] = NEVER

    def keep(self, moved: Codes, cases: int) -> None:
        """Cases have been renumbered (``moved`` gives each old row's new one, -1 last); items that left go."""
        kept = self._chains.case[: len(self)] >= 0
        items = self._index.keep(kept)
        self._labels.keep(kept)
        for name, absent in (("_time", NEVER), ("_due", NEVER), ("_tie", LAST_TIE)):
            array = getattr(self, name)[: kept.size][kept]
            setattr(self, name, grown(array, max(64, len(self)), absent))
        self._chains.keep(items, moved, cases)

    def arrays(self, cases: int) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name."""
        n = len(self)
        return {
            "keys": self._index.keys().copy(),
            "time": self._time[:n].copy(),
            "tie": self._tie[:n].copy(),
            "due": self._due[:n].copy(),
            **self._chains.arrays(n, cases),
            "labels": np.frombuffer(self._labels.blob, np.uint8),
            "offsets": self._labels.offsets,
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays`` was taken from."""
        self._index = Index(arrays["keys"])
        self._labels = Texts(arrays["labels"].tobytes(), arrays["offsets"])
        n = len(self)
        self._time, self._due = grown(arrays["time"], n, NEVER), grown(arrays["due"], n, NEVER)
        self._tie = grown(arrays["tie"], n, LAST_TIE)
        self._chains.load(arrays)

    def _rows(self, events: Named) -> Codes:
        rows, before = self._index.upsert(events.keys)
        if len(self) > before:
            new, first = np.unique(rows, return_index=True)
            self._labels.extend(events.labels(first[new >= before]))
            self._chains.grow(len(self))
            self._time, self._due = grown(self._time, len(self), NEVER), grown(self._due, len(self), NEVER)
            self._tie = grown(self._tie, len(self), LAST_TIE)
        loose = self._chains.case[rows] < 0
        if loose.any():
            fresh, first = np.unique(rows[loose], return_index=True)
            self._chains.link(fresh, events.case[loose][first])
        return rows

    def _apply(self, events: Named, items: Codes) -> None:
        time = self._time[items]
        before = (events.time < time) | ((events.time == time) & (events.tie < self._tie[items]))
        at = before.nonzero()[0]
        at = at[earliest(items[at].astype(np.intp), events.time[at], events.tie[at], self._time)]
        rows = items[at]
        self._time[rows], self._tie[rows], self._due[rows] = events.time[at], events.tie[at], events.due[at]

    def _tell(
        self,
        items: Codes,
        due: Numbers,
        case: Places,
        cases: Cases,
        now: Numbers | int,
        *,
        restate: Mask | None = None,
    ) -> list[ItemsTold]:
        if not self._stories:
            return []
        until = cases.time(self.due.until)[case]
        stop = np.minimum(until, cases.ended[case])
        unsure = None if cases.unsure is None else cases.unsure[case]
        at = Promises(due, until, stop, cases.opened[case], now, unsure, cases.layout.since)
        lines = [line for story in self._stories for line in story.lines(at)]
        found = differences(self._stories, lines, restate)
        if not found.told:
            return []
        return [ItemsTold(found, case[found.at], self._index.keys()[items[found.at % items.size]])]
