"""What makes a KPI's value: the events or cases that were counted, one row each.

The engine keeps sums, not rows. So that a list can never differ from the number, the log is folded once more by the
same engine, with a ``Tap`` in place of each table of cells: it is handed exactly the rows that the cells would be, and
keeps those of one window and scope. What a case or a correctable event added and took back cancels out, and so do the
rows before and after changes that say the same; what is left are the contributors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.aggregates import SKETCHED, Aggregates, buckets, combine, empty, lift
from services.domain.catalogue import Agg, Direction, Kpi, KpiType, WindowKind
from services.domain.cells import CellTable, counts_late
from services.domain.compile import is_revocable
from services.domain.corrections import content, processes_of
from services.domain.program import (
    BalanceFeed,
    CohortFeed,
    CountFeed,
    Cube,
    DueFeed,
    DurationFeed,
    EventFeed,
    Feed,
    Measure,
    OpenFeed,
    OverdueFeed,
    Program,
    QuantityFeed,
    WaitingFeed,
)
from services.domain.readings import Reading
from services.domain.rows import NULL, Mask, Rows
from services.domain.scopes import Scopes
from services.domain.sketches import consolidate
from services.domain.told import Told
from services.domain.windows import Span, current_span

ROW = np.dtype(
    [
        ("partition", np.int32),
        ("place", np.int64),
        ("case", np.uint64),
        ("identity", np.uint64),
        ("time", np.int64),
        ("number", np.int64),
        ("hash", np.uint64),
        ("scope", np.int64),
        ("weight", np.int64),
    ]
)
"""One row: in which partition, and in the folding of which record (or a few after it); the hash of the case (0: an
event; of a row that changes, of what it says), the identity (the event's, case's or item's); when it counts; its number
(``NULL``: none) or, for distinct, the hash of its value; its scope and weight.
"""

RowArray = NDArray[Any]

_EVER = -(2**62)
_LEVELS = (OpenFeed, OverdueFeed, WaitingFeed)
_CONTENT = ("case", "scope", "time", "number", "hash")
_ALL = ("identity", *_CONTENT)
_COMPACT = 1 << 20


class Part(StrEnum):
    """Which of a KPI's contributors: of its one measure, of a ratio's (or level's) two, or what is in the denominator
    and not in the numerator. Of a reconciliation the numerator is what came, the denominator what its source says.
    """

    VALUE = "value"
    NUMERATOR = "numerator"
    DENOMINATOR = "denominator"
    MISSES = "misses"


ROLES = {
    "value": Part.VALUE,
    "numerator": Part.NUMERATOR,
    "plus": Part.NUMERATOR,
    "ours": Part.NUMERATOR,
    "denominator": Part.DENOMINATOR,
    "minus": Part.DENOMINATOR,
    "theirs": Part.DENOMINATOR,
}


@dataclass(slots=True)
class Wanted:
    """Rows at ``scope`` that count in [start, end). ``place`` is the record that is being folded, -1 before any.
    ``changing`` are the event types that carry rows before and after a change, and the fields that tell rows apart.
    """

    start: int
    end: int
    scope: Mapping[str, str]
    place: int = -1
    changing: Mapping[str, Collection[str]] = field(default_factory=dict)


class Tap(CellTable):
    """A table of cells that adds nothing up: it keeps the ``wanted`` rows of each measure."""

    def __init__(self, wanted: Wanted, cube: Cube, scopes: Scopes) -> None:
        self._wanted = wanted
        self._kept: dict[str, list[RowArray]] = {}
        self._size = 0
        super().__init__(cube, scopes)

    def measure_anew(self, cube: Cube) -> None:
        """See ``CellTable``."""
        super().measure_anew(cube)
        self._kept = {measure.id: self._kept.get(measure.id, []) for measure in cube.measures}

    def fold(self, told: Told, measures: Sequence[Measure]) -> None:
        """Keep the rows that are samples of the cube's measures, where the cells would take them."""
        if not told.rows.n:
            return
        time = told.rows.number("time")
        own = (time >= self._wanted.start) & (time < self._wanted.end)
        late = np.zeros(own.size, np.bool_)
        gone = None if self.cube.carry else self._gone(told)
        if gone is not None:
            own &= ~gone.too_old
            if told.present is not None and self._wanted.start <= told.present < self._wanted.end:
                late = gone.too_old
        if not (own.any() or late.any()):
            return
        scopes = told.scopes(self.scopes)
        there = self._at_scope(scopes)
        for measure in measures:
            inside = there & (own | late if counts_late(measure) else own)
            mask = told.mask(measure)
            at = np.flatnonzero(inside if mask is None else inside & mask)
            if at.size:
                self._keep_rows(measure, told.rows, scopes, at)

    def rows(self, measure: str) -> RowArray:
        """What was kept for a measure and not taken back."""
        kept = np.concatenate([np.empty(0, ROW), *self._kept[measure]])
        found = next(one for one in self.cube.measures if one.id == measure)
        if not found.revocable:
            return kept
        kept = netted(kept, _CONTENT if self._fields(found.feed) else _ALL)
        return netted(kept, ("identity", "scope")) if isinstance(found.feed, _LEVELS) else kept

    def changes(self, measure: str) -> bool:
        """Whether the rows of a measure change: those that cancel out may be of different partitions."""
        return any(one.id == measure and self._fields(one.feed) for one in self.cube.measures)

    def _fields(self, feed: Feed) -> Collection[str]:
        return self._wanted.changing.get(feed.event, ()) if isinstance(feed, EventFeed) else ()

    def scope(self, number: int) -> tuple[str, ...]:
        """The values of a scope, in order of the cube's dimensions."""
        texts = self.scopes.strings.texts
        return tuple(texts[code] for code in self.scopes.codes[number].tolist())

    def _at_scope(self, scopes: NDArray[np.int64]) -> Mask:
        wanted = np.ones(scopes.size, np.bool_)
        for column, name in enumerate(self.cube.dimensions):
            if name in self._wanted.scope:
                code = self.scopes.strings.code(self._wanted.scope[name])
                wanted &= self.scopes.codes[:, column][scopes] == code
        return wanted

    def _keep_rows(
        self, measure: Measure, rows: Rows, scopes: NDArray[np.int64], at: NDArray[np.intp]
    ) -> None:
        kept = np.zeros(at.size, ROW)
        kept["place"] = self._wanted.place
        kept["identity"] = rows.hash("identity")[at]
        if not isinstance(measure.feed, EventFeed):
            kept["case"] = rows.hash("case")[at]
        elif fields := self._fields(measure.feed):
            kept["case"] = content(rows, fields)[at]
        kept["time"], kept["scope"] = rows.number("time")[at], scopes[at]
        kept["weight"] = 1 if rows.weight is None else rows.weight[at]
        name = number_of(measure)
        kept["number"] = NULL if name is None else rows.number(name)[at]
        if measure.agg is Agg.DISTINCT and measure.field is not None:
            kept["hash"] = rows.hash(measure.field)[at]
        self._kept[measure.id].append(kept)
        self._size += at.size
        if self._size > _COMPACT:
            self._kept = {one: [self.rows(one)] for one in self._kept}
            self._size = max(0, sum(len(each[0]) for each in self._kept.values()) - _COMPACT // 2)


def number_of(measure: Measure) -> str | None:
    """The name of the number that a row of the measure shows: what is aggregated, else what its feed tells."""
    if measure.field is not None and measure.agg not in (Agg.COUNT, Agg.DISTINCT):
        return measure.field
    if isinstance(measure.feed, DurationFeed):
        return "duration"
    return "lateness" if isinstance(measure.feed, DueFeed) and measure.feed.outcome != "missed" else None


def label_of(measure: Measure) -> str | None:
    """What that number is called: of a balance or a remainder by its name, of a count by what of it."""
    name = number_of(measure)
    match measure.feed:
        case BalanceFeed(balance=label) | QuantityFeed(remainder=label) | CountFeed(what=label):
            return None if name is None else label
        case _:
            return name


def netted(rows: RowArray, by: Sequence[str]) -> RowArray:
    """One row for each that agree in ``by``, with the sum of their weights, where that is not 0: the latest added."""
    if not rows.size:
        return rows
    rows = rows[np.lexsort([-rows["time"], -rows["weight"], *(rows[name] for name in by)])]
    differs = np.zeros(rows.size, np.bool_)
    differs[0] = True
    for name in by:
        differs[1:] |= rows[name][1:] != rows[name][:-1]
    first = np.flatnonzero(differs)
    weight = np.add.reduceat(rows["weight"], first)
    left: RowArray = rows[first[weight != 0]]
    left["weight"] = weight[weight != 0]
    return left


def summed(rows: RowArray, by: Sequence[str]) -> RowArray:
    """One row for each that agree in ``by``: the latest, with the sum of their numbers, where that is not 0."""
    if not rows.size:
        return rows
    rows = rows[np.lexsort([-rows["time"], *(rows[name] for name in by)])]
    differs = np.ones(rows.size, np.bool_)
    differs[1:] = np.logical_or.reduce([rows[name][1:] != rows[name][:-1] for name in by])
    first = np.flatnonzero(differs)
    left: RowArray = rows[first]
    left["number"] = np.add.reduceat(rows["number"] * rows["weight"], first)
    left["weight"] = 1
    found: RowArray = left[left["number"] != 0]
    return found


def tapped(program: Program, measures: Collection[str]) -> Program:
    """The program that folds these measures and nothing else: with the processes that tell of them, or that their
    events are corrected by.
    """
    cubes = []
    for cube in program.cubes:
        chosen = tuple(measure for measure in cube.measures if measure.id in measures)
        if chosen:
            cubes.append(replace(cube, measures=chosen))
    feeds = {measure.feed for cube in cubes for measure in cube.measures}
    needed = {feed.process for feed in feeds if not isinstance(feed, EventFeed)}
    for feed in feeds:
        if isinstance(feed, EventFeed) and is_revocable(program.catalogue, feed):
            needed.update(processes_of(program, feed.event))
    processes = {name: one for name, one in program.catalogue.processes.items() if name in needed}
    return replace(program, catalogue=replace(program.catalogue, processes=processes), cubes=tuple(cubes))


def current_window(program: Program, read: Reading, now: int) -> Span:
    """The window of a KPI's current value at engine time ``now``."""
    pane = next(cube.pane_ms for cube in program.cubes if cube.id == read.parts[0].cube)
    return current_span(read.kpi, now, pane)


def reach(kpi: Kpi, window: Span) -> Span:
    """The times of what makes the value in ``window``: of a level, and of all time (from 0), all before its end."""
    all_time = kpi.window.kind is WindowKind.ALL_TIME and window.start == 0
    endless = kpi.type is KpiType.LEVEL or all_time
    return Span(_EVER, window.end) if endless else window


def parts_of(read: Reading, program: Program) -> tuple[Part, ...]:
    """The parts of a KPI that can be opened, a derived one has none. The first is what most want to see: of a share
    that should be high its misses, of one that should be low its numerator. A ratio of different things, lines per
    hour, has no misses.
    """
    if read.formula is not None:
        return ()
    measures = {ROLES[part.role]: program.measure(part.measure) for part in read.parts if part.role in ROLES}
    if Part.VALUE in measures:
        return (Part.VALUE,)
    inside = _part_of(read.kpi, measures[Part.NUMERATOR], measures[Part.DENOMINATOR])
    misses = (Part.MISSES,) if inside else ()
    direction = None if read.kpi.target is None else read.kpi.target.direction
    if direction is Direction.AT_LEAST:
        return (*misses, Part.DENOMINATOR, Part.NUMERATOR)
    if direction is Direction.AT_MOST and read.kpi.type in _SHARES:
        return (Part.NUMERATOR, Part.DENOMINATOR, *misses)
    return (Part.DENOMINATOR, Part.NUMERATOR, *misses)


def choose(read: Reading, program: Program, part: Part, rows: Mapping[str, RowArray]) -> RowArray:
    """The rows of ``part``, of those by role (of amounts one per case); worst first where they have a number, else the
    latest first (of a level the one that has stood longest).
    """
    by_part = {ROLES[role]: found for role, found in rows.items() if role in ROLES}
    feeds = {ROLES[one.role]: program.measure(one.measure).feed for one in read.parts if one.role in ROLES}
    if part is not Part.MISSES:
        chosen = by_part[part]
        if part is Part.NUMERATOR:
            chosen = _made(read.kpi, chosen)
        if isinstance(feeds[part], BalanceFeed | QuantityFeed):
            chosen = summed(chosen, ("case", "scope"))
    else:
        chosen = by_part[Part.DENOMINATOR]
        made = _made(read.kpi, by_part[Part.NUMERATOR])
        by = "identity" if _named(feeds[Part.NUMERATOR]) == _named(feeds[Part.DENOMINATOR]) else "case"
        chosen = chosen[~np.isin(chosen[by], made[by])]
    ordered: RowArray = chosen[_order(read.kpi, chosen)]
    return ordered


def _made(kpi: Kpi, rows: RowArray) -> RowArray:
    """Those of a numerator's rows that add to it: a conversion of cases tells of those that did not convert, too."""
    told: RowArray = rows[rows["number"] == 1] if kpi.type is KpiType.CONVERSION and not kpi.per else rows
    return told


def _order(kpi: Kpi, rows: RowArray) -> NDArray[np.intp]:
    time = rows["time"] if kpi.of is not None else -rows["time"]
    number = rows["number"]
    if kpi.target is not None and kpi.target.direction is Direction.AT_LEAST and kpi.type not in _SHARES:
        worst = np.where(number == NULL, np.iinfo(np.int64).max, number)
    else:
        worst = np.where(number == NULL, np.iinfo(np.int64).max, -number)
    order: NDArray[np.intp] = np.lexsort([rows["identity"], rows["partition"], time, worst])
    return order


_SHARES = frozenset({KpiType.RATIO, KpiType.CONVERSION})


def _subject(feed: Feed) -> tuple[str, str]:
    return ("event", feed.event) if isinstance(feed, EventFeed) else ("case", feed.process)


def _part_of(kpi: Kpi, numerator: Measure, denominator: Measure) -> bool:
    """Whether a numerator adds up a part of what its denominator does: then the rest has a meaning."""
    if kpi.type not in _SHARES or _subject(numerator.feed) != _subject(denominator.feed):
        return False
    if kpi.type is KpiType.CONVERSION:
        return True
    alike = (numerator.agg, numerator.field) == (denominator.agg, denominator.field)
    return alike and numerator.agg in (Agg.COUNT, Agg.SUM)


def _named(feed: Feed) -> object:
    """What the identities of a feed's rows name: events, items of one due time, movements of a quantity, or cases."""
    if isinstance(feed, CohortFeed):
        return feed.quantity
    return feed.due if isinstance(feed, DueFeed | OverdueFeed) else isinstance(feed, EventFeed)


def value_of(read: Reading, program: Program, rows: Mapping[str, RowArray]) -> tuple[float | None, int]:
    """The KPI's value and number of samples, computed from its contributors (by role) alone."""
    found = read.read(
        {part.role: aggregated(program.measure(part.measure), rows[part.role]) for part in read.parts}
    )
    value = float(found.values[0])
    return None if np.isnan(value) else value, int(found.samples[0])


def aggregated(measure: Measure, rows: RowArray) -> Aggregates:
    """One aggregate of rows of a measure."""
    agg, at = measure.agg, np.zeros(rows.size, np.int64)
    columns = empty(agg, 1)
    numbers = None if measure.field is None or agg in (Agg.COUNT, Agg.DISTINCT) else rows["number"]
    lifted = lift(agg, numbers, rows["time"], rows["identity"], rows["weight"])
    combine(agg, columns, at, lifted)
    if agg not in SKETCHED:
        return Aggregates(agg, columns)
    return Aggregates(agg, columns, consolidate(at, buckets(agg, numbers, rows["hash"]), rows["weight"]))


def gathered(taps: Iterable[tuple[int, Tap]], measure: str) -> tuple[RowArray, list[tuple[str, ...]]]:
    """The rows of a measure in all partitions, their scopes numbered anew: numbers in the list returned."""
    numbers: dict[tuple[str, ...], int] = {}
    found = [np.empty(0, ROW)]
    changes = False
    for partition, tap in taps:
        if measure not in tap.measures:
            continue
        changes = changes or tap.changes(measure)
        rows = tap.rows(measure)
        rows["partition"] = partition
        used, at = np.unique(rows["scope"], return_inverse=True)
        anew = [numbers.setdefault(tap.scope(scope), len(numbers)) for scope in used.tolist()]
        rows["scope"] = np.array(anew, np.int64)[at] if rows.size else rows["scope"]
        found.append(rows)
    together = np.concatenate(found)
    return netted(together, _CONTENT) if changes else together, list(numbers)
