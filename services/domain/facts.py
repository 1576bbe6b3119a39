"""What the processors tell the others: KPI values, closed windows, notable cases. Plain records, times in epoch ms.

``services/records.py`` puts them on the wire. A scope is a mapping of dimension → value; {} is the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from services.domain.sequences import Gap

Scope = Mapping[str, str]


class Status(StrEnum):
    """What the judge says of a value."""

    ON_PLAN = "on_plan"
    WATCH = "watch"
    OFF_PLAN = "off_plan"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why it says so; used verbatim in logs, metric labels, API and page."""

    WITHIN_TARGET = "within_target"
    WITHIN_BAND = "within_band"
    BEYOND_BAND = "beyond_band"
    NO_TARGET = "no_target"
    NO_DATA = "no_data"
    TOO_FEW_SAMPLES = "too_few_samples"
    STALE = "stale"
    DIVISION_BY_ZERO = "division_by_zero"
    INCOMPLETE_SOURCE = "incomplete_source"
    MISSING_RATE = "missing_rate"
    NO_OPENING = "no_opening"
    IMMATURE = "immature"

    @property
    def status(self) -> Status:
        """What follows from it."""
        return _STATUSES[self]


_STATUSES = {
    Reason.NO_DATA: Status.UNKNOWN,
    Reason.STALE: Status.UNKNOWN,
    Reason.INCOMPLETE_SOURCE: Status.UNKNOWN,
    Reason.MISSING_RATE: Status.UNKNOWN,
    Reason.NO_OPENING: Status.UNKNOWN,
    Reason.IMMATURE: Status.UNKNOWN,
    Reason.TOO_FEW_SAMPLES: Status.UNKNOWN,
    Reason.DIVISION_BY_ZERO: Status.UNKNOWN,
    Reason.NO_TARGET: Status.ON_PLAN,
    Reason.WITHIN_TARGET: Status.ON_PLAN,
    Reason.WITHIN_BAND: Status.WATCH,
    Reason.BEYOND_BAND: Status.OFF_PLAN,
}

REASONS = tuple(Reason)
"""A reason's code in columns is its index here."""


@dataclass(frozen=True, slots=True)
class KpiValue:
    """One KPI's current value at one scope. ``value`` is None when unknown. ``gap`` = value - target in the KPI's
    unit. ``samples`` counts what it was computed from. The window is [start, end); ``as_of`` is engine time.
    """

    kpi: str
    scope: Scope
    value: float | None
    status: Status
    reason: Reason
    gap: float | None
    samples: int
    window_start: int
    window_end: int
    as_of: int


@dataclass(frozen=True, slots=True)
class ValueTable:
    """Which KPI the next ``size`` values are of, and by which dimensions."""

    kpi: str
    dimensions: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class ValueColumns:
    """Many ``KpiValue`` in columns, one element per value, table by table; iterating makes the values.

    ``codes`` holds, value by value, a code into ``strings`` for each of the table's dimensions. ``value`` and ``gap``
    are NaN where there is none, ``reason`` is an index into ``REASONS``.
    """

    tables: Sequence[ValueTable]
    strings: Sequence[str]
    codes: NDArray[np.int32]
    value: NDArray[np.float64]
    gap: NDArray[np.float64]
    reason: NDArray[np.uint8]
    samples: NDArray[np.int64]
    window_start: NDArray[np.int64]
    window_end: NDArray[np.int64]
    as_of: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Raises ``ValueError`` where sizes or codes do not fit."""
        size = sum(table.size for table in self.tables)
        named = sum(table.size * len(table.dimensions) for table in self.tables)
        sizes = {name: getattr(self, name).size for name in FIGURES}
        if set(sizes.values()) != {size} or self.codes.size != named:
            raise ValueError(f"{size} values with {named} scope codes: {self.codes.size} codes, {sizes}")
        for column, end in ((self.codes, len(self.strings)), (self.reason, len(REASONS))):
            if column.size and not 0 <= int(column.min()) <= int(column.max()) < end:
                raise ValueError(f"codes from {column.min()} to {column.max()}, but only {end} are known")

    @classmethod
    def of(cls, values: Iterable[KpiValue]) -> ValueColumns:
        """Columns of these values, in this order."""
        listed = list(values)
        texts = list(chain.from_iterable(one.scope.values() for one in listed))
        strings = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        return cls(
            [ValueTable(one.kpi, tuple(one.scope), 1) for one in listed],
            list(strings),
            np.array([strings[text] for text in texts], np.int32),
            np.array([np.nan if one.value is None else one.value for one in listed], np.float64),
            np.array([np.nan if one.gap is None else one.gap for one in listed], np.float64),
            np.array([REASONS.index(one.reason) for one in listed], np.uint8),
            np.array([one.samples for one in listed], np.int64),
            np.array([one.window_start for one in listed], np.int64),
            np.array([one.window_end for one in listed], np.int64),
            np.array([one.as_of for one in listed], np.int64),
        )

    def __len__(self) -> int:
        return self.value.size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValueColumns) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # arrays

    def __iter__(self) -> Iterator[KpiValue]:
        names = ((table.kpi, table.dimensions) for table in self.tables for _ in range(table.size))
        codes = iter(self.codes.tolist())
        for (kpi, dimensions), row in zip(names, rows(self), strict=True):
            yield kpi_value(kpi, {name: self.strings[next(codes)] for name in dimensions}, row)


FIGURES = ("value", "gap", "reason", "samples", "window_start", "window_end", "as_of")
"""The columns of ``ValueColumns`` that have one element per value."""

Row = tuple[float, float, int, int, int, int, int]
"""One value's ``FIGURES``."""


def kpi_value(kpi: str, scope: Scope, row: Row) -> KpiValue:
    """The value of ``kpi`` at ``scope`` that a row of columns says."""
    value, gap, code, samples, start, end, as_of = row
    reason = REASONS[code]
    return KpiValue(
        kpi,
        scope,
        None if value != value else value,  # noqa: PLR0124  # NaN
        reason.status,
        reason,
        None if gap != gap else gap,  # noqa: PLR0124  # NaN
        samples,
        start,
        end,
        as_of,
    )


def rows(columns: ValueColumns) -> Iterator[Row]:
    """Value by value its figures."""
    return zip(*(getattr(columns, name).tolist() for name in FIGURES), strict=True)


@dataclass(frozen=True, slots=True)
class SourceFreshness:
    """When a source was last heard, in engine time and in event time (epoch ms); idle ones hold nothing back."""

    source: str
    last_ingest: int
    last_event: int
    events: int
    idle: bool


class SourceWord(StrEnum):
    """How a source that the catalogue declares is doing; a closed list."""

    COMPLETE = "complete"
    NEVER_HEARD = "never_heard"
    SILENT = "silent"
    OVERDUE = "overdue"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class BatchFact:
    """A batch that a source has ended at ``at`` (engine time): complete ``until`` (event time); ``records`` as the
    source says (None: it does not), ``counted`` as events came, each once.
    """

    until: int
    records: int | None
    counted: int
    at: int


@dataclass(frozen=True, slots=True)
class SourceAccount:
    """What one partition knows of a source beyond when it was heard. ``until``: of its latest batches, None without
    any; ``gaps`` those of its missing numbers that were noticed last, of which there are ``missing`` in all
    (``given_up``: no longer waited for), ``highest`` the highest number that came, None without any.
    """

    source: str
    until: int | None = None
    batches: tuple[BatchFact, ...] = ()
    gaps: tuple[Gap, ...] = ()
    missing: int = 0
    given_up: int = 0
    highest: int | None = None


@dataclass(frozen=True, slots=True)
class SourceState:
    """A declared source at the judge's engine time: complete ``until`` (event time), and why not further (``word``).

    ``heard``: when last (None: never), ``expected``: when next, or since when it is waited for (None without a
    rhythm). What it holds back follows from ``completeness.py``.
    """

    source: str
    word: SourceWord
    until: int
    heard: int | None
    expected: int | None
    account: SourceAccount


@dataclass(frozen=True, slots=True)
class Completeness:
    """Up to which event time the declared sources of a KPI are complete, and which of them is the last."""

    until: int
    source: str


@dataclass(frozen=True, slots=True)
class KpiValues:
    """A record of the ``kpis`` topic: what has changed since the last one, or (``keyframe``) all that there is in
    this judge partition, in several records where it is much: number ``part`` of ``parts``. ``removed`` lists
    scopes that are gone. ``counters`` are totals of the run so far (events, duplicates, late, quarantined,
    filter_errors, …), ``position`` JUDGE's applied offset. ``states`` are those of the declared sources and
    ``completeness`` that of the KPIs that need one, as of ``time``.
    """

    tenant: str
    run: str
    attempt: int
    digest: str
    partition: int
    position: int
    keyframe: bool
    time: int
    watermark: int
    values: ValueColumns
    removed: list[tuple[str, Scope]] = field(default_factory=list)
    sources: list[SourceFreshness] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    complete: bool = False
    part: int = 0
    parts: int = 1
    states: list[SourceState] = field(default_factory=list)
    completeness: dict[str, Completeness] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """One slot of a KPI's history at one full scope. ``state`` is the mergeable state by part (see
    ``aggregates.py``), as a packed container; ``version`` (JUDGE's offset) grows with each restatement.
    """

    kpi: str
    kpi_version: str
    scope: Scope
    start: int
    end: int
    version: int
    value: float | None
    samples: int
    state: bytes


@dataclass(frozen=True, slots=True)
class ClosedWindows:
    """A record of the ``history`` topic. ``begin`` says that earlier attempts of this run are void."""

    tenant: str
    run: str
    attempt: int
    partition: int
    windows: list[ClosedWindow]
    begin: bool = False
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to be merged into one slot of a KPI's history at one full scope; ``state`` as in ``ClosedWindow``."""

    kpi: str
    kpi_version: str
    scope: Scope
    start: int
    end: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Amendments:
    """A record of the ``history`` topic: what an events ``partition`` amends. ``sequence`` grows with each time that it
    does; (partition, sequence, slot) is told again with the same content only.
    """

    tenant: str
    run: str
    attempt: int
    partition: int
    sequence: int
    amendments: list[Amendment]

    def with_only(self, amendments: list[Amendment]) -> Amendments:
        """A part of it."""
        return replace(self, amendments=amendments)


@dataclass(frozen=True, slots=True)
class CaseFact:
    """One notable case. ``steps``: step → its time; ``dues``: due (``name``, ``name/item``, ``name/current`` of one
    that was promised anew) → (due time, met time or None). ``flags``: open, closed, moment_unknown (then ``closed`` is
    None all the same), overdue, stuck, waiting. ``quantities`` and remainders are decimals as text.
    """

    case: str
    step: str | None
    opened: int | None
    closed: int | None
    last: int
    attributes: Scope
    steps: dict[str, int]
    dues: dict[str, tuple[int, int | None]]
    flags: list[str]
    quantities: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """A record of the ``cases`` topic: the notable cases of one (source partition, process), replacing what was said
    before: all overdue and stuck ones (up to a stated cap), recently closed ones, the longest waiting per step.
    ``waiting``: step → number of open cases there.
    """

    tenant: str
    run: str
    attempt: int
    partition: int
    process: str
    time: int
    open: int
    overdue: int
    stuck: int
    waiting: dict[str, int]
    cases: list[CaseFact]


COUNTED = frozenset({"too_old", "beyond_horizon"})
"""Codes of dead letters whose events count all the same."""

ENGINE_CODES = (
    "future",
    "late",
    "too_old",
    "beyond_horizon",
    "undecodable",
    "unfoldable",
    "catalogue",
    "unreadable_partial",
    "unfoldable_partial",
)
"""The codes of dead letters that the engine writes; others are the intake's and the mappings'."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What was refused. ``payload`` is what came, as text; ``origin`` where (``http``, ``topic:partition:offset``)."""

    id: str
    tenant: str
    time: int
    origin: str
    event_id: str | None
    field: str | None
    value: str | None
    code: str
    message: str
    payload: str
