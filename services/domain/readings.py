"""How a KPI's number is read from merged aggregates: the last step of every current value and every closed slot.

A reading lists the *parts* that it needs (measures, by role) and turns aggregates of them, many scopes at once, into
values and sample counts. Derived KPIs read the parts of the KPIs that they name, with roles ``kpi.role``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.aggregates import Aggregates, empty, values
from services.domain.catalogue import Agg, Kpi, KpiType
from services.domain.formulas import Formula, parse_formula
from services.domain.program import (
    MISSING,
    OPENED,
    UNOPENED,
    CountFeed,
    Cube,
    EventFeed,
    KpiProgram,
    Measure,
    Program,
)
from services.domain.rows import Mask, Numbers
from services.domain.units import unit_ms

Floats = NDArray[np.float64]
Parts = Mapping[str, Aggregates]

_MS_FIELDS = frozenset({"duration", "lateness"})


class Values(NamedTuple):
    """A value (NaN: none) and a number of samples per scope; ``missing``: where a rate was missing for some row (None:
    nothing is converted); ``unopened``: where a level is not known yet (None: it is everywhere).
    """

    values: Floats
    samples: Numbers
    missing: Mask | None = None
    unopened: Mask | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One measure in a KPI: which aggregate, and how its number comes out (``unit`` divides it). ``silent``: of nothing
    it says nothing, where others say 0.
    """

    role: str
    measure: str
    cube: str
    agg: Agg
    scale: int
    percent: float | None
    unit: float
    accumulates: bool
    silent: bool = False

    def values(self, aggregates: Aggregates) -> Floats:
        """Its number per scope."""
        return values(aggregates, self.scale, self.percent) / self.unit


@dataclass(frozen=True, slots=True)
class Reading:
    """A KPI as a function of its parts. ``inputs`` are the readings that a derived KPI names.

    ``accumulates``: the parts are changes (a level's), to be summed up from the beginning before they are read.
    """

    program: KpiProgram
    parts: tuple[Part, ...]
    inputs: Mapping[str, Reading]
    formula: Formula | None = None

    @property
    def kpi(self) -> Kpi:
        """The KPI."""
        return self.program.kpi

    @property
    def accumulates(self) -> bool:
        """Whether some part is summed up from the beginning."""
        return any(part.accumulates for part in self.parts)

    def read(self, aggregates: Parts) -> Values:
        """Value and samples per scope; every role of ``parts`` must be given, all of one size."""
        if self.formula is None:
            found = _READERS[self.kpi.type](self, aggregates)
            missing, unopened = self._missing(aggregates), self._unopened(aggregates)
            value = found.values * self.kpi.scale
            for unknown in (missing, unopened):
                value = value if unknown is None else np.where(unknown, np.nan, value)
            return Values(value, found.samples, missing, unopened)
        inputs = {name: one.read(_under(name, aggregates)) for name, one in self.inputs.items()}
        return derive(self.formula, inputs, self.kpi.scale)

    def _missing(self, aggregates: Parts) -> Mask | None:
        """Where something that should have been converted was not."""
        counted = [aggregates[part.role].samples != 0 for part in self.parts if part.role.startswith(MISSING)]
        return np.logical_or.reduce(counted) if counted else None

    def _unopened(self, aggregates: Parts) -> Mask | None:
        """Where the level of some case is not known yet, or nothing is known of any."""
        found = [
            (aggregates[part.role].samples > 0)
            | (aggregates[part.role.replace(UNOPENED, OPENED)].samples + aggregates[part.role].samples <= 0)
            for part in self.parts
            if part.role.startswith(UNOPENED)
        ]
        return np.logical_or.reduce(found) if found else None

    @property
    def nothing(self) -> Values:
        """What it comes to where nothing happened, for one scope."""
        return self.read({part.role: Aggregates(part.agg, empty(part.agg, 1)) for part in self.parts})


def reading(program: Program, name: str) -> Reading:
    """How KPI ``name`` is read; ``KeyError`` where there is none."""
    kpi_program = program.kpis[name]
    inputs = {one: reading(program, one) for one in kpi_program.inputs}
    if inputs:
        parts = tuple(_nested(one, part) for one, each in inputs.items() for part in each.parts)
        return Reading(kpi_program, parts, inputs, parse_formula(kpi_program.kpi.expr or ""))
    places = {measure.id: (cube, measure) for cube in program.cubes for measure in cube.measures}
    found = [_part(kpi_program, role, *places[measure]) for role, measure in kpi_program.parts.items()]
    return Reading(kpi_program, tuple(found), {})


def derive(formula: Formula, inputs: Mapping[str, Values], scale: float) -> Values:
    """A derived KPI from its inputs, scope by scope, times ``scale``; a division by zero has no value."""
    samples = np.minimum.reduce([one.samples for one in inputs.values()])
    missing = [one.missing for one in inputs.values() if one.missing is not None]
    unopened = [one.unopened for one in inputs.values() if one.unopened is not None]
    lacking = np.logical_or.reduce(missing) if missing else None
    unknown = np.logical_or.reduce(unopened) if unopened else None
    found = formula.evaluate({name: one.values for name, one in inputs.items()})
    return Values(found * scale, samples, lacking, unknown)


def _under(name: str, aggregates: Parts) -> Parts:
    start = len(name) + 1
    return {role[start:]: one for role, one in aggregates.items() if role.startswith(f"{name}.")}


def _nested(name: str, part: Part) -> Part:
    return replace(part, role=f"{name}.{part.role}")


def _part(program: KpiProgram, role: str, cube: Cube, measure: Measure) -> Part:
    of_cases = not isinstance(measure.feed, EventFeed)
    timed = of_cases and measure.field in _MS_FIELDS and measure.agg not in (Agg.COUNT, Agg.DISTINCT)
    unit = unit_ms(program.kpi.unit) if timed else 1
    level = program.kpi.type is KpiType.LEVEL
    return Part(
        role,
        measure.id,
        cube.id,
        measure.agg,
        measure.scale,
        program.percentiles.get(role),
        float(unit),
        level,
        isinstance(measure.feed, CountFeed) and measure.agg is Agg.SUM,
    )


def _single(reading: Reading, aggregates: Parts) -> Values:
    part = next(part for part in reading.parts if part.role == "value")
    one = aggregates[part.role]
    value, samples = part.values(one), np.maximum(one.samples, 0)
    return Values(np.where(samples == 0, np.nan, value) if part.silent else value, samples)


def _ratio(reading: Reading, aggregates: Parts) -> Values:
    """Samples are the denominator's; over an empty denominator, the numerator's, so that it is not *no data*."""
    above, below = (aggregates[role] for role in ("numerator", "denominator"))
    by_role = {part.role: part for part in reading.parts}
    over = by_role["denominator"].values(below)
    value = np.full(over.size, np.nan)
    np.divide(by_role["numerator"].values(above), over, out=value, where=over != 0)
    samples = np.where(below.samples > 0, below.samples, np.maximum(above.samples, 0))
    return Values(value, samples)


def _reconciliation(reading: Reading, aggregates: Parts) -> Values:
    """How far ours is from theirs, as a share of theirs; nothing where the source has not said anything."""
    by_role = {part.role: part for part in reading.parts}
    ours, theirs = (by_role[role].values(aggregates[role]) for role in ("ours", "theirs"))
    said = aggregates["theirs"].samples
    ours = np.where(np.isnan(ours), 0.0, ours)
    gap = np.full(theirs.size, np.nan)
    np.divide(np.abs(ours - theirs), np.abs(theirs), out=gap, where=(theirs != 0) & (said > 0))
    gap[(said > 0) & (theirs == 0) & (ours == 0)] = 0.0
    return Values(gap, np.maximum(said, 0))


def _level(reading: Reading, aggregates: Parts) -> Values:
    """What came in minus what went out, or what a process tells as one signed count."""
    by_role = {part.role: part for part in reading.parts}
    if "value" in by_role:
        return _single(reading, aggregates)
    plus, minus = (by_role[role].values(aggregates[role]) for role in ("plus", "minus"))
    samples = aggregates["plus"].samples + aggregates["minus"].samples
    return Values(plus - minus, np.maximum(samples, 0))


_READERS: Mapping[KpiType, Callable[[Reading, Parts], Values]] = {
    KpiType.SIMPLE: _single,
    KpiType.CUMULATIVE: _single,
    KpiType.DURATION: _single,
    KpiType.RATIO: _ratio,
    KpiType.CONVERSION: _ratio,
    KpiType.LEVEL: _level,
    KpiType.RECONCILIATION: _reconciliation,
}


def required(kpi: Kpi) -> int:
    """How many samples a verdict needs; by default none, for a count of nothing is a fact."""
    return 0 if kpi.minimum_samples <= 1 or kpi.type is KpiType.LEVEL else kpi.minimum_samples
