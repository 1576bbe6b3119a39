"""The current window of each KPI: a running aggregate per scope, for the total, each dimension, and all of them.

Changes are added as they come; when the window moves, what leaves it is taken back and what enters it is added.
Values are computed only for scopes that changed, and only as many at a time as the caller asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Protocol

import numpy as np

from services.domain.catalogue import Kpi, KpiType, WindowKind
from services.domain.cube_tables import CubeTable, Delta, Grouping, Texts
from services.domain.facts import KpiValue, Scope
from services.domain.formulas import Formula
from services.domain.readings import Reading, Values, derive, required
from services.domain.rows import Mask, Numbers
from services.domain.tables import MONOTONE, Table, grown, negated
from services.domain.verdicts import judge_many
from services.domain.windows import Span, pane_length, window_span

_EVER = -(2**63)


@dataclass(slots=True)
class Told:
    """What was last said of a KPI at the groups of one grouping."""

    dimensions: Texts
    values: dict[Texts, KpiValue] = field(default_factory=dict)


class CurrentTable(Protocol):
    """The current values of one KPI."""

    @property
    def kpi(self) -> Kpi:
        """Which."""
        ...

    @property
    def told(self) -> Mapping[Texts, Told]:
        """What was said, by grouping."""
        ...

    @property
    def nothing(self) -> Values:
        """What it is at a scope of which nothing was heard."""
        ...

    @property
    def pending(self) -> bool:
        """Whether values wait to be told."""
        ...

    def tell(self, budget: int) -> list[KpiValue]:
        """Compute at most ``budget`` values that may have changed (the total first); those that did."""
        ...

    def set_stale(self, *, stale: bool) -> None:
        """Whether a source that the KPI lives on is silent."""
        ...

    def touch(self, dimensions: Texts | None = None, keys: Sequence[Texts] = ()) -> None:
        """These scopes, or all that were told, may have changed."""
        ...


def speak(
    kpi: Kpi, told: Told, keys: Sequence[Texts], found: Values, *, span: Span, now: int, stale: bool
) -> list[KpiValue]:
    """Judge values at the scopes ``keys``; those that say something else than what was ``told``."""
    verdicts = judge_many(kpi.target, found.values, found.samples, required(kpi), stale=stale)
    fresh = []
    rows = zip(keys, found.values.tolist(), found.samples.tolist(), verdicts, strict=True)
    for key, number, samples, (status, reason, gap) in rows:
        value = None if isnan(number) else number
        before = told.values.get(key)
        if before is not None and _same(before, value, samples, span) and before.reason is reason:
            continue
        scope = before.scope if before is not None else dict(zip(told.dimensions, key, strict=True))
        said = KpiValue(kpi.name, scope, value, status, reason, gap, samples, span.start, span.end, now)
        told.values[key] = said
        fresh.append(said)
    return fresh


def _same(before: KpiValue, value: float | None, samples: int, span: Span) -> bool:
    return (
        before.value == value
        and before.samples == samples
        and before.window_start == span.start
        and before.window_end == span.end
    )


class _Groups:
    """Running aggregates of one grouping."""

    def __init__(self, reading: Reading, grouping: Grouping) -> None:
        self.grouping = grouping
        self.table = Table({part.measure: part.agg for part in reading.parts})
        self.dirty = np.ones(grouping.size, np.bool_)
        self.table.grow(grouping.size)

    def add(self, delta: Delta, touched: Mask, inside: Mask, measures: Sequence[str]) -> None:
        """Combine the cells ``inside`` the window; whatever is ``touched`` is worth a word, if only that it is old."""
        if self.table.size < self.grouping.size:
            self.table.grow(self.grouping.size)
            self.dirty = grown(self.dirty, self.grouping.size)
        groups = self.grouping.of_scope[delta.scope]
        rows = np.where(inside, groups, -1)
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
        self._measures = list(dict.fromkeys(part.measure for part in reading.parts))
        self._groups = [_Groups(reading, cube.scopes.grouping(one)) for one in reading.program.groupings]
        self.told = {one.grouping.dimensions: Told(one.grouping.dimensions) for one in self._groups}
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
                self._add(delta, touched, inside)

    def move(self, now: int) -> None:
        """Let the window be that of ``now``; call it after ``add``."""
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

    def touch(self, dimensions: Texts | None = None, keys: Sequence[Texts] = ()) -> None:
        """See ``CurrentTable``."""
        for groups in self._groups:
            if dimensions is None:
                numbers = [
                    groups.grouping.number[key] for key in self.told[groups.grouping.dimensions].values
                ]
                groups.dirty[numbers] = True
            elif dimensions == groups.grouping.dimensions:
                groups.dirty[[groups.grouping.number[key] for key in keys]] = True

    def tell(self, budget: int) -> list[KpiValue]:
        """See ``CurrentTable``."""
        said: list[KpiValue] = []
        for groups in self._groups:
            if budget <= 0:
                break
            numbers = np.flatnonzero(groups.dirty[: groups.grouping.size])[:budget]
            if numbers.size:
                budget -= numbers.size
                groups.dirty[numbers] = False
                said += self._tell(groups, numbers)
        return said

    def drop(self, alive: Mask) -> Iterator[Scope]:
        """Forget groups none of whose scopes is ``alive``; those that had been told."""
        for groups in self._groups:
            grouping = groups.grouping
            if not grouping.dimensions:
                continue
            left = np.zeros(grouping.size, np.bool_)
            left[grouping.of_scope[: alive.size][alive]] = True
            told = self.told[grouping.dimensions].values
            for number in np.flatnonzero(~left).tolist():
                before = told.pop(grouping.keys[number], None)
                groups.dirty[number : number + 1] = False
                if before is not None:
                    yield before.scope

    def _tell(self, groups: _Groups, numbers: Numbers) -> list[KpiValue]:
        picked = {one: groups.table.pick(one, numbers) for one in self._measures}
        found = self._reading.read({part.role: picked[part.measure] for part in self._reading.parts})
        keys = [groups.grouping.keys[number] for number in numbers.tolist()]
        told = self.told[groups.grouping.dimensions]
        return speak(self.kpi, told, keys, found, span=self._shown, now=self._now, stale=self._stale)

    def _add(self, delta: Delta, touched: Mask, inside: Mask) -> None:
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
        delta = Delta(self._cube.scope[rows], self._cube.pane[rows], np.zeros(rows.size, np.bool_), parts)
        touched = delta.touches(self._measures)
        self._add(delta, touched, touched)


class DerivedTable:
    """The current values of a KPI that is computed from others."""

    def __init__(self, reading: Reading, inputs: Mapping[str, CurrentTable], formula: Formula) -> None:
        self._reading = reading
        self._inputs = inputs
        self._formula = formula
        self.told = {one: Told(one) for one in reading.program.groupings}
        self._dirty: dict[Texts, dict[Texts, None]] = {one: {} for one in self.told}
        self._pane = pane_length(reading.kpi.window, reading.kpi.grain)
        self._now = 0
        self._stale = False
        self._dirty[()][()] = None

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
        return any(self._dirty.values())

    def move(self, now: int) -> None:
        """Let the window be that of ``now``."""
        self._now = now

    def set_stale(self, *, stale: bool) -> None:
        """See ``CurrentTable``."""
        if stale != self._stale:
            self._stale = stale
            self.touch()

    def touch(self, dimensions: Texts | None = None, keys: Sequence[Texts] = ()) -> None:
        """See ``CurrentTable``."""
        if dimensions is None:
            for one, told in self.told.items():
                self._dirty[one].update(dict.fromkeys(told.values))
        elif dimensions in self._dirty:
            self._dirty[dimensions].update(dict.fromkeys(keys))

    def tell(self, budget: int) -> list[KpiValue]:
        """See ``CurrentTable``."""
        said: list[KpiValue] = []
        span = window_span(self.kpi.window, self._now, self._pane)
        for dimensions, dirty in self._dirty.items():
            keys = [key for key, _ in zip(dirty, range(max(budget, 0)), strict=False)]
            if keys:
                budget -= len(keys)
                for key in keys:
                    del dirty[key]
                inputs = {name: _known(one, dimensions, keys) for name, one in self._inputs.items()}
                found = derive(self._formula, inputs, self.kpi.scale)
                told = self.told[dimensions]
                said += speak(self.kpi, told, keys, found, span=span, now=self._now, stale=self._stale)
        return said

    def drop(self, dimensions: Texts, key: Texts) -> Scope | None:
        """Forget a scope that an input has forgotten; returns it where it had been told."""
        told = self.told.get(dimensions)
        before = told.values.pop(key, None) if told is not None else None
        return before.scope if before is not None else None


def _known(table: CurrentTable, dimensions: Texts, keys: Sequence[Texts]) -> Values:
    """What an input last said at some scopes; that of nothing where it never spoke of them."""
    told = table.told.get(dimensions)
    if told is None:
        return Values(np.full(len(keys), np.nan), np.zeros(len(keys), np.int64))
    blank, none = float(table.nothing.values[0]), int(table.nothing.samples[0])
    said = [told.values.get(key) for key in keys]
    values = [blank if one is None else np.nan if one.value is None else one.value for one in said]
    samples = [none if one is None else one.samples for one in said]
    return Values(np.array(values, np.float64), np.array(samples, np.int64))
