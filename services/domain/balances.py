"""How much there is of something: what movements add to it, and what somebody says there is at an instant.

A balance belongs to one object (a stock item at a site) and is made of *entries*: movements, which change it, and
statements, which say how much there is: openings, from which on it is known, and counts, whose difference to the book
is a number of its own. What follows from a case's entries is a pure function of them in order of event time, so it
does not matter in which order they become known: a movement that arrives after the count that it precedes changes
the difference, not the balance.

Entries older than the horizon are folded: at most a handful of each case are left, which come to the same balance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import LONG_AGO, NEVER, Cases, Layout, grown
from services.domain.case_events import Hits, Taken
from services.domain.catalogue import Balance, Opening
from services.domain.chains import Chains
from services.domain.contributions import Line, OpeningStory, differences, in_and_out, opening_lines, valued
from services.domain.index import Index
from services.domain.items import ItemsTold, item_keys
from services.domain.program import QUANTITY, BalanceFeed, CountFeed, OpeningFeed
from services.domain.rows import NULL, Codes, Hashes, Mask, Numbers, Places

OPENING, COUNT, MOVEMENT, FOLDED, WITHDRAWN = range(5)
"""What an entry is. Of one instant they follow each other in this order: what is said holds before anything moves.
``FOLDED`` is a movement that stands for several, the first of which was at ``since``; ``WITHDRAWN`` counts for nothing.
"""
_TOLD, _DIFFERS = 1, 2
_LEAST = 64
_STEPS = 16
_UNDONE = np.uint64(0x5851F42D4C957F2D)


class Entries(NamedTuple):
    """Entries in order of (case, time, kind); ``case`` is 0 … n - 1, ``value`` a change or what there is."""

    case: Places
    time: Numbers
    kind: Codes
    value: Numbers


class Course(NamedTuple):
    """What follows from entries. Per case ``first``, the time of the first, and ``opened``, from when on they count
    (``NEVER``: they do not). Per entry: whether it ``counts``, by how much it changes the balance (``left``),
    what that was before it (``book``), and whether its difference to the book counts (``differs``).
    """

    first: Numbers
    opened: Numbers
    counts: Mask
    left: Numbers
    book: Numbers
    differs: Mask


def course(entries: Entries, opened: Numbers, openers: Sequence[int]) -> Course:
    """``opened`` is, per case, from when on entries count where there is none of the kinds in ``openers``: the earliest
    of those says it otherwise, and states the first balance. What was before it is contained in it.
    """
    case, time, kind, value = entries
    first = np.full(opened.size, NEVER)
    stands = kind != WITHDRAWN
    np.minimum.at(first, case[stands], time[stands])
    opens = np.isin(kind, openers)
    stated = np.full(opened.size, NEVER)
    np.minimum.at(stated, case[opens], time[opens])
    known = np.where(stated == NEVER, opened, stated)
    counts = stands & (time >= known[case]) & (known[case] != NEVER)
    states = counts & (kind <= COUNT)
    change = np.where(counts & (kind > COUNT), value, 0)
    place = np.arange(case.size)
    begins = np.searchsorted(case, case)
    total = np.cumsum(change)
    since = np.maximum.accumulate(np.where(states, place, -1)) if case.size else place
    anchored = since >= begins
    before = total[begins] - change[begins] if case.size else total
    after = np.where(anchored, value[since] + total - total[since], total - before)
    book = np.append(0, after[:-1])[: case.size]
    book[begins == place] = 0
    opening = np.zeros(case.size, np.bool_)
    at = np.flatnonzero(opens & states & (time == known[case]))
    opening[at[np.unique(case[at], return_index=True)[1]]] = True
    return Course(first, known, counts, np.where(counts, after - book, 0), book, states & ~opening)


class Moved(NamedTuple):
    """Entries in order, the position of their cases among those at work, and what was told of both before."""

    entries: Codes
    local: Places
    left: Numbers
    book: Numbers
    state: Codes
    first: Numbers
    opened: Numbers


class Balances:
    """One balance of all cases of a process; ``feeds`` are what measures ask of it. ``floor``: what happened before
    has been folded.
    """

    def __init__(
        self, layout: Layout, name: str, feeds: Sequence[BalanceFeed | CountFeed | OpeningFeed]
    ) -> None:
        self.layout, self.name = layout, name
        self.floor = LONG_AGO
        self.scale = scale_of(layout, layout.process.balances[name])
        self._tracks = dict(_tracks(layout, layout.process.balances[name], self.scale))
        self._openers = _OPENERS[layout.process.opening]
        self._entry_stories = [_story(layout, feed) for feed in feeds if not isinstance(feed, OpeningFeed)]
        self._case_stories = [OpeningStory(feed) for feed in feeds if isinstance(feed, OpeningFeed)]
        self._index = Index()
        self._chains = Chains()
        self._columns: dict[str, NDArray[Any]] = {
            column: np.zeros(_LEAST, dtype) for column, dtype in _COLUMNS.items()
        }
        self._first, self._opened = np.full(_LEAST, NEVER), np.full(_LEAST, NEVER)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        held = sum(column.nbytes for column in self._columns.values())
        return self._index.nbytes + self._chains.nbytes + held + self._first.nbytes + self._opened.nbytes

    @property
    def steps(self) -> frozenset[str]:
        """The steps whose events are entries."""
        return frozenset(self._tracks)

    def reserve(self, cases: int) -> None:
        """There are so many rows of cases now."""
        self._chains.reserve(cases)
        self._first, self._opened = grown(self._first, cases, NEVER), grown(self._opened, cases, NEVER)

    def add(self, taken: Taken, found: Places) -> None:
        """Take events, each of the case in row ``found``; one that comes again changes nothing, even where it was
        folded last, or comes because something of its case was withdrawn. What says how much there was at an instant
        that lies among what was folded into one says nothing any more.
        """
        for said in self._read(taken):
            entries = self._index.find(said.keys)
            fresh = (entries < 0) | (self._columns["kind"][entries] != FOLDED)
            if said.again:
                fresh &= (entries >= 0) | (taken.time[said.at] >= self.floor)
            if said.kind != MOVEMENT:
                fresh &= ~self._blurred(taken.time[said.at], found[said.at])
            self._put(said.take(np.flatnonzero(fresh)), taken, found)

    def withdraw(self, taken: Taken, found: Places) -> None:
        """These events never happened. Of one that has been folded its opposite is added."""
        for said in self._read(taken):
            entries = self._index.find(said.keys)
            held = (entries >= 0) & (self._columns["kind"][entries] != FOLDED)
            self._columns["kind"][entries[held]] = WITHDRAWN
            if said.kind != MOVEMENT:
                continue
            gone = np.flatnonzero(~held & (taken.time[said.at] < self.floor))
            undone = said.take(gone)
            self._put(undone._replace(keys=undone.keys ^ _UNDONE, values=-undone.values), taken, found)

    def derive(self, rows: Places) -> Moved:
        """Let what follows from the entries of some cases (ascending) hold; what was told of them before."""
        moved = self._of(rows)
        at = moved.entries
        went = self._course(at, moved.local, rows.size)
        columns = self._columns
        columns["left"][at], columns["book"][at] = went.left, went.book
        stands = went.counts & ((went.left != 0) | (columns["kind"][at] <= COUNT))
        columns["state"][at] = np.where(stands, _TOLD, 0) | np.where(went.differs, _DIFFERS, 0)
        self._first[rows] = went.first
        self._opened[rows] = np.maximum(went.opened, self.layout.since)  # announced: not before all are
        return moved

    def tell(
        self, moved: Moved, rows: Places, keys: Hashes, cases: Cases, restate: Mask | None
    ) -> list[ItemsTold]:
        """What has changed, given the old and new columns of the cases in ``rows`` (with ``keys``) side by side."""
        return [*self._tell_entries(moved, cases, restate), *self._tell_cases(moved, rows, keys, restate)]

    def standing(self, rows: Places, keys: Hashes, cases: Cases) -> list[ItemsTold]:
        """All that the entries of some cases tell; nothing was told before."""
        moved = self._of(rows)
        nothing = moved._replace(
            state=np.zeros_like(moved.state),
            first=np.full_like(moved.first, NEVER),
            opened=np.full_like(moved.opened, NEVER),
        )
        return self.tell(nothing, rows, keys, cases, None)

    def pass_time(self, now: int) -> None:
        """Fold what is older than the horizon, now and then."""
        horizon = self.layout.process.balances[self.name].horizon_ms
        step = max(1, horizon // _STEPS)
        floor = (now - horizon) // step * step
        if floor <= self.floor:
            return
        self.floor = floor
        old = np.flatnonzero(self._columns["time"][: len(self)] < floor)
        if old.size:
            self._fold(np.unique(self._chains.case[old]).astype(np.intp))

    def sums(self, rows: Places) -> Mapping[str, Numbers]:
        """What each of some cases (ascending) has come to: the balance, and of its last count what was counted, the
        book and the difference; ``NULL`` where that is not known.
        """
        moved = self._of(rows)
        level = np.zeros(rows.size, np.int64)
        np.add.at(level, moved.local, moved.left)
        known = (moved.opened != NEVER) & (moved.first != NEVER)
        counted, book, difference = (np.full(rows.size, NULL) for _ in range(3))
        at = np.flatnonzero(moved.state & _DIFFERS)
        value = self._columns["value"][moved.entries]
        counted[moved.local[at]], book[moved.local[at]] = value[at], moved.book[at]
        difference[moved.local[at]] = value[at] - moved.book[at]
        return {
            self.name: np.where(known, level, NULL),
            f"{self.name}.counted": counted,
            f"{self.name}.book": book,
            f"{self.name}.difference": difference,
        }

    def arrays(self, cases: int) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name."""
        n = len(self)
        return {
            "keys": self._index.keys().copy(),
            **{name: column[:n].copy() for name, column in self._columns.items()},
            "first": self._first[:cases].copy(),
            "opened": self._opened[:cases].copy(),
            "floor": np.array([self.floor]),
            **self._chains.arrays(n, cases),
        }

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays`` was taken from."""
        self._index = Index(arrays["keys"])
        self._hold({name: arrays[name] for name in _COLUMNS})
        self._first, self._opened = (grown(arrays[name], _LEAST, NEVER) for name in ("first", "opened"))
        self.floor = int(arrays["floor"][0])
        self._chains.load(arrays)

    def _read(self, taken: Taken) -> Iterator[_Said]:
        """What the events of each step say."""
        for hit, part in taken.parts():
            for number, (kind, read) in enumerate(self._tracks.get(hit.step, ())):
                values = read(hit)
                at = (values != NULL).nonzero()[0]
                salt = np.array([kind * 64 + number + 1], np.uint64)
                keys = item_keys(item_keys(taken.keys[part][at], hit.hash("identity")[at]), salt)
                yield _Said(kind, at + part.start, keys, values[at], hit.events.again)

    def _put(self, said: _Said, taken: Taken, found: Places) -> None:
        if not said.at.size:
            return
        upserted, before = self._index.upsert(said.keys)
        if len(self) > before:
            self._hold(self._columns)
            self._chains.grow(len(self))
        entries, first = np.unique(upserted, return_index=True)
        at = said.at[first]
        loose = self._chains.case[entries] < 0
        self._chains.link(entries[loose], found[at[loose]])
        columns = self._columns
        columns["time"][entries], columns["tie"][entries] = taken.time[at], taken.tie[at]
        columns["kind"][entries], columns["value"][entries] = said.kind, said.values[first]

    def _blurred(self, time: Numbers, cases: Places) -> Mask:
        """Which instants of these cases lie among movements that have been folded into one."""
        blurred = np.zeros(time.size, np.bool_)
        if not time.size or time.min() >= self.floor:
            return blurred
        entries = self._chains.of(np.unique(cases))
        entries = entries[self._columns["kind"][entries] == FOLDED]
        entries = entries[np.argsort(self._chains.case[entries], kind="stable")]
        owners = self._chains.case[entries]
        first, end = np.searchsorted(owners, cases), np.searchsorted(owners, cases, side="right")
        since, until = self._columns["since"][entries], self._columns["time"][entries]
        for step in range(int((end - first).max())):
            at = np.flatnonzero(first + step < end)
            one = first[at] + step
            blurred[at] |= (since[one] < time[at]) & (time[at] <= until[one])
        return blurred

    def _hold(self, columns: Mapping[str, NDArray[Any]]) -> None:
        size = max(_LEAST, len(self))
        self._columns = {name: grown(column, size, 0) for name, column in columns.items()}

    def _of(self, rows: Places) -> Moved:
        """The entries of some cases (ascending) in order, unchanged."""
        entries = self._chains.of(rows)
        columns = self._columns
        keys = [self._index.keys()[entries], *(columns[name][entries] for name in ("tie", "kind", "time"))]
        entries = entries[np.lexsort([*keys, self._chains.case[entries]])]
        local = np.searchsorted(rows, self._chains.case[entries])
        left, book, state = (columns[name][entries] for name in ("left", "book", "state"))
        return Moved(entries, local, left, book, state, self._first[rows], self._opened[rows])

    def _course(self, entries: Codes, local: Places, cases: int) -> Course:
        columns = self._columns
        listed = Entries(local, *(columns[name][entries] for name in ("time", "kind", "value")))
        since = NEVER if self.layout.process.opening is Opening.EACH else self.layout.since
        return course(listed, np.full(cases, since), self._openers)

    def _tell_entries(self, moved: Moved, cases: Cases, restate: Mask | None) -> list[ItemsTold]:
        entries, local = moved.entries, moved.local
        if not self._entry_stories or not entries.size:
            return []
        case = np.concatenate([local, local + cases.wide.shape[1] // 2])
        columns = self._columns
        both = Told(
            cases,
            case,
            np.tile(columns["time"][entries], 2),
            np.concatenate([moved.state, columns["state"][entries]]),
            np.concatenate([moved.left, columns["left"][entries]]),
            np.concatenate([moved.book, columns["book"][entries]]),
            np.tile(columns["value"][entries], 2),
        )
        lines = [line for story in self._entry_stories for line in story.lines(both)]
        found = differences(self._entry_stories, lines, None if restate is None else restate[local])
        keys = self._index.keys()[entries]
        return [ItemsTold(found, case[found.at], keys[found.at % entries.size])] if found.told else []

    def _tell_cases(self, moved: Moved, rows: Places, keys: Hashes, restate: Mask | None) -> list[ItemsTold]:
        if not self._case_stories:
            return []
        first = np.concatenate([moved.first, self._first[rows]])
        opened = np.concatenate([moved.opened, self._opened[rows]])
        lines = [line for story in self._case_stories for line in opening_lines(story.feed, first, opened)]
        found = differences(self._case_stories, lines, restate)
        return [ItemsTold(found, found.at, keys[found.at % rows.size])] if found.told else []

    def _fold(self, rows: Places) -> None:
        """Of what happened before the floor keep, per case: the first entry, the opening, what came to the book of the
        last count, that count, and what came after it.
        """
        moved = self._of(rows)
        entries, local, columns = moved.entries, moved.local, self._columns
        time, kind = columns["time"][entries], columns["kind"][entries]
        went = self._course(entries, local, rows.size)
        old = (time < self.floor) & (kind != WITHDRAWN)
        place = np.arange(entries.size)
        states = old & went.counts & (kind <= COUNT)
        last, opening = np.full(rows.size, -1), np.full(rows.size, entries.size)
        np.maximum.at(last, local[states], place[states])
        opens = states & ~went.differs
        np.minimum.at(opening, local[opens], place[opens])
        at = last[local]
        kept = states & ((place == at) | (place == opening[local]) | (time == time[at]))
        group = local * 3 + np.where(went.counts, np.where(place < at, 1, 2), 0)
        merged = np.flatnonzero(old & ~kept)
        amount = np.zeros(rows.size * 3, np.int64)
        np.add.at(amount, group[merged], went.left[merged])
        ends = np.full(rows.size * 3, -1)
        early = merged[~went.counts[merged]][::-1]
        for each in (merged, early):  # of repeated indices numpy keeps the last
            ends[group[each]] = each
        one = ends[ends >= 0]
        before = np.zeros(rows.size * 3, np.int64)
        before[group[merged[::-1]]] = went.book[merged[::-1]]
        since = np.full(rows.size * 3, NEVER)
        begun = np.where(kind == FOLDED, columns["since"][entries], time)
        np.minimum.at(since, group[merged], begun[merged])
        columns["since"][entries[one]] = since[group[one]]
        columns["kind"][entries[one]] = FOLDED
        columns["value"][entries[one]] = columns["left"][entries[one]] = amount[group[one]]
        columns["book"][entries[one]] = before[group[one]]
        columns["state"][entries[one]] = np.where(amount[group[one]] != 0, _TOLD, 0)
        going = (time < self.floor) & ~kept
        going[one] = False
        self._forget(entries[going])

    def _forget(self, entries: Codes) -> None:
        """These are no more; the chains of their cases are linked anew."""
        kept = np.ones(len(self), np.bool_)
        kept[entries] = False
        cases, size = self._chains.case[: kept.size][kept], self._first.size
        self._index.keep(kept)
        self._hold({name: column[: kept.size][kept] for name, column in self._columns.items()})
        self._chains = Chains()
        self._chains.reserve(size)
        self._chains.grow(len(self))
        self._chains.link(np.arange(len(self), dtype=np.int32), cases.astype(np.intp))


class _Said(NamedTuple):
    """What events say: which of those that were taken, under which keys; ``again``: for the second time."""

    kind: int
    at: Places
    keys: Hashes
    values: Numbers
    again: bool

    def take(self, at: Places) -> _Said:
        return self._replace(at=self.at[at], keys=self.keys[at], values=self.values[at])


class Told(NamedTuple):
    """Entries twice, as they were told and as they are now; ``case`` is the position of each one's case."""

    cases: Cases
    case: Places
    time: Numbers
    state: Codes
    left: Numbers
    book: Numbers
    value: Numbers


class EntryStory(NamedTuple):
    """How a feed reads entries."""

    feed: BalanceFeed | CountFeed
    signs: tuple[int, ...]
    lines: Callable[[Told], Sequence[Line]]
    number: str | None = QUANTITY


def scale_of(layout: Layout, balance: Balance) -> int:
    """The decimal digits of a balance: those of the most exact quantity."""
    quantities = (layout.process.quantities[name] for name in balance.quantities)
    return max((layout.field(one.step, one.field).scale for one in quantities), default=0)


Read = Callable[[Hits], Numbers]
_COLUMNS: Mapping[str, type] = {
    "time": np.int64, "since": np.int64, "value": np.int64, "left": np.int64, "book": np.int64,
    "tie": np.int32, "kind": np.int8, "state": np.int8,
}  # fmt: skip
_OPENERS: Mapping[Opening | None, tuple[int, ...]] = {
    None: (OPENING,),
    Opening.ANNOUNCED: (OPENING,),
    Opening.EACH: (OPENING, COUNT),
}


def _tracks(layout: Layout, balance: Balance, scale: int) -> Iterator[tuple[str, list[tuple[int, Read]]]]:
    """Step → what its events are to the balance, and how their value is read."""
    stated = [(name, kind) for name, kind in ((balance.opening, OPENING), (balance.count, COUNT)) if name]
    by_step: dict[str, list[tuple[int, Read]]] = {}
    for name, kind, factor in [
        *((name, MOVEMENT, factor) for name, factor in balance.changes.items()),
        *((name, kind, 1) for name, kind in stated),
    ]:
        quantity = layout.process.quantities[name]
        digits = scale - layout.field(quantity.step, quantity.field).scale
        by_step.setdefault(quantity.step, []).append((kind, _reader(quantity.field, factor * 10**digits)))
    yield from by_step.items()


def _reader(field: str, factor: int) -> Read:
    def read(hit: Hits) -> Numbers:
        amounts = hit.number(field)
        return np.where(amounts == NULL, NULL, amounts * factor)

    return read


def _story(layout: Layout, feed: BalanceFeed | CountFeed) -> EntryStory:
    if isinstance(feed, CountFeed):
        number = _DIFFERENCES[feed.what]
        return EntryStory(
            feed, (1,), lambda told: [(_when(told, (told.state & _DIFFERS) != 0), number(told))]
        )

    def lines(told: Told) -> Sequence[Line]:
        counts = (told.state & _TOLD) != 0
        after, left = (
            valued(layout, feed.price, told.cases, told.case, amounts)
            for amounts in (told.book + told.left, told.left)
        )
        return [(_when(told, counts & chosen), number) for chosen, number in in_and_out(after, left)]

    return EntryStory(feed, (1, -1), lines)


def _when(told: Told, counts: Mask) -> Numbers:
    return np.where(counts, told.time, NEVER)


_DIFFERENCES: Mapping[str, Callable[[Told], Numbers]] = {
    "difference": lambda told: told.value - told.book,
    "absolute_difference": lambda told: np.abs(told.value - told.book),
    "counted": lambda told: told.value,
    "book": lambda told: told.book,
}
DIFFERENCES = tuple(_DIFFERENCES)
"""What can be asked of a count."""
