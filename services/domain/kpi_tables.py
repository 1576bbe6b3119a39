"""The current window of each KPI: a running aggregate per scope, for the total, each dimension, and all of them.

Changes are added as they come; when the window moves, what leaves it is taken back and what enters it is added.
Values are computed only for scopes that changed, and only as many at a time as the caller asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from services.domain.aggregates import repeat
from services.domain.catalogue import Kpi, KpiType, WindowKind
from services.domain.cube_tables import CubeTable, Delta
from services.domain.formulas import Formula
from services.domain.groups import Groups
from services.domain.readings import Reading, Values, derive
from services.domain.rows import Mask, Numbers, Strings
from services.domain.said import Said, Told
from services.domain.tables import MONOTONE, Table, grown, negated
from services.domain.windows import Span, current_span, pane_length, window_span

_EVER = -(2**63)


class CurrentTable(Protocol):
    """The current values of one KPI."""

    @property
    def kpi(self) -> Kpi:
        """Which."""
        ...

    @property
    def said(self) -> Said:
        """What was last said."""
        ...

    @property
    def nothing(self) -> Values:
        """What it is at a scope of which nothing was heard."""
        ...

    @property
    def pending(self) -> bool:
        """Whether values wait to be told."""
        ...

    def tell(self, budget: int, *, wide: bool = True) -> Told:
        """Compute at most ``budget`` values that may have changed (the total first), of ``wide`` groupings only where
        asked to; those that did change.
        """
        ...

    def set_stale(self, *, stale: bool) -> None:
        """Whether a source that the KPI lives on is silent."""
        ...

    @property
    def span(self) -> Span:
        """The window as of the last move."""
        ...

    def set_incomplete(self, *, incomplete: bool) -> None:
        """Whether a source that the window needs is not complete up to its end."""
        ...

    def touch(self) -> None:
        """All that was said may have changed."""
        ...


class WindowTable:
    """The current values of a KPI that has measures of its own. A group is told as soon as the cube knows a scope of
    it, be it as zero.
    """

    def __init__(self, reading: Reading, cube: CubeTable) -> None:
        self._reading = reading
        self._cube = cube
        self._measures = tuple(dict.fromkeys(part.measure for part in reading.parts))
        self._groups = cube.scopes.groups(reading.program.groupings)
        self._table = Table({part.measure: part.agg for part in reading.parts})
        self._table.grow(self._groups.size)
        self._dirty = self._left(cube.live_scopes())
        self.said = Said(reading.kpi, self._groups)
        self._shown = Span(0, 0)
        self._reach = Span(_EVER, _EVER)
        self._now = 0
        self._stale = self._incomplete = False

    @property
    def kpi(self) -> Kpi:
        """See ``CurrentTable``."""
        return self._reading.kpi

    @property
    def nothing(self) -> Values:
        """See ``CurrentTable``."""
        return self._reading.nothing

    @property
    def pending(self) -> bool:
        """See ``CurrentTable``."""
        return bool(self._dirty.any())

    @property
    def cube(self) -> str:
        """The id of the cube that holds its measures."""
        return self._cube.cube.id

    def add(self, deltas: Sequence[Delta]) -> None:
        """Take changes of the cube."""
        for delta in deltas:
            touched = delta.touches(self._measures)
            if touched.any():
                inside = touched & (delta.pane >= self._reach.start) & (delta.pane < self._reach.end)
                self._add(delta, touched, None if inside.all() else inside)

    def move(self, now: int) -> None:
        """Let the window be that of ``now``; call it after ``add``."""
        self._grow()
        self._now = now
        shown = current_span(self.kpi, now, self._cube.cube.pane_ms)
        endless = self.kpi.type is KpiType.LEVEL or self.kpi.window.kind is WindowKind.ALL_TIME
        reach = Span(_EVER, shown.end) if endless else shown
        old, self._reach = self._reach, reach
        if not endless and shown != self._shown:
            self.touch()
        self._shown = shown
        if reach != old:
            self._shift(old, reach)

    def refresh(self) -> None:
        """Start again from the cells of the cube."""
        self._table.clear()
        self._add_panes(self._reach)

    def set_stale(self, *, stale: bool) -> None:
        """See ``CurrentTable``."""
        if stale != self._stale:
            self._stale = stale
            self.touch()

    def set_incomplete(self, *, incomplete: bool) -> None:
        """See ``CurrentTable``."""
        if incomplete != self._incomplete:
            self._incomplete = incomplete
            self.touch()

    @property
    def span(self) -> Span:
        """See ``CurrentTable``."""
        return self._shown

    def touch(self) -> None:
        """See ``CurrentTable``."""
        self._grow()
        self._dirty[: self._groups.size] |= self.said.known()

    def tell(self, budget: int, *, wide: bool = True) -> Told:
        """See ``CurrentTable``."""
        rows = self._dirty.nonzero()[0]
        rows = (rows if wide else self._groups.narrow(rows))[: max(budget, 0)]
        if not rows.size:
            return Told(self.said, rows)
        self._grow()
        self._dirty[rows] = False
        picked = {one: self._table.pick(one, rows) for one in self._measures}
        found = self._reading.read({part.role: picked[part.measure] for part in self._reading.parts})
        return Told(
            self.said,
            self.said.say(
                rows,
                found,
                self._shown,
                now=self._now,
                stale=self._stale,
                incomplete=self._incomplete,
                immature=self._immature(rows, found.samples),
            ),
        )

    def drop(self, alive: Mask) -> Told:
        """Forget groups none of whose scopes is ``alive``, but for the total; those that had been told."""
        self._grow()
        gone = (~self._left(alive)).nonzero()[0]
        self._dirty[gone] = False
        return Told(self.said, self.said.forget(gone))

    def _add(self, delta: Delta, touched: Mask, inside: Mask | None) -> None:
        """Combine the cells ``inside`` the window (None: all); whatever is ``touched`` is worth a word, if only that it
        is old.
        """
        self._grow()
        groups = self._groups.of_scope[delta.scope]
        rows = (groups if inside is None else np.where(inside[:, None], groups, -1)).ravel()
        for measure in self._measures:
            given = delta.parts.get(measure)
            if given is not None:
                self._table.combine(measure, rows, repeat(given, groups.shape[1]))
        self._dirty[groups if touched.all() else groups[touched]] = True

    def _immature(self, rows: Numbers, samples: Numbers) -> Mask | None:
        """Which of some groups have nothing in the window, but after it; None where a window needs no time to ripen."""
        if not self.kpi.ripens_ms or samples.all():
            return None
        cells = self._cube.between(self._shown.end, self._now + 1)
        held = [self._cube.merged.pick(one, cells).samples != 0 for one in self._measures]
        waiting = np.zeros(self._groups.size, np.bool_)
        scopes = self._cube.scope[cells[np.logical_or.reduce(held)]]
        waiting[self._groups.of_scope[scopes]] = True
        return waiting[rows]

    def _left(self, alive: Mask) -> Mask:
        """The groups of which a full scope is ``alive``; the total always is one."""
        left = np.zeros(self._groups.size, np.bool_)
        left[self._groups.of_scope[: alive.size][alive]] = True
        left[0] = True
        return left

    def _grow(self) -> None:
        """Make room for new groups, which are to be told."""
        known, size = self._table.size, self._groups.size
        if known < size:
            self._table.grow(size)
            self._dirty = grown(self._dirty, size)
            self._dirty[known:size] = True

    def _shift(self, old: Span, new: Span) -> None:
        fixed = any(part.agg in MONOTONE for part in self._reading.parts)
        if (
            new.start >= old.end
            or new.end < old.end
            or new.start < old.start
            or (fixed and new.start > old.start)
        ):
            self.refresh()
            return
        if new.start > old.start:
            self._add_panes(Span(old.start, new.start), back=True)
        if new.end > old.end:
            self._add_panes(Span(old.end, new.end))

    def _add_panes(self, span: Span, *, back: bool = False) -> None:
        """Add, or take back, the cells of the panes that start in ``span``."""
        rows = self._cube.between(span.start, span.end)
        if not rows.size:
            return
        parts = {one: self._cube.merged.pick(one, rows) for one in self._measures}
        if back:
            parts = {one: negated(given) for one, given in parts.items()}
        nothing = np.zeros(rows.size, np.bool_)
        delta = Delta(rows, self._cube.scope[rows], self._cube.pane[rows], nothing, parts)
        touched = delta.touches(self._measures)
        self._add(delta, touched, None if touched.all() else touched)


class _Link:
    """Which row of a derived KPI's table belongs to which group of an input."""

    def __init__(self, table: CurrentTable, own: Groups) -> None:
        self._table = table
        self._own = own
        self._ours = np.empty(0, np.int64)
        self._theirs = np.empty(0, np.int64)
        self._shared = np.array([table.said.groups.has(one) for one in own.groupings])

    def ours(self, theirs: Numbers) -> Numbers:
        """Our rows for groups of the input, made now where they are new; without those of groupings that we lack."""
        self._extend()
        rows: Numbers = self._ours[theirs]
        return rows[rows >= 0]

    def values(self, ours: Numbers) -> Values:
        """What the input last said at our rows: that of nothing where it never spoke of them, no value where it
        lacks the grouping.
        """
        self._extend()
        found = self._table.said.at(self._theirs[ours], self._table.nothing)
        lacking = ~self._shared[self._own.grouping[ours]]
        found.values[lacking], found.samples[lacking] = np.nan, 0
        return found

    def _extend(self) -> None:
        done, keys = self._ours.size, self._table.said.groups.keys
        fresh = [self._own.number(*key) if self._own.has(key[0]) else -1 for key in keys[done:]]
        self._ours = np.concatenate([self._ours, np.array(fresh, np.int64)])
        self._theirs = grown(self._theirs, self._own.size, -1)
        known = (self._ours[done:] >= 0).nonzero()[0] + done
        self._theirs[self._ours[known]] = known


class DerivedTable:
    """The current values of a KPI that is computed from others."""

    def __init__(
        self, reading: Reading, inputs: Mapping[str, CurrentTable], formula: Formula, strings: Strings
    ) -> None:
        self._reading = reading
        self._formula = formula
        self._groups = Groups(reading.program.groupings, strings)
        self._links = {name: _Link(table, self._groups) for name, table in inputs.items()}
        self._dirty = np.ones(1, np.bool_)
        self.said = Said(reading.kpi, self._groups)
        self._pane = pane_length(reading.kpi.window, reading.kpi.grain)
        self._now = 0
        self._stale = self._incomplete = False

    @property
    def kpi(self) -> Kpi:
        """See ``CurrentTable``."""
        return self._reading.kpi

    @property
    def nothing(self) -> Values:
        """See ``CurrentTable``."""
        return self._reading.nothing

    @property
    def pending(self) -> bool:
        """See ``CurrentTable``."""
        return bool(self._dirty.any())

    def move(self, now: int) -> None:
        """Let the window be that of ``now``."""
        self._now = now

    def set_stale(self, *, stale: bool) -> None:
        """See ``CurrentTable``."""
        if stale != self._stale:
            self._stale = stale
            self.touch()

    def set_incomplete(self, *, incomplete: bool) -> None:
        """See ``CurrentTable``."""
        if incomplete != self._incomplete:
            self._incomplete = incomplete
            self.touch()

    @property
    def span(self) -> Span:
        """See ``CurrentTable``."""
        return window_span(self.kpi.window, self._now, self._pane)

    def touch(self) -> None:
        """See ``CurrentTable``."""
        self._mark(self.said.known().nonzero()[0])

    def follow(self, told: Told) -> None:
        """What is computed from what an input has told may have changed."""
        self._mark(self._links[told.said.kpi.name].ours(told.rows))

    def tell(self, budget: int, *, wide: bool = True) -> Told:
        """See ``CurrentTable``."""
        rows = self._dirty.nonzero()[0]
        rows = (rows if wide else self._groups.narrow(rows))[: max(budget, 0)]
        if not rows.size:
            return Told(self.said, rows)
        self._dirty[rows] = False
        found = derive(
            self._formula, {name: link.values(rows) for name, link in self._links.items()}, self.kpi.scale
        )
        return Told(
            self.said,
            self.said.say(
                rows, found, self.span, now=self._now, stale=self._stale, incomplete=self._incomplete
            ),
        )

    def drop(self, gone: Told) -> Told:
        """Forget what an input has forgotten; what of it had been told."""
        return Told(self.said, self.said.forget(self._links[gone.said.kpi.name].ours(gone.rows)))

    def _mark(self, rows: Numbers) -> None:
        self._dirty = grown(self._dirty, self._groups.size)
        self._dirty[rows] = True
