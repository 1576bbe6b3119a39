"""History read back: closed slots merged into coarser steps, partial scopes and the total, and then read as a value.

States are merged, never numbers: the 90th percentile of a month is that of the month, not a mean of its days'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.domain.aggregates import Aggregates, concatenate, merge, pack_state, reduce, unpack_state
from services.domain.facts import ClosedWindow, Scope
from services.domain.readings import Part, Reading
from services.domain.rows import Numbers
from services.domain.windows import GRAINS, slots

Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One step [start, end) of a KPI's history at one scope; ``value`` is None where nothing can be said."""

    scope: Scope
    start: int
    end: int
    value: float | None
    samples: int


def combine(
    reading: Reading,
    windows: Sequence[ClosedWindow],
    step: str | None = None,
    grouping: Sequence[str] = (),
) -> list[Point]:
    """The history of a KPI by ``grouping`` (a set of its dimensions; () is the total), by scope, then time.

    ``step`` is a grain (None: that of the slots), cut in the KPI's time zone. ``windows`` are closed slots at full
    scopes, and what amends them, in any order; those of another version of the KPI are left out. A level accumulates:
    it needs all windows from the beginning. A step in which nothing happened has no point.

    Raises ``ValueError`` for a step finer than the slots, or a dimension that the KPI does not have.
    """
    kpi = reading.kpi
    step = step or kpi.grain
    if step not in GRAINS or GRAINS.index(step) < GRAINS.index(kpi.grain):
        raise ValueError(
            f"history of {kpi.name!r} is kept by {kpi.grain}: {step!r} is no step of at least that"
        )
    if unknown := set(grouping) - set(kpi.dimensions):
        raise ValueError(f"{kpi.name!r} has no dimension {min(unknown)!r}")
    windows = [window for window in windows if window.kpi_version == reading.program.version]
    if not windows:
        return []
    starts, ends = slots(step, kpi.window.timezone, np.array([window.start for window in windows], np.int64))
    rows = zip(windows, starts.tolist(), ends.tolist(), strict=True)
    places = [(_key(window.scope, grouping), start, end) for window, start, end in rows]
    points = sorted(set(places))
    number = {place: at for at, place in enumerate(points)}
    groups = np.array([number[place] for place in places], np.int64)
    states = [unpack_state(window.state) for window in windows]
    parts = {
        part.role: reduce(concatenate([state[part.role] for state in states]), groups, len(points))
        for part in reading.parts
    }
    return _points(reading, parts, points, grouping)


def amended(reading: Reading, windows: Sequence[ClosedWindow]) -> list[ClosedWindow]:
    """One window per slot and scope: what was told of it last, merged with what amends it and read anew."""
    slots_: dict[tuple[Texts, int], list[ClosedWindow]] = {}
    for window in windows:
        slots_.setdefault((_key(window.scope, reading.kpi.dimensions), window.start), []).append(window)
    return [one[0] if len(one) == 1 else _merged(reading, one) for one in slots_.values()]


def _merged(reading: Reading, windows: Sequence[ClosedWindow]) -> ClosedWindow:
    states = [unpack_state(window.state) for window in windows]
    state = {part.role: merge([each[part.role] for each in states]) for part in reading.parts}
    found = reading.read(state)
    value = None if np.isnan(found.values[0]) else float(found.values[0])
    return replace(windows[0], value=value, samples=int(found.samples[0]), state=pack_state(state))


def _points(
    reading: Reading,
    parts: Mapping[str, Aggregates],
    places: Sequence[tuple[Texts, int, int]],
    grouping: Sequence[str],
) -> list[Point]:
    series = np.cumsum([0, *(one[0] != other[0] for one, other in zip(places[1:], places, strict=False))])
    found = reading.read({part.role: _running(part, parts[part.role], series) for part in reading.parts})
    rows = zip(places, found.values.tolist(), found.samples.tolist(), strict=True)
    return [
        Point(
            dict(zip(grouping, key, strict=True)),
            start,
            end,
            None if np.isnan(value) else value,
            samples,
        )
        for (key, start, end), value, samples in rows
    ]


def _running(part: Part, given: Aggregates, series: Numbers) -> Aggregates:
    """Changes summed up along each series (``series`` numbers them, in order); what does not accumulate as it is."""
    if not part.accumulates:
        return given
    first = np.searchsorted(series, series)
    columns = {}
    for name, column in given.columns.items():
        total = np.cumsum(column)
        columns[name] = total - (total[first] - column[first])
    return Aggregates(given.agg, columns)


def _key(scope: Scope, dimensions: Sequence[str]) -> Texts:
    return tuple(scope.get(name, "") for name in dimensions)
