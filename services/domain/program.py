"""What a catalogue compiles to: measures that rows are folded into, grouped in cubes; KPIs as formulas over them.

OBSERVE keeps, per partition and run, one cell for each (cube, scope, pane) with a few columns per measure. JUDGE
adds the cells of all partitions and computes each KPI from its measures. Compiling is in ``compile.py``; a KPI's
``version`` is a digest of all that can change its numbers, so cells of another version are never mixed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from services.domain.catalogue import Agg, Catalogue, Kpi, Schedule, Time
from services.domain.rows import NULL, Mask, Rows

LIVE = "live"
"""The run of what happens now; all others are imports."""
MISSING = "missing_"
"""Before a role: the measure that counts the rows which that role's measure should have had and could not convert."""


class Filter(Protocol):
    """A compiled CEL expression."""

    @property
    def source(self) -> str:
        """As written."""
        ...

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it reads."""
        ...

    @property
    def errors(self) -> int:
        """How many rows raised in ``mask`` so far, and hence were not selected."""
        ...

    def mask(self, rows: Rows) -> Mask:
        """Which rows it selects. Null or absent fields select nothing, except inside ``has()``."""
        ...


@dataclass(frozen=True, slots=True)
class UnconvertedFilter:
    """Rows, of those that ``rest`` selects, whose amount is there and whose converted one is not, for some of
    ``pairs`` (amount, converted).
    """

    pairs: tuple[tuple[str, str], ...]
    rest: Filter | None = None

    @property
    def source(self) -> str:
        """See ``Filter``."""
        lacking = " || ".join(f"has({amount}) && !has({name})" for amount, name in self.pairs)
        return lacking if self.rest is None else f"({self.rest.source}) && ({lacking})"

    @property
    def fields(self) -> frozenset[str]:
        """See ``Filter``."""
        own = frozenset(name for pair in self.pairs for name in pair)
        return own if self.rest is None else own | self.rest.fields

    @property
    def errors(self) -> int:
        """See ``Filter``; those of ``rest`` are counted where the amounts are."""
        return 0

    def mask(self, rows: Rows) -> Mask:
        """See ``Filter``."""
        lacking = np.zeros(rows.n, np.bool_)
        for amount, name in self.pairs:
            lacking |= (rows.number(amount) != NULL) & (rows.number(name) == NULL)
        return lacking if self.rest is None else lacking & self.rest.mask(rows)


@dataclass(frozen=True, slots=True)
class EventFeed:
    """Primary events of a type; weight 1, at the ``time`` that is said."""

    event: str
    time: Time = Time.OCCURRED


@dataclass(frozen=True, slots=True)
class StepFeed:
    """Cases that reach a step, at the step's time."""

    process: str
    step: str


@dataclass(frozen=True, slots=True)
class DurationFeed:
    """Cases with both steps, at the later of the two; number ``duration`` = end - start, ms (may be negative)."""

    process: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class WorkedFeed(DurationFeed):
    """The same in working time: by the schedule in ``each`` of the attribute ``by``, or else by the ``usual`` one."""

    usual: Schedule
    by: str | None
    each: tuple[tuple[str, Schedule], ...]


@dataclass(frozen=True, slots=True)
class DueFeed:
    """A due time, read in one of two ways. One row per item where the due has items.

    At the until step (number ``lateness`` = step - due, ms): ``met``, of which ``on_time`` and ``late``.
    At the due time, once it has passed: ``due``, of which ``kept`` and ``missed``. What is missed stays so when the
    step comes later. A case that ends before its due time misses nothing; of one that has ended nobody knows when,
    nothing is said but ``unknown``.
    """

    process: str
    due: str
    outcome: str
    promise: str = "first"


@dataclass(frozen=True, slots=True)
class OpenFeed:
    """+1 when a case opens, -1 when it ends (not before it opens). Levels count cases that have been opened."""

    process: str


@dataclass(frozen=True, slots=True)
class OverdueFeed:
    """+1 when a due time passes unmet, -1 when its step comes after all or the case ends."""

    process: str
    due: str
    promise: str = "first"


@dataclass(frozen=True, slots=True)
class WaitingFeed:
    """+1 when a case reaches a step, -1 when it reaches a later one of the process or ends."""

    process: str
    step: str


@dataclass(frozen=True, slots=True)
class ConversionFeed:
    """Cases with ``start``, at its time; number ``converted`` is 1 where ``end`` came 0 to ``within_ms`` after it."""

    process: str
    start: str
    end: str
    within_ms: int


QUANTITY = "quantity."
"""The number of a quantity's feed; the dot keeps it apart from attributes."""


@dataclass(frozen=True, slots=True)
class QuantityFeed:
    """A level of cases (``open``, ``overdue``, ``waiting``), each as much as is left of ``remainder``, times the
    attribute ``price`` where there is one: each movement, from when it counts until when it no longer does.
    """

    process: str
    of: str
    name: str
    promise: str
    remainder: str
    price: str | None

    @property
    def level(self) -> OpenFeed | OverdueFeed | WaitingFeed:
        """The level itself; ``name`` is its due time or step."""
        if self.of == "overdue":
            return OverdueFeed(self.process, self.name, self.promise)
        return WaitingFeed(self.process, self.name) if self.of == "waiting" else OpenFeed(self.process)


@dataclass(frozen=True, slots=True)
class BalanceFeed:
    """How much there is by a balance, times the attribute ``price`` where there is one: each entry by how much it
    changes it, when it happened.
    """

    process: str
    balance: str
    price: str | None


@dataclass(frozen=True, slots=True)
class CountFeed:
    """The counts of a balance, when they were made; the number is ``what``: the ``difference`` to the book, the
    ``absolute_difference``, what was ``counted``, or the ``book``.
    """

    process: str
    balance: str
    what: str


@dataclass(frozen=True, slots=True)
class OpeningFeed:
    """Cases whose level is not known yet: +1 when they were first heard of, -1 when they were opened; or (``known``)
    those whose level is known, from then on for good. ``balance``: of that one, not of the process.
    """

    process: str
    balance: str | None
    known: bool


UNOPENED, OPENED = "unopened_", "opened_"
"""Before a role: the measures that count the cases whose level is not known, and those whose is."""


@dataclass(frozen=True, slots=True)
class CohortFeed:
    """Movements of ``quantity`` until ``within_ms`` after the case's step ``start``, each at the time of that step and
    with the number ``QUANTITY``.
    """

    process: str
    start: str
    quantity: str
    within_ms: int


CaseFeed = (
    StepFeed
    | DurationFeed
    | DueFeed
    | OpenFeed
    | OverdueFeed
    | WaitingFeed
    | ConversionFeed
    | QuantityFeed
    | BalanceFeed
    | CountFeed
    | OpeningFeed
    | CohortFeed
)
Feed = EventFeed | CaseFeed


def process_of(feed: Feed) -> str | None:
    """The process whose cases it tells of; None of events."""
    return None if isinstance(feed, EventFeed) else feed.process


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate of one feed. ``id`` carries the version: ``name@digest``. ``field`` names the number (or, for
    distinct, the value to hash); ``scale`` are its decimal digits. ``revocable``: rows may be taken back.
    """

    id: str
    feed: Feed
    agg: Agg
    field: str | None
    scale: int
    filter: Filter | None
    revocable: bool = True


@dataclass(frozen=True, slots=True)
class Cube:
    """Measures that share dimensions and panes, so that a row finds its cell once.

    Panes are ``pane_ms`` long, aligned to the epoch. They are kept for ``horizon_ms`` behind the watermark; where
    ``carry`` (levels, all time) what leaves is added to the running cell of pane ``BASE``, elsewhere it goes.
    ``lateness_ms``: a pane is closed once the watermark is that far past its end. ``amend_ms``: what comes for a pane
    that has left amends history for that long behind the watermark.
    """

    id: str
    judge: int
    dimensions: tuple[str, ...]
    pane_ms: int
    horizon_ms: int
    lateness_ms: int
    carry: bool
    measures: tuple[Measure, ...]
    amend_ms: int = 0

    @property
    def reach_ms(self) -> int:
        """How far behind the watermark anything still counts in its own pane, here or in history."""
        return max(self.horizon_ms, self.amend_ms)

    def of_run(self, run: str) -> Cube:
        """As a run keeps it: an import has all of it in memory, and history is not amended."""
        return self if run == LIVE else replace(self, horizon_ms=self.reach_ms)


BASE = -(2**62)


@dataclass(frozen=True, slots=True)
class KpiProgram:
    """How a KPI's number comes from measures.

    ``parts`` maps a role to a measure's id: ``value`` (simple, cumulative, duration, level of a process),
    ``numerator`` and ``denominator`` (ratio, conversion), ``plus`` and ``minus`` (level from events); a derived KPI
    has none and reads ``inputs``, the KPIs named in its ``expr``. Where a measure reads a converted field, the role
    with ``MISSING`` before it counts what could not be converted: the value is unknown while there is any. Where a
    level has an opening, those with ``UNOPENED`` and ``OPENED`` before them say whether it is known.
    ``family`` keeps together what must be judged in one place; ``groupings`` are the sets of dimensions it is
    computed for: the total (), each dimension, all. ``percentiles`` says which percentile (0 to 100) is read from the
    measure of a role.
    """

    kpi: Kpi
    version: str
    family: str
    judge: int
    parts: Mapping[str, str]
    inputs: tuple[str, ...]
    groupings: tuple[tuple[str, ...], ...]
    percentiles: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled catalogue. ``step_filters`` by (process, step), where a step has one; ``withdrawals`` by event type:
    which of its events withdraw their key.
    """

    catalogue: Catalogue
    cubes: tuple[Cube, ...]
    kpis: Mapping[str, KpiProgram]
    step_filters: Mapping[tuple[str, str], Filter] = field(default_factory=dict)
    withdrawals: Mapping[str, Filter] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The catalogue's."""
        return self.catalogue.digest

    def measure(self, measure_id: str) -> Measure:
        """The measure of that id; ``KeyError`` where there is none."""
        for cube in self.cubes:
            for measure in cube.measures:
                if measure.id == measure_id:
                    return measure
        raise KeyError(measure_id)
