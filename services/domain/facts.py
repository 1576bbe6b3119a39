"""What the processors tell the others: KPI values, closed windows, notable cases. Plain records, times in epoch ms.

``services/records.py`` puts them on the wire. A scope is a mapping of dimension → value; {} is the total.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
class SourceFreshness:
    """When a source was last heard, in engine time and in event time (epoch ms); idle ones hold nothing back."""

    source: str
    last_ingest: int
    last_event: int
    events: int
    idle: bool


@dataclass(frozen=True, slots=True)
class KpiValues:
    """A record of the ``kpis`` topic: what has changed since the last one, or (``keyframe``) all that there is in
    this judge partition, in several records where it is much: number ``part`` of ``parts``. ``removed`` lists
    scopes that are gone. ``counters`` are totals of the run so far (events, duplicates, late, quarantined,
    filter_errors, …), ``position`` JUDGE's applied offset.
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
    values: list[KpiValue]
    removed: list[tuple[str, Scope]] = field(default_factory=list)
    sources: list[SourceFreshness] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    complete: bool = False
    part: int = 0
    parts: int = 1


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
class CaseFact:
    """One notable case. ``steps``: step → its time; ``dues``: due (``name`` or ``name/item``) → (due time, met time
    or None). ``flags``: open, closed, overdue, stuck, waiting.
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
