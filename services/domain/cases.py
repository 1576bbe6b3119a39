"""The cases of one process in one partition: what each has been through, and what that adds to the measures.

A case is a row: the first occurrence of each step by (event time, identity), the attributes and due times read from
those events, and its last activity. Folding is commutative: an event may precede its opener, and what was told of a
case is taken back and told anew where a later arrival changes it. Time passes by ``advance`` alone: then due times
that have gone by are told, and closed cases leave after the process's grace (as do those that were never opened). An
event of a case that has left starts it anew.

About 150 bytes per case of six steps, two attributes and two due times, and its id.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from services.domain.balances import Balances
from services.domain.case_columns import (
    LAST_TIE,
    LONG_AGO,
    NEVER,
    Captured,
    Cases,
    Layout,
    distinct,
    earliest,
)
from services.domain.case_events import CaseEvents, Taken, hits, named, promised
from services.domain.case_rows import CaseRows, Facts
from services.domain.catalogue import EventType, Opening, Process
from services.domain.contributions import (
    KEPT,
    cohort_story,
    differences,
    promise_story,
    promises,
    quantity_story,
    story,
)
from services.domain.index import Index, first_of_each
from services.domain.items import Items, ItemsTold
from services.domain.program import (
    BalanceFeed,
    CohortFeed,
    ConversionFeed,
    CountFeed,
    DueFeed,
    Feed,
    Filter,
    OpeningFeed,
    OverdueFeed,
    Program,
    QuantityFeed,
    process_of,
)
from services.domain.rows import NULL, Columns, Mask, Numbers, Places, Strings
from services.domain.snapshots import prefixed, under
from services.domain.texts import Texts
from services.domain.trails import Trails

_BLOCK = 65_536
_SPARSE = 1_024


class CaseTable:
    """The cases of ``process``; ``feeds`` are those of its feeds that measures read.

    ``filters`` are the compiled filters of its steps, by step. ``strings`` are the partition's: codes of string
    attributes refer to them. ``dimensions`` are the attributes that cubes are split by: those that are no strings
    read as codes of their texts too.
    """

    def __init__(
        self,
        process: Process,
        events: Mapping[str, EventType],
        feeds: Collection[Feed],
        strings: Strings,
        filters: Mapping[str, Filter] | None = None,
        *,
        dimensions: Collection[str] = (),
    ) -> None:
        self.process = process
        self.strings = strings
        self.layout = layout = Layout(process, events)
        self.now = LONG_AGO
        self._filters = filters or {}
        self._rows = CaseRows(layout, strings, dimensions)
        self._steps: dict[str, list[str]] = {}
        for step in process.steps:
            self._steps.setdefault(step.event, []).append(step.name)
        mine = [feed for feed in feeds if process_of(feed) == process.name]
        dues = [feed for feed in mine if isinstance(feed, DueFeed | OverdueFeed)]
        quantities = [
            cohort_story(feed) if isinstance(feed, CohortFeed) else quantity_story(layout, feed, strings)
            for feed in mine
            if isinstance(feed, QuantityFeed | CohortFeed)
        ]
        self._stories = [
            story(layout, feed, strings)
            for feed in mine
            if not isinstance(feed, QuantityFeed | CohortFeed)
            and not any(_is_of(feed, name) for name in process.balances)
            and (not isinstance(feed, DueFeed | OverdueFeed) or feed.due in layout.case_dues)
        ]
        self.trails = Trails(layout, quantities) if layout.current or process.movements else None
        self.balances = {
            name: Balances(layout, name, [feed for feed in mine if _is_of(feed, name)])
            for name in process.balances
        }
        self._pending = [(due, "first") for due in layout.case_dues.values()]
        self._pending += [(layout.case_dues[name], "current") for name in layout.current]
        self._kept = {
            (feed.due, feed.promise) for feed in dues if isinstance(feed, DueFeed) and feed.outcome in KEPT
        }
        self._awaited = {
            (layout.step[feed.start], feed.within_ms)
            for feed in mine
            if isinstance(feed, ConversionFeed | CohortFeed) and feed.within_ms > process.grace_ms
        }
        self.items = {
            due.name: Items(due, [promise_story(feed) for feed in dues if feed.due == due.name])
            for due in layout.item_dues.values()
        }
        decisive = {layout.step[process.opens], *layout.ends}
        self._decisive = sorted(decisive | {layout.step[due.until] for due in layout.item_dues.values()})
        self._captured: dict[str, list[Captured]] = {}
        for capture in layout.captured:
            self._captured.setdefault(capture.step, []).append(capture)
        self._index = Index()
        self._ids = Texts()
        self._wide = np.empty((0, layout.empty_wide.size), np.int64)
        self._narrow = np.empty((0, layout.empty_narrow.size), np.int32)
        self._next = np.empty(0, np.int64)
        self._scratch = np.empty(0, np.intp)
        self._soonest = NEVER
        self._left = 0

    @classmethod
    def of(cls, program: Program, process: str, strings: Strings) -> CaseTable:
        """An empty table for all that a program asks of one of its processes."""
        catalogue = program.catalogue
        cubes = [
            (cube, feeds)
            for cube in program.cubes
            if (feeds := [m.feed for m in cube.measures if process_of(m.feed) == process])
        ]
        return cls(
            catalogue.processes[process],
            catalogue.events,
            dict.fromkeys(feed for _, feeds in cubes for feed in feeds),
            strings,
            filters={
                step: chosen for (name, step), chosen in program.step_filters.items() if name == process
            },
            dimensions={name for cube, _ in cubes for name in cube.dimensions},
        )

    def __len__(self) -> int:
        """How many rows there are, those of cases that have just left among them."""
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        own = sum(balance.nbytes for balance in self.balances.values()) + (
            self._wide.nbytes
            + self._narrow.nbytes
            + self._next.nbytes
            + self._scratch.nbytes
            + self._index.nbytes
            + self._ids.nbytes
        )
        trails = self.trails.nbytes if self.trails is not None else 0
        return own + trails + sum(items.nbytes for items in self.items.values())

    def case_id(self, row: int) -> str:
        """The id of the case in ``row``."""
        return self._ids[row]

    def find(self, key: int) -> int:
        """The row of the case whose id hashes to ``key``; -1 where it is not known."""
        return int(self._index.find(np.array([key], np.uint64))[0])

    def cases(self, rows: Places | slice) -> Cases:
        """A transposed copy of some rows."""
        wide, narrow = self._wide[: len(self)][rows], self._narrow[: len(self)][rows]
        return Cases(self.layout, np.ascontiguousarray(wide.T), np.ascontiguousarray(narrow.T))

    def times(self, step: str, rows: Places) -> Numbers:
        """When the cases in ``rows`` first reached a step (``NEVER``: not yet)."""
        times: Numbers = self._wide[rows, self.layout.step[step]]
        return times

    def update(self, batch: Sequence[CaseEvents]) -> list[Facts]:
        """Fold events, in any order; tell what has changed, as facts with weight ±1 per feed.

        Facts have the number ``time`` (when they count), the numbers of their feed (``duration``, ``lateness``,
        ``converted``), the case's attributes, and the hashes ``case`` and ``identity``.
        """
        chosen = [hit for events in batch for hit in hits(events, self._steps, self._filters)]
        if not chosen:
            return []
        taken = Taken(chosen)
        upserted, before = self._index.upsert(taken.keys)
        found = upserted.astype(np.intp)
        if len(self) > before:
            self._admit(found, before, taken)
        return self._change(taken, found, self._apply, _add)

    def take_back(self, gone: Sequence[CaseEvents]) -> list[Facts]:
        """Events never happened after all: where one of them stands as a step, the step has not happened, and its
        fields are not known. What else happened of it is then to be folded again by ``update``.
        """
        chosen = [hit for events in gone for hit in hits(self.known(events), self._steps, self._filters)]
        if not sum(hit.size for hit in chosen):
            return []
        taken = Taken(chosen)
        return self._change(taken, self._index.find(taken.keys).astype(np.intp), self._withdraw, _withdraw)

    def known(self, events: CaseEvents) -> CaseEvents:
        """Those of some events whose cases are here."""
        return replace(events, only=(self._index.find(events.keys) >= 0).nonzero()[0], again=True)

    def forgotten(self, type_: str) -> int:
        """Up to when events of a type have been folded into balances, so that one that comes now may be a repetition
        of what nobody remembers; ``LONG_AGO`` where there is no such time.
        """
        steps = self._steps.get(type_, ())
        return max(
            (one.floor for one in self.balances.values() if not one.steps.isdisjoint(steps)), default=LONG_AGO
        )

    def open_at(self, instant: int) -> list[Facts]:
        """The process is opened at ``instant``: what was told under another opening is taken back and told anew."""
        if self.process.opening is not Opening.ANNOUNCED or instant == self.layout.since:
            return []
        told = [negated(facts) for facts in self.standing()]
        self.layout.since = instant
        for balance in self.balances.values():
            balance.derive(np.arange(len(self)))
        return [*told, *self.standing()]

    def _change(
        self,
        taken: Taken,
        found: Places,
        change: Callable[[Taken, Places, Cases], None],
        trail: Callable[[Trails | Balances, Taken, Places], None],
    ) -> list[Facts]:
        """Let ``change`` work on the cases that are ``found`` (and ``trail`` on what is kept of their events); tell
        what differs.
        """
        rows, local = distinct(found, self._scratch)
        n = rows.size
        cases = self._side_by_side(rows)
        new = Cases(self.layout, cases.wide[:, n:], cases.narrow[:, n:])
        change(taken, local + n, cases)
        moved = None
        if self.trails is not None:
            trail(self.trails, taken, found)
            moved = self.trails.derive(rows, new)
        self._wide[rows], self._narrow[rows] = new.wide.T, new.narrow.T
        restate = self._restated(cases, n)
        told = self._tell(cases, rows, self.now, restate)
        told += self._update_items(taken, found, rows, cases, restate)
        if self.trails is not None and moved is not None:
            told += self._item_facts(self.trails.tell(moved, cases, self.now, restate), rows, cases)
        for balance in self.balances.values():
            trail(balance, taken, found)
            changes = balance.tell(balance.derive(rows), rows, self._index.keys()[rows], cases, restate)
            told += self._item_facts(changes, rows, cases)
        self._schedule(rows, new)
        return told

    def advance(self, now: int) -> list[Facts]:
        """Engine time passes (it never goes back): due times go by, closed cases leave after their grace.

        When a case leaves depends on when this is called relative to ``update``: call it where the log says so.
        """
        if now <= self.now:
            return []
        before, self.now = self.now, now
        told = []
        for balance in self.balances.values():
            balance.pass_time(now)
        for items in self.items.values():
            passing = items.passing(before, now)
            if passing.size:
                rows = np.unique(items.cases_of(passing)).astype(np.intp)
                cases = self._side_by_side(rows)
                told += self._item_facts(items.pass_time(passing, rows, cases, before, now), rows, cases)
        if self._soonest > now:
            return told
        rows = (self._next[: len(self)] <= now).nonzero()[0]
        cases = self._side_by_side(rows)
        moments = np.repeat(np.array([before, now]), rows.size)
        told = self._tell(cases, rows, moments, None) + told
        if self.trails is not None:
            changed = self.trails.tell(self.trails.of(rows), cases, moments, None)
            told += self._item_facts(changed, rows, cases)
        old = Cases(self.layout, cases.wide[:, : rows.size], cases.narrow[:, : rows.size])
        self._leave(rows[self._leaves(rows, old) <= now])
        self._schedule(rows, self.cases(rows))
        if self._left > max(_SPARSE, len(self) // 4):
            self._compact()
        self._soonest = int(self._next[: len(self)].min(initial=NEVER))
        return told

    def standing(self) -> Iterator[Facts]:
        """All that the cases held say now, as if told at once: what a new measure starts from."""
        for start in range(0, len(self), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(self)))
            cases = self._side_by_side(rows)
            cases.wide[:, : rows.size] = self.layout.empty_wide[:, None]
            cases.narrow[:, : rows.size] = self.layout.empty_narrow[:, None]
            yield from self._tell(cases, rows, self.now, None)
            for items in self.items.values():
                yield from self._item_facts(items.standing(rows, cases, self.now), rows, cases)
            if self.trails is not None:
                told = self.trails.tell(self.trails.of(rows), cases, self.now, None)
                yield from self._item_facts(told, rows, cases)
            for balance in self.balances.values():
                yield from self._item_facts(
                    balance.standing(rows, self._index.keys()[rows], cases), rows, cases
                )

    def adopt(self, other: CaseTable) -> None:
        """Take over the cases of a table of the same process (under another catalogue that left it as it was)."""
        meta, arrays = other.arrays()
        self.load(meta, arrays)

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything: a small JSON head, and one-dimensional arrays by name."""
        n = len(self)
        arrays: dict[str, NDArray[Any]] = {
            "keys": self._index.keys().copy(),
            "wide": self._wide[:n].flatten(),
            "narrow": self._narrow[:n].flatten(),
            "ids": np.frombuffer(self._ids.blob, np.uint8),
            "offsets": self._ids.offsets,
        }
        for name, items in self.items.items():
            arrays |= {f"item.{name}.{part}": array for part, array in items.arrays(n).items()}
        if self.trails is not None:
            arrays |= prefixed("trails", self.trails.arrays(n))
        for name, balance in self.balances.items():
            arrays |= prefixed(f"balance {name}", balance.arrays(n))
        return {"now": self.now}, arrays

    def load(self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave, of a table of the same process."""
        self.now = meta["now"]
        self._index = Index(arrays["keys"])
        n = len(self)
        self._wide = np.array(arrays["wide"]).reshape(n, self.layout.empty_wide.size)
        self._narrow = np.array(arrays["narrow"]).reshape(n, self.layout.empty_narrow.size)
        self._ids = Texts(arrays["ids"].tobytes(), arrays["offsets"])
        self._next = np.empty(n, np.int64)
        self._scratch = np.empty(n, np.intp)
        self._soonest = NEVER
        self._left = int(np.count_nonzero(self._wide[:, self.layout.last] == LONG_AGO))
        for name, items in self.items.items():
            prefix = f"item.{name}."
            items.load(
                {
                    part.removeprefix(prefix): array
                    for part, array in arrays.items()
                    if part.startswith(prefix)
                }
            )
        if self.trails is not None:
            self.trails.load(under("trails", arrays))
        for name, balance in self.balances.items():
            balance.load(under(f"balance {name}", arrays))
        for start in range(0, n, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, n))
            self._schedule(rows, self.cases(rows))

    def _admit(self, found: Places, before: int, taken: Taken) -> None:
        """Make room for rows from ``before`` on, and write down their ids."""
        n = len(self)
        at = (found >= before).nonzero()[0]
        if at.size > n - before:
            at = at[first_of_each(found[at] - before)]
        for hit, own, _ in taken.among(at):
            self._ids.extend(hit.texts("", own))
        if n > self._next.size:
            size = max(64, n, n * 9 // 8)
            self._wide = _taller(self._wide, size, self.layout.empty_wide)
            self._narrow = _taller(self._narrow, size, self.layout.empty_narrow)
            self._next = np.concatenate([self._next, np.full(size - self._next.size, NEVER)])
            self._scratch = np.empty(size, np.intp)
        self._wide[before:n], self._narrow[before:n] = self.layout.empty_wide, self.layout.empty_narrow
        for items in self.items.values():
            items.reserve(n)
        if self.trails is not None:
            self.trails.reserve(n)
        for balance in self.balances.values():
            balance.reserve(n)

    def _side_by_side(self, rows: Places) -> Cases:
        """The rows twice, transposed: the first half stays as it was, the second is worked on."""
        n = rows.size
        wide = np.empty((self._wide.shape[1], 2 * n), np.int64)
        narrow = np.empty((self._narrow.shape[1], 2 * n), np.int32)
        wide[:, :n] = self._wide.take(rows, axis=0).T
        narrow[:, :n] = self._narrow.take(rows, axis=0).T
        wide[:, n:], narrow[:, n:] = wide[:, :n], narrow[:, :n]
        return Cases(self.layout, wide, narrow)

    def _apply(self, taken: Taken, new: Places, cases: Cases) -> None:
        """Let the earliest of each case's events stand as its step, and keep its fields.

        ``new`` are the places of the cases at work; steps have the same place in both matrices.
        """
        np.maximum.at(cases.last, new, taken.time)
        width = cases.wide.shape[1]
        starts = [self.layout.step[hit.step] * width for hit in taken.hits]
        place = new + np.repeat(starts, taken.sizes)
        times, ties = cases.wide.ravel(), cases.narrow.ravel()
        time = times[place]
        before = (taken.time < time) | ((taken.time == time) & (taken.tie < ties[place]))
        at = before.nonzero()[0]
        at = at[earliest(place[at], taken.time[at], taken.tie[at], times)]
        times[place[at]], ties[place[at]] = taken.time[at], taken.tie[at]
        for hit, own, part in taken.among(at):
            for capture in self._captured.get(hit.step, ()):
                if capture.narrow:
                    cases.narrow[capture.column][new[at[part]]] = hit.narrow(capture)[own]
                elif capture.due is not None:
                    times_due = promised(hit, capture.due, capture.type, own)
                    cases.wide[capture.column][new[at[part]]] = times_due
                else:
                    values = hit.number(capture.field)[own]
                    values = np.where(values == NULL, capture.absent, values)
                    cases.wide[capture.column][new[at[part]]] = values

    def _withdraw(self, taken: Taken, new: Places, cases: Cases) -> None:
        """Undo the steps that these events made."""
        for hit, part in taken.parts():
            times, ties = cases.time(hit.step), cases.narrow[self.layout.step[hit.step]]
            at = new[part]
            at = at[(times[at] == taken.time[part]) & (ties[at] == taken.tie[part])]
            times[at], ties[at] = NEVER, LAST_TIE
            for capture in self._captured.get(hit.step, ()):
                (cases.narrow if capture.narrow else cases.wide)[capture.column][at] = capture.absent

    def _restated(self, cases: Cases, n: int) -> Mask | None:
        """The cases that have other attributes now."""
        changed: Mask | None = None
        for capture in self.layout.attributes.values():
            values = (cases.narrow if capture.narrow else cases.wide)[capture.column]
            differs = values[:n] != values[n:]
            changed = differs if changed is None else changed | differs
        return changed

    def _schedule(self, rows: Places, cases: Cases) -> None:
        """Write down when the truth about these cases can next change without an event."""
        soonest = self._leaves(rows, cases)
        for due, promise in self._pending:
            at = promises(cases, due, self.now, promise)
            counts = at.stop > at.due
            if (due.name, promise) in self._kept:
                counts |= at.until <= at.due
            pending = (at.due > self.now) & counts
            soonest = np.minimum(soonest, np.where(pending, at.due, NEVER))
        self._next[rows] = soonest
        self._soonest = min(self._soonest, int(soonest.min(initial=NEVER)))

    def _leaves(self, rows: Places, cases: Cases) -> Numbers:
        """When each case leaves: its grace after the last event, once it is closed or where it was never opened; but
        not before it has been told whether it kept its due times, or what it has come to in time, where that is asked.
        With a balance it stays.
        """
        if self.balances:
            return np.full(rows.size, NEVER)
        done = ((cases.ended != NEVER) | (cases.opened == NEVER)) & (cases.last != LONG_AGO)
        leaves = cases.last + self.process.grace_ms
        for name, promise in self._kept:
            if name in self.items:
                leaves = np.maximum(leaves, self.items[name].latest(rows))
                continue
            due = cases.due(self.layout.case_dues[name], promise)
            leaves = np.where(due == NEVER, leaves, np.maximum(leaves, due))
        for column, within in self._awaited:
            since = cases.wide[column]
            leaves = np.where(since == NEVER, leaves, np.maximum(leaves, since + within))
        return np.where(done, leaves, NEVER)

    def _leave(self, rows: Places) -> None:
        self._wide[rows], self._narrow[rows] = self.layout.empty_wide, self.layout.empty_narrow
        for items in self.items.values():
            items.leave(rows)
        if self.trails is not None:
            self.trails.leave(rows)
        self._left += rows.size

    def _compact(self) -> None:
        n = len(self)
        kept = self._wide[:n, self.layout.last] != LONG_AGO
        moved = self._index.keep(kept)
        self._ids.keep(kept)
        self._wide, self._narrow, self._next = (
            self._wide[:n][kept],
            self._narrow[:n][kept],
            self._next[:n][kept],
        )
        self._scratch = np.empty(self._next.size, np.intp)
        for items in self.items.values():
            items.keep(moved, len(self))
        if self.trails is not None:
            self.trails.keep(moved, len(self))
        self._left = 0

    def _tell(self, cases: Cases, rows: Places, now: Numbers | int, restate: Mask | None) -> list[Facts]:
        if not self._stories:
            return []
        lines = [line for told in self._stories for line in told.lines(cases, now)]
        found = differences(self._stories, lines, restate)
        if not found.told:
            return []
        keys = self._index.keys()[rows[found.at % rows.size]]
        return [self._rows.of(found, cases, found.at, keys, keys)]

    def _update_items(
        self,
        taken: Taken,
        found: Places,
        rows: Places,
        cases: Cases,
        restate: Mask | None,
    ) -> list[Facts]:
        if not self.items:
            return []
        n = rows.size
        decisive = cases.wide[self._decisive]
        changed = (decisive[:, :n] != decisive[:, n:]).any(axis=0)
        if restate is not None:
            changed |= restate
        told = []
        for items in self.items.values():
            field = self.layout.field(items.due.step, items.due.item or "")
            events = list(named(taken, items.due, self.layout.due_type(items.due), field, found))
            changes = items.update(rows, changed, events, cases, now=self.now, restate=restate)
            told += self._item_facts(changes, rows, cases)
        return told

    def _item_facts(self, told: Sequence[ItemsTold], rows: Places, cases: Cases) -> list[Facts]:
        return [
            self._rows.of(
                item.found, cases, item.case, self._index.keys()[rows[item.case % rows.size]], item.identity
            )
            for item in told
        ]


def _is_of(feed: Feed, balance: str) -> TypeGuard[BalanceFeed | CountFeed | OpeningFeed]:
    return isinstance(feed, BalanceFeed | CountFeed | OpeningFeed) and feed.balance == balance


def negated(facts: Facts) -> Facts:
    """The same, taken back."""

    def back(rows: Columns) -> Columns:
        return replace(rows, weight=None if rows.weight is None else -rows.weight)

    return Facts(back(facts.rows), [(feed, part, back(rows)) for feed, part, rows in facts.feeds])


def _add(kept: Trails | Balances, taken: Taken, found: Places) -> None:
    kept.add(taken, found)


def _withdraw(kept: Trails | Balances, taken: Taken, found: Places) -> None:
    kept.withdraw(taken, found)


def _taller(matrix: NDArray[Any], rows: int, empty: NDArray[Any]) -> NDArray[Any]:
    taller = np.empty((rows, empty.size), empty.dtype)
    taller[: matrix.shape[0]] = matrix
    return taller
