"""What is kept of a case event by event, where the first event of a step is not enough: promises and movements.

An entry is one event under one *track*: a due time that it promises, or an amount that it moves. Entries are chained
to their case and live as long as it does. What follows from all of a case's entries together (its first and current
promise, when it is done, what is left) stands in columns of the case, or beside the entries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import NEVER, Cases, Layout, grown
from services.domain.case_events import Hits, Taken, promised
from services.domain.chains import Chains
from services.domain.contributions import Moves, QuantityStory, differences
from services.domain.index import Index
from services.domain.items import ItemsTold, item_keys
from services.domain.program import CohortFeed
from services.domain.quantities import course, terms
from services.domain.rows import NULL, Codes, Hashes, Mask, Numbers, Places

_LEAST = 64
_WITHDRAWN = -1


class Track(NamedTuple):
    """What is kept of the events of ``steps``: ``read`` gives a value for each (``NULL``: none)."""

    steps: frozenset[str]
    read: Callable[[Hits], Numbers]


class Entries(NamedTuple):
    """What tracks keep: of which of the events that were taken, under which keys (of case, event and track)."""

    track: Codes
    at: Places
    keys: Hashes
    values: Numbers


class Trails:
    """The entries of all cases of one process; ``stories`` are what measures ask of its remainders and quantities,
    which have ``scale`` decimal digits.
    """

    def __init__(self, layout: Layout, stories: Sequence[QuantityStory]) -> None:
        self.layout = layout
        self._stories = stories
        self._tracks = [_promises(layout, name) for name in layout.current]
        self._first = len(self._tracks)
        self._done = _done(layout)
        self.scale = scale_of(layout)
        self._tracks += [_movements(layout, name) for name in layout.process.movements]
        self._by_step: dict[str, list[tuple[int, Track]]] = {}
        for number, track in enumerate(self._tracks):
            for step in track.steps:
                self._by_step.setdefault(step, []).append((number, track))
        self._factors = {name: self._factor(source) for name, source in layout.process.remainders.items()}
        self._index = Index()
        self._chains = Chains()
        self._time = np.full(_LEAST, NEVER)
        self._value = np.zeros(_LEAST, np.int64)
        self._tie, self._track = np.zeros(_LEAST, np.int32), np.zeros(_LEAST, np.int32)
        self._cohorts = {
            name: self._first + number
            for number, name in enumerate(layout.process.quantities)
            if any(isinstance(story.feed, CohortFeed) and story.feed.quantity == name for story in stories)
        }
        asked = (*layout.process.remainders, *self._cohorts)
        self._left = {name: np.zeros(_LEAST, np.int64) for name in asked}

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return (
            self._index.nbytes + self._chains.nbytes + sum(held.nbytes for held in self._columns().values())
        )

    def reserve(self, cases: int) -> None:
        """There are so many rows of cases now."""
        self._chains.reserve(cases)

    def add(self, taken: Taken, found: Places) -> None:
        """Take events, each of the case in row ``found``; one that comes again changes nothing."""
        said = self._read(taken)
        if said is None:
            return
        upserted, before = self._index.upsert(said.keys)
        if len(self) > self._time.size:
            self._hold(self._columns())
        self._chains.grow(len(self))
        entries, first = upserted, np.arange(upserted.size)
        if len(self) - before < upserted.size:  # some are not new, or repeated
            entries, first = np.unique(upserted, return_index=True)
        at = said.at[first]
        loose = self._chains.case[entries] < 0
        self._chains.link(entries[loose], found[at[loose]])
        self._time[entries], self._tie[entries] = taken.time[at], taken.tie[at]
        self._track[entries], self._value[entries] = said.track[first], said.values[first]

    def withdraw(self, taken: Taken, found: Places) -> None:  # noqa: ARG002  # as ``add``
        """These events never happened: their entries count for nothing, until they come again."""
        said = self._read(taken)
        if said is not None:
            entries = self._index.find(said.keys)
            self._track[entries[entries >= 0]] = _WITHDRAWN

    def derive(self, rows: Places, new: Cases) -> Moved:
        """Derive the columns of ``new``, the cases in ``rows`` (ascending), from their entries."""
        moved = self.of(rows)
        self._derive(moved.entries, moved.local, rows.size, new)
        return moved

    def tell(self, moved: Moved, cases: Cases, now: Numbers | int, restate: Mask | None) -> list[ItemsTold]:
        """What has changed for movements, given their cases' old and new columns side by side."""
        entries, local = moved.entries, moved.local
        if not self._stories or not entries.size:
            return []
        n = cases.wide.shape[1] // 2
        times = np.tile(self._time[entries], 2)
        case = np.concatenate([local, local + n])
        left = {
            name: np.concatenate([moved.before[name], held[entries]]) for name, held in self._left.items()
        }
        moves = Moves(cases, case, times, left)
        lines = [line for story in self._stories for line in story.lines(moves, now)]
        keys = self._index.keys()[entries]
        found = differences(self._stories, lines, None if restate is None else restate[local])
        return [ItemsTold(found, case[found.at], keys[found.at % entries.size])] if found.told else []

    def of(self, rows: Places) -> Moved:
        """The entries of some cases (ascending), unchanged."""
        entries = self._sorted(rows)
        local = np.searchsorted(rows, self._chains.case[entries])
        left = {name: held[entries] for name, held in self._left.items()}
        return Moved(entries, local, left)

    def sums(self, rows: Places) -> Mapping[str, Numbers]:
        """Quantity or remainder → how much of it each of the cases (ascending) has come to, with ``scale`` digits."""
        moved = self.of(rows)
        found: dict[str, Numbers] = {}
        for track, name in enumerate(self.layout.process.movements, self._first):
            own = self._track[moved.entries] == track
            found[name] = np.zeros(rows.size, np.int64)
            np.add.at(found[name], moved.local[own], self._value[moved.entries[own]])
        for name in self._factors:
            left = moved.before[name]
            found[name] = np.zeros(rows.size, np.int64)
            np.add.at(found[name], moved.local, left)
        return found

    def leave(self, cases: Places) -> None:
        """The cases have left, and their entries with them."""
        entries = self._chains.leave(cases)
        for left in self._left.values():
            left[entries] = 0

    def keep(self, moved: Codes, cases: int) -> None:
        """Cases have been renumbered (``moved`` gives each old row's new one, -1 last); entries that left go."""
        kept = self._chains.case[: len(self)] >= 0
        entries = self._index.keep(kept)
        self._hold({name: column[: kept.size][kept] for name, column in self._columns().items()})
        self._chains.keep(entries, moved, cases)

    def arrays(self, cases: int) -> dict[str, NDArray[Any]]:
        """A copy of everything, by name, but for what follows from the rest: what measures ask for may change."""
        n = len(self)
        held = {name: self._columns()[name][:n].copy() for name in self._stored()}
        return {"keys": self._index.keys().copy(), **held, **self._chains.arrays(n, cases)}

    def load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays`` was taken from."""
        self._index = Index(arrays["keys"])
        self._hold({**self._columns(), **{name: arrays[name] for name in self._stored()}})
        self._chains.load(arrays)
        here = self._chains.case[: len(self)] >= 0
        for name in self._cohorts:
            self._left[name][: len(self)] = np.where(here, self._moved(name, slice(len(self))), 0)

    def _columns(self) -> dict[str, NDArray[Any]]:
        left = {f"left.{name}": held for name, held in self._left.items()}
        return {"time": self._time, "tie": self._tie, "track": self._track, "value": self._value, **left}

    def _stored(self) -> list[str]:
        return [name for name in self._columns() if name.removeprefix("left.") not in self._cohorts]

    def _moved(self, quantity: str, entries: Codes | slice) -> Numbers:
        """What entries have moved of a quantity."""
        own = self._track[entries] == self._cohorts[quantity]
        return np.where(own, self._value[entries], 0)

    def _hold(self, columns: Mapping[str, NDArray[Any]]) -> None:
        size = max(_LEAST, len(self))
        held = {name: grown(column, size, 0) for name, column in columns.items()}
        self._time, self._value = held["time"], held["value"]
        self._tie, self._track = held["tie"], held["track"]
        self._left = {name: held[f"left.{name}"] for name in self._left}

    def _read(self, taken: Taken) -> Entries | None:
        """What the tracks keep of what was taken; None: nothing."""
        found = []
        for hit, part in taken.parts():
            tracks = self._by_step.get(hit.step, ())
            own = item_keys(taken.keys[part], hit.hash("identity")) if tracks else taken.keys[part]
            for number, track in tracks:
                values = track.read(hit)
                at = (values != NULL).nonzero()[0]
                keys = item_keys(own[at], np.array([number + 1], np.uint64))
                found.append(Entries(np.full(at.size, number, np.int32), at + part.start, keys, values[at]))
        return Entries(*map(np.concatenate, zip(*found, strict=True))) if found else None

    def _factor(self, source: str) -> Numbers:
        """By track, how often its entries are added to a remainder; the last is for what was withdrawn."""
        found, factors = np.zeros(len(self._tracks) + 1, np.int64), terms(source)
        for number, name in enumerate(self.layout.process.movements, self._first):
            found[number] = factors.get(name, 0)
        return found

    def _sorted(self, rows: Places) -> Codes:
        """All entries of some cases, in order of (case, time, tie, track)."""
        entries = self._chains.of(rows)
        last = self._tie[entries].astype(np.int64) * (len(self._tracks) + 1) + self._track[entries]
        return entries[np.lexsort([last, self._time[entries], self._chains.case[entries]])]

    def _derive(self, entries: Codes, local: Places, n: int, new: Cases) -> None:
        track, time, value = self._track[entries], self._time[entries], self._value[entries]
        for remainder, factors in self._factors.items():
            factor = factors[track]
            went = course(local, time, factor * value, factor > 0, n)
            self._left[remainder][entries] = went.left
            for column in self._done.get(remainder, ()):
                new.wide[column] = np.where(
                    (new.opened == NEVER) | (went.done == NEVER), NEVER, np.maximum(went.done, new.opened)
                )
        for name in self._cohorts:
            self._left[name][entries] = self._moved(name, entries)
        for number, (name, current) in enumerate(self.layout.current.items()):
            due = self.layout.case_dues[name]
            own = track == number
            first, last = new.wide[self.layout.dues[name].column], new.wide[current.column]
            first[:] = last[:] = NEVER
            backwards = np.flatnonzero(own)[::-1]
            first[local[backwards]] = value[backwards]  # of repeated indices numpy keeps the last
            valid = np.flatnonzero(own & (time <= new.time(due.until)[local]))
            last[local[valid]] = value[valid]
            last[:] = np.where(last == NEVER, first, last)


class Moved(NamedTuple):
    """Entries in order of (case, time), their cases' positions among those at work, and what each left of the
    remainders, or moved of the quantities that are asked for, before (a new one: nothing).
    """

    entries: Codes
    local: Places
    before: Mapping[str, Numbers]


def scale_of(layout: Layout) -> int:
    """The decimal digits of remainders: those of the most exact quantity."""
    quantities = layout.process.movements.values()
    return max((layout.field(one.step, one.field).scale for one in quantities), default=0)


def _done(layout: Layout) -> Mapping[str, Sequence[int]]:
    """Remainder → the columns of the steps that are reached when nothing is left of it."""
    found: dict[str, list[int]] = {}
    for step in layout.process.steps:
        if step.done is not None:
            found.setdefault(step.done, []).append(layout.step[step.name])
    return found


def _promises(layout: Layout, name: str) -> Track:
    due, type_ = layout.case_dues[name], layout.due_type(layout.case_dues[name])

    def read(hit: Hits) -> Numbers:
        times = promised(hit, due, type_)
        return np.where(times == NEVER, NULL, times)

    return Track(frozenset({due.step, *due.renewed_by}), read)


def _movements(layout: Layout, name: str) -> Track:
    quantity = layout.process.movements[name]
    factor = 10 ** (scale_of(layout) - layout.field(quantity.step, quantity.field).scale)

    def read(hit: Hits) -> Numbers:
        amounts = hit.number(quantity.field)
        return np.where(amounts == NULL, NULL, amounts * factor)

    return Track(frozenset({quantity.step}), read)
