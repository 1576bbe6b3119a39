"""The current window of each KPI: a running aggregate per scope, for the total, each dimension, and all of them.

Changes are added as they come; when the window moves, what leaves it is taken back and what enters it is added.
Values are computed only for scopes that changed, and only as many at a time as the caller asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from services.domain.catalogue import Kpi, KpiType, WindowKind
from services.domain.cube_tables import CubeTable, Delta, Grouping
from services.domain.formulas import Formula
from services.domain.groups import Groups, Texts
from services.domain.readings import Reading, Values, derive
from services.domain.rows import Mask, Numbers, Strings
from services.domain.said import Said, Told
from services.domain.tables import MONOTONE, Table, grown, negated
from services.domain.windows import Span, pane_length, window_span

_EVER = -(2**63)
_WIDE = 200


class CurrentTable(Protocol):
    """The current values of one KPI."""

    @property
    def kpi(self) -> Kpi:
        """Which."""
        ...

    @property
    def said(self) -> Mapping[Texts, Said]:
        """What was last said, by grouping."""
        ...

    @property
    def nothing(self) -> Values:
        """What it is at a scope of which nothing was heard."""
        ...

    @property
    def pending(self) -> bool:
        """Whether values wait to be told."""
        ...

    def tell(self, budget: int, *, wide: bool = True) -> list[Told]:
        """Compute at most ``budget`` values that may have changed (the total first), of ``wide`` groupings only where
        asked to; those that did change.
        """
        ...

    def set_stale(self, *, stale: bool) -> None:
        """Whether a source that the KPI lives on is silent."""
        ...

    def touch(self) -> None:
        """All that was said may have changed."""
        ...


def is_wide(groups: Groups) -> bool:
    """Whether a grouping has so many groups that they are told less often under load."""
    return groups.size > _WIDE


class _Running:
    """Running aggregates of one grouping. A group is told as soon as the cube knows a scope of it, be it as zero."""

    def __init__(self, reading: Reading, grouping: Grouping, alive: Mask) -> None:
        self.grouping = grouping
        self.table = Table({part.measure: part.agg for part in reading.parts})
        self.dirty = self.left(alive)
        self.table.grow(grouping.size)

    def grow(self) -> None:
        """Make room for new groups, which are to be told."""
        if self.table.size < self.grouping.size:
            self.table.grow(self.grouping.size)
            self.dirty = grown(self.dirty, self.grouping.size, 1)

    def left(self, alive: Mask) -> Mask:
        """The groups of which a full scope is ``alive``; the total always is one."""
        left = np.full(self.grouping.size, not self.grouping.dimensions, np.bool_)
        left[self.grouping.of_scope[: alive.size][alive]] = True
        return left

    def add(self, delta: Delta, touched: Mask, inside: Mask | None, measures: Sequence[str]) -> None:
        """Combine the cells ``inside`` the window (None: all); whatever is ``touched`` is worth a word, if only that it
        is old.
        """
        self.grow()
        groups = self.grouping.of_scope[delta.scope]
        rows = groups if inside is None else np.where(inside, groups, -1)
        for measure in measures:
            given = delta.parts.get(measure)
            if given is not None:
                self.table.combine(measure, rows, given)
        self.dirty[groups[touched]] = True


class WindowTable:
    """The current values of a KPI that has measures of its own."""

    def __init__(self, reading: Reading, cube: CubeTable) -> None:
        self._reading = reading
        self._cube = cube
        self._measures = tuple(dict.fromkeys(part.measure for part in reading.parts))
        alive = cube.live_scopes()
        self._groups = [
            _Running(reading, cube.scopes.grouping(one), alive) for one in reading.program.groupings
        ]
        self.said = {one.grouping.dimensions: Said(reading.kpi, one.grouping) for one in self._groups}
        self._shown = Span(0, 0)
        self._reach = Span(_EVER, _EVER)
        self._now = 0
        self._stale = False

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
        return any(groups.dirty[: groups.grouping.size].any() for groups in self._groups)

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
        for groups in self._groups:
            groups.grow()
        self._now = now
        shown = window_span(self.kpi.window, now, self._cube.cube.pane_ms)
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
        for groups in self._groups:
            groups.table.clear()
        self._add_panes(self._reach)

    def set_stale(self, *, stale: bool) -> None:
        """See ``CurrentTable``."""
        if stale != self._stale:
            self._stale = stale
            self.touch()

    def touch(self) -> None:
        """See ``CurrentTable``."""
        for groups, said in zip(self._groups, self.said.values(), strict=True):
            groups.dirty = grown(groups.dirty, groups.grouping.size)
            groups.dirty[: groups.grouping.size] |= said.known()

    def tell(self, budget: int, *, wide: bool = True) -> list[Told]:
        """See ``CurrentTable``."""
        told: list[Told] = []
        for groups, said in zip(self._groups, self.said.values(), strict=True):
            if is_wide(groups.grouping) and not wide:
                continue
            numbers = groups.dirty[: groups.grouping.size].nonzero()[0][: max(budget, 0)]
            if numbers.size:
                budget -= numbers.size
                groups.dirty[numbers] = False
                found = self._read(groups, numbers)
                fresh = said.say(numbers, found, self._shown, now=self._now, stale=self._stale)
                told.append(Told(said, fresh))
        return told

    def drop(self, alive: Mask) -> Iterator[Told]:
        """Forget groups none of whose scopes is ``alive``; those that had been told."""
        for groups, said in zip(self._groups, self.said.values(), strict=True):
            grouping = groups.grouping
            if not grouping.dimensions:
                continue
            gone = np.flatnonzero(~groups.left(alive))
            groups.dirty[gone[gone < groups.dirty.size]] = False
            yield Told(said, said.forget(gone))

    def _read(self, groups: _Running, numbers: Numbers) -> Values:
        picked = {one: groups.table.pick(one, numbers) for one in self._measures}
        return self._reading.read({part.role: picked[part.measure] for part in self._reading.parts})

    def _add(self, delta: Delta, touched: Mask, inside: Mask | None) -> None:
        for groups in self._groups:
            groups.add(delta, touched, inside, self._measures)

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
    """Which row of a derived KPI's table belongs to which group of an input, by one grouping."""

    def __init__(self, said: Said, own: Groups) -> None:
        self._said = said
        self._own = own
        self._ours = np.empty(0, np.int64)
        self._theirs = np.empty(0, np.int64)

    def ours(self, theirs: Numbers) -> Numbers:
        """Our rows for groups of the input; made now where they are new."""
        done, keys = self._ours.size, self._said.groups.keys
        if done < len(keys):
            fresh = self._own.numbers(keys[done:])
            self._ours = np.concatenate([self._ours, fresh])
            self._theirs = grown(self._theirs, self._own.size, -1)
            self._theirs[fresh] = np.arange(done, len(keys))
        return self._ours[theirs]

    def values(self, ours: Numbers, nothing: Values) -> Values:
        """What the input last said at our rows; ``nothing`` where it never spoke of them."""
        self.ours(np.empty(0, np.int64))
        self._theirs = grown(self._theirs, self._own.size, -1)
        return self._said.at(self._theirs[ours], nothing)


class DerivedTable:
    """The current values of a KPI that is computed from others."""

    def __init__(
        self, reading: Reading, inputs: Mapping[str, CurrentTable], formula: Formula, strings: Strings
    ) -> None:
        self._reading = reading
        self._inputs = inputs
        self._formula = formula
        self.said = {one: Said(reading.kpi, Groups(one, strings)) for one in reading.program.groupings}
        self._links = {
            (name, one): _Link(table.said[one], said.groups)
            for name, table in inputs.items()
            for one, said in self.said.items()
            if one in table.said
        }
        self._dirty = {one: np.zeros(1, np.bool_) for one in self.said}
        self._pane = pane_length(reading.kpi.window, reading.kpi.grain)
        self._now = 0
        self._stale = False
        self.said[()].groups.number(())
        self._dirty[()][0] = True

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
        return any(dirty.any() for dirty in self._dirty.values())

    def move(self, now: int) -> None:
        """Let the window be that of ``now``."""
        self._now = now

    def set_stale(self, *, stale: bool) -> None:
        """See ``CurrentTable``."""
        if stale != self._stale:
            self._stale = stale
            self.touch()

    def touch(self) -> None:
        """See ``CurrentTable``."""
        for one, said in self.said.items():
            self._mark(one, np.flatnonzero(said.known()))

    def follow(self, told: Told) -> None:
        """What is computed from what an input has told may have changed."""
        dimensions = told.said.groups.dimensions
        link = self._links.get((told.said.kpi.name, dimensions))
        if link is not None and told.rows.size:
            self._mark(dimensions, link.ours(told.rows))

    def tell(self, budget: int, *, wide: bool = True) -> list[Told]:
        """See ``CurrentTable``."""
        told: list[Told] = []
        span = window_span(self.kpi.window, self._now, self._pane)
        for dimensions, said in self.said.items():
            if is_wide(said.groups) and not wide:
                continue
            rows = self._dirty[dimensions].nonzero()[0][: max(budget, 0)]
            if rows.size:
                budget -= rows.size
                self._dirty[dimensions][rows] = False
                inputs = {name: self._input(name, dimensions, rows) for name in self._inputs}
                found = derive(self._formula, inputs, self.kpi.scale)
                told.append(Told(said, said.say(rows, found, span, now=self._now, stale=self._stale)))
        return told

    def drop(self, gone: Told) -> Told | None:
        """Forget what an input has forgotten; what of it had been told."""
        dimensions = gone.said.groups.dimensions
        link = self._links.get((gone.said.kpi.name, dimensions))
        if link is None or not gone.rows.size:
            return None
        said = self.said[dimensions]
        return Told(said, said.forget(link.ours(gone.rows)))

    def _mark(self, dimensions: Texts, rows: Numbers) -> None:
        dirty = self._dirty[dimensions] = grown(self._dirty[dimensions], self.said[dimensions].groups.size)
        dirty[rows] = True

    def _input(self, name: str, dimensions: Texts, rows: Numbers) -> Values:
        """What an input last said at some of our rows."""
        link = self._links.get((name, dimensions))
        if link is None:
            return Values(np.full(rows.size, np.nan), np.zeros(rows.size, np.int64))
        return link.values(rows, self._inputs[name].nothing)
