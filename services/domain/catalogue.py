"""The catalogue: what the user says about events, processes and KPIs, as frozen values.

Words are the ecosystem's own: metric types as in dbt, time windows as in OpenSLO, filters in CEL. Values here are
complete and consistent: reading YAML, defaults and lint are in ``services/catalogue``. Durations are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

REOPEN_MS = 35 * 86_400_000
"""How long after its end a slot of history is amended, unless a KPI says otherwise."""


class Time(StrEnum):
    """Which time of an event a KPI counts by: when it occurred (its event time), when it was posted (a field of it),
    or when it was recorded (a field of it, or when the intake saw it).
    """

    OCCURRED = "occurred"
    POSTED = "posted"
    RECORDED = "recorded"


class FieldType(StrEnum):
    """Types of event fields; decimals are int64 fixed point with ``Field.scale`` digits, never floats.

    A date is a day of a calendar, in no time zone: the epoch ms of its 00:00 in UTC.
    """

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class FromLookup:
    """A field's value stands in column ``column`` of look-up ``name``, in the row whose key the fields ``keys`` hold.

    ``level``: not in that row, but in the one above it whose level this is. The row is the one that was valid at the
    instant in field ``at`` (None, or where that is absent: when the event happened).
    """

    name: str
    keys: tuple[str, ...]
    column: str
    level: str | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Conversion:
    """A field is ``field`` in another unit, ``to``. What it is in is ``unit`` or, per event, in ``unit_field``.

    ``rates`` is the look-up whose ``column`` says how many ``to`` one such unit makes (``divide``: how many of them
    make one ``to``), by the fields ``per``, the unit, and ``to`` where the look-up's key has room for it; without
    one, the units have a fixed factor. ``at`` as in ``FromLookup``.
    """

    field: str
    to: str
    unit: str | None = None
    unit_field: str | None = None
    rates: str | None = None
    column: str = ""
    per: tuple[str, ...] = ()
    divide: bool = False
    at: str | None = None


@dataclass(frozen=True, slots=True)
class FromCalendar:
    """A field's value is a ``part`` of the local time by calendar ``name``: ``shift``, ``weekday`` or ``hour``. The
    instant stands in field ``at`` (None, or where that is absent: when the event happened); ``by`` is the calendar's.
    """

    name: str
    part: str = "shift"
    at: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class CutOffs:
    """When something leaves: at ``times`` (minutes of the local day) on ``weekdays`` (0: Monday) in ``timezone``, but
    for the dates in ``closed`` (ISO 8601). Values of the field ``by`` may have times of their own, in ``each``.
    """

    times: tuple[int, ...]
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    timezone: str = "UTC"
    closed: tuple[str, ...] = ()
    by: str | None = None
    each: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event. ``scale`` counts decimal digits (0 unless a decimal).

    A number's unit is ``unit`` or, per event, what the field ``unit_field`` says. A field with ``lookup``, ``convert``,
    ``calendar`` or ``cut_offs`` (the local time of the next one) is *derived*: the intake computes it, whatever the
    event's ``data`` says.
    """

    name: str
    type: FieldType
    unit: str | None = None
    scale: int = 0
    required: bool = False
    description: str = ""
    unit_field: str | None = None
    lookup: FromLookup | None = None
    convert: Conversion | None = None
    calendar: FromCalendar | None = None
    cut_offs: CutOffs | None = None

    @property
    def derived(self) -> bool:
        """Whether the intake computes it."""
        return (self.lookup, self.convert, self.calendar, self.cut_offs) != (None, None, None, None)


NAMED = (
    Field(
        "~root",
        FieldType.STRING,
        description="source, NUL and id of the event that is corrected or cancelled",
    ),
    Field("~recorded", FieldType.TIMESTAMP, description="when the correction was recorded"),
    Field("~cancels", FieldType.BOOLEAN, description="whether it is cancelled"),
)
"""Columns of event types that are corrected by id; no field can be called so."""


@dataclass(frozen=True, slots=True)
class Correctable:
    """How an event corrects or withdraws an earlier one: by ``key`` and ``version``, both fields; or, without a key,
    by id: extension attributes ``corrects`` and ``cancels`` then name the event.

    An event that the CEL ``withdrawn`` selects withdraws its key. What was contributed is remembered for
    ``horizon_ms`` after the last word about it.
    """

    key: str | None = None
    version: str | None = None
    withdrawn: str | None = None
    horizon_ms: int = 35 * 86_400_000


@dataclass(frozen=True, slots=True)
class Reverses:
    """Events of this type withdraw those of type ``event`` whose key the field ``key`` holds: all versions, or those
    up to the one in field ``version``.
    """

    event: str
    key: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Images:
    """Events carry a row as it was ``before`` a change and as it is ``after`` it: objects in their ``data``, of which
    either may be absent. The fields of the event type are the row's.

    ``time`` is the field (a timestamp; or a date, from whose beginning in ``timezone`` on it counts) that says when
    what the row tells of occurred; the event's own time says when the row was changed. ``op`` names the member of
    ``data`` that may say what was done, in Debezium's letters.
    """

    time: str
    before: str = "before"
    after: str = "after"
    op: str = "op"
    timezone: str = "UTC"


CHANGED = Field("~changed", FieldType.TIMESTAMP, description="when the row was changed")
"""The column of event types with images that holds the event's own time; no field can be called so."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Which events relate a case to one of another process: ``begins``, until one of ``ends`` names both cases again.

    With ``fields`` (of the beginning's event) each such event is a relation of its own, with its own amounts; without,
    two cases are related or they are not, however often that is said. It is remembered, as is what is passed along it,
    for ``horizon_ms`` after it was last of use.
    """

    begins: tuple[str, ...]
    ends: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    horizon_ms: int = 35 * 86_400_000


@dataclass(frozen=True, slots=True)
class Passed:
    """Events of type ``event`` reach the cases of ``process`` that ``relation`` relates to those of ``sender``."""

    event: str
    sender: str
    process: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of business fact.

    ``fields``: first those of the event's ``data``, then derived ones, each after those that it is derived from.
    ``objects`` maps an object type ("order") to the field that holds its id; the word ``subject`` stands for the
    CloudEvents attribute. ``sources`` are the systems expected to send it: empty means any. ``link`` leads to an event
    in the system that it came from (``links.py``): it changes no number, and so is no part of what the type is.
    ``times`` names the timestamp fields that hold the other times of an event: when it was posted, recorded.
    ``passed``: nobody sends it, it is how cases hear of an event that does not name them (``passages.py``).
    """

    name: str
    description: str
    fields: Mapping[str, Field]
    objects: Mapping[str, str]
    dimensions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    link: str = field(default="", compare=False, repr=False)
    times: Mapping[Time, str] = field(default_factory=dict)
    correctable: Correctable | None = None
    reverses: Reverses | None = None
    images: Images | None = None
    passed: Passed | None = None

    @property
    def by_id(self) -> bool:
        """Whether its events name what they correct or cancel by id."""
        return self.correctable is not None and self.correctable.key is None

    @property
    def columns(self) -> tuple[Field, ...]:
        """What frames carry of its events: the fields, and what of the envelope is read beside them."""
        beside = NAMED if self.by_id else () if self.images is None else (CHANGED,)
        return (*self.fields.values(), *beside)

    @property
    def own(self) -> Mapping[str, Field]:
        """The fields that stand in the event's ``data``."""
        return {name: field for name, field in self.fields.items() if not field.derived}


@dataclass(frozen=True, slots=True)
class LookupFile:
    """A file with a look-up's rows (or aliases); ``path`` is relative to the catalogue's folder."""

    path: str
    format: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"


class LookupSource(StrEnum):
    """Who says what stands in a look-up."""

    FILE = "file"
    API = "api"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Master data: rows by ``key`` (columns), each with a value in ``columns``.

    With ``valid_from`` a row holds from that column's instant until the next row of its key, until the one in column
    ``valid_to``, or for ``max_age_ms``, whichever comes first. Times without a zone are those of ``timezone``.

    ``aliases`` are other spellings of a key: named here (spelling → key), in ``alias_file`` (columns ``alias`` and
    the key's) or in the rows' ``alias_column``, several with ``|`` between them. ``levels`` are columns from fine to
    coarse; or each row names the key above it in column ``parent``, and what it is in column ``level``.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Field]
    source: LookupSource
    description: str = ""
    file: LookupFile | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    timezone: str = "UTC"
    time_format: str = "iso"
    max_age_ms: int | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    alias_file: LookupFile | None = None
    alias_column: str | None = None
    levels: tuple[str, ...] = ()
    parent: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a process: the first event of that type (by event time, then identity) that passes the filter.

    ``timeless``: when it happened is unknown; the event's time says when that was seen, at the latest. ``done`` (then
    there is no ``event``): it is reached at the moment from which on nothing is left of that remainder. ``via``: the
    event does not name the case, but one that this one is related to: the last of these processes, the first being the
    nearest.
    """

    name: str
    event: str
    filter: str | None = None
    timeless: bool = False
    done: str | None = None
    via: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much of something there is: the sum of a number field over all events of a step."""

    step: str
    field: str


class Opening(StrEnum):
    """From when on the levels of a process are known, where not ever since: from the instant that is ``announced`` for
    all of it; or for ``each`` case from when somebody first says how much there is.
    """

    ANNOUNCED = "announced"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Balance:
    """How much there is of a case: quantities that change it (``changes``: how often each is added), and those that
    say how much there is: ``opening``, where it begins, and ``count``, whose difference to the book is a number.
    What is older than ``horizon_ms`` is kept in sum.
    """

    changes: Mapping[str, int] = field(default_factory=dict)
    opening: str | None = None
    count: str | None = None
    horizon_ms: int = 35 * 86_400_000

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those that it is made of."""
        return tuple(dict.fromkeys([*self.changes, *(one for one in (self.opening, self.count) if one)]))


@dataclass(frozen=True, slots=True)
class Due:
    """A time by which a step must have happened.

    Either ``field`` of ``step``'s event holds the instant, or it is ``within_ms`` after ``step``, or the next of
    ``cut_offs``. ``until`` is the step that meets it. ``item`` names the field that tells items of a case apart: then
    each item has its own due time (``step``'s event type then gives one event per item), and the case's ``until``
    step meets them all.

    With a ``timezone`` it is a day: it is over with the last millisecond of that day there. ``renewed_by`` are steps
    whose events (each of them) carry ``field``, too: then the first promise and the current one are both kept.
    """

    name: str
    step: str
    until: str
    field: str | None = None
    within_ms: int | None = None
    item: str | None = None
    timezone: str | None = None
    cut_offs: CutOffs | None = None
    renewed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """The life of one kind of business object as its events tell it.

    ``attributes`` are what a case learns: name → (step, field) of that step's first event. ``stuck_ms``: a case
    without a new step for so long is stuck. ``grace_ms``: closed cases are remembered for so long. ``remainders`` are
    quantities added and subtracted: what is still to be done. ``balances`` say how much there is; cases that have one
    stay. ``opening``: from when on levels are known. ``link`` leads to a case in the system that knows it,
    as that of an event type does. ``relations``: how its cases are related to those of other processes, by name.
    """

    name: str
    object: str
    steps: tuple[Step, ...]
    opens: str
    ends: tuple[str, ...]
    attributes: Mapping[str, tuple[str, str]]
    dues: tuple[Due, ...] = ()
    stuck_ms: int | None = None
    grace_ms: int = 86_400_000
    description: str = ""
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    remainders: Mapping[str, str] = field(default_factory=dict)
    balances: Mapping[str, Balance] = field(default_factory=dict)
    opening: Opening | None = None
    link: str = field(default="", compare=False, repr=False)
    relations: Mapping[str, Relation] = field(default_factory=dict, repr=False)

    def fields_of(self, step: str) -> tuple[str, ...]:
        """The fields of a step's events that its cases learn from."""
        dues = [due for due in self.dues if step in {due.step, *due.renewed_by}]
        read = [
            *(source for name, source in self.attributes.values() if name == step),
            *(due.field for due in dues if due.field),
            *(due.cut_offs.by for due in dues if due.cut_offs and due.cut_offs.by),
            *(quantity.field for quantity in self.quantities.values() if quantity.step == step),
        ]
        return tuple(dict.fromkeys(read))

    @property
    def movements(self) -> Mapping[str, Quantity]:
        """The quantities that are no part of a balance."""
        balanced = {name for balance in self.balances.values() for name in balance.quantities}
        return {name: one for name, one in self.quantities.items() if name not in balanced}

    @property
    def told_by(self) -> tuple[str, ...]:
        """The event types of its steps."""
        return tuple(dict.fromkeys(step.event for step in self.steps if step.event))


class Shift(NamedTuple):
    """A part of the day, from and to ms after midnight (of the next day where ``ends_ms`` is not later)."""

    name: str
    begins_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Local time at one place: on ``days`` (0 is Monday) it is worked from ``opens_ms`` to ``closes_ms`` after midnight
    (of the next day where that is not later) in ``timezone``, but for the dates in ``closed`` (ISO 8601). ``shifts``
    are parts of every day.
    """

    timezone: str = "UTC"
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    opens_ms: int = 0
    closes_ms: int = 86_400_000
    closed: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Working time and shifts: ``usual``, or by the value of ``by`` (an attribute, a field) the one in ``each``."""

    name: str
    usual: Schedule
    by: str | None = None
    each: Mapping[str, Schedule] = field(default_factory=dict)
    description: str = ""

    def of(self, value: str | None) -> Schedule:
        """The schedule of a value of ``by``."""
        return self.each.get(value or "", self.usual)


class KpiType(StrEnum):
    """dbt's metric types, two of a process, and one that compares with a source's own count."""

    SIMPLE = "simple"
    RATIO = "ratio"
    DERIVED = "derived"
    CUMULATIVE = "cumulative"
    CONVERSION = "conversion"
    DURATION = "duration"
    LEVEL = "level"
    RECONCILIATION = "reconciliation"


class Agg(StrEnum):
    """Aggregations; all are mergeable and independent of order."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVG = "avg"
    DISTINCT = "distinct"
    PERCENTILE = "percentile"
    LAST = "last"


class WindowKind(StrEnum):
    """OpenSLO's time windows, dbt's grain to date, and all time."""

    ROLLING = "rolling"
    CALENDAR = "calendar"
    TO_DATE = "to_date"
    PREVIOUS = "previous"
    ALL_TIME = "all_time"


@dataclass(frozen=True, slots=True)
class Window:
    """What span of event time a KPI's current value covers, seen from the engine's time.

    rolling: the last ``length_ms``; calendar and to date: the ``period`` (hour, day, week, month, quarter, year) of
    ``timezone`` that now falls in; previous: the whole period before that one; all time: everything.
    """

    kind: WindowKind
    length_ms: int | None = None
    period: str | None = None
    timezone: str = "UTC"


class Direction(StrEnum):
    """Which side of a target is good."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Target:
    """A static target. Within ``band`` (in the KPI's unit) of it, a value on the bad side is *watch*, beyond it
    *off plan*; ``between`` reads ``value`` ± ``band`` as on plan and up to twice the band as watch.
    """

    value: float
    band: float
    direction: Direction


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    """What is aggregated: over events (``event``), or over what a process tells (``process`` and one of ``step``,
    ``due``, ``balance``). ``outcome`` of a due: ``met`` (its step has come, at that moment), ``on_time`` or ``late`` (a
    part of ``met``); or, at the due time, ``due`` (it has passed), ``kept`` or ``missed`` (a part of ``due``: the step
    had come, or had not), ``unknown`` (it has passed, and the case has ended nobody knows when). ``field`` may be
    ``lateness``. ``promise`` says which due time is meant where it was promised anew: ``first`` or ``current``. Of a
    ``balance`` its counts are meant, and ``field`` is one of ``CountFeed.what``.
    """

    agg: Agg
    event: str | None = None
    process: str | None = None
    step: str | None = None
    due: str | None = None
    balance: str | None = None
    outcome: str = "met"
    promise: str = "first"
    field: str | None = None
    percentile: float | None = None
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class Kpi:
    """One number that somebody owns.

    Which of the optional parts are set follows from ``type``:

    * simple, cumulative: ``measure``;
    * ratio: ``numerator`` and ``denominator``, each a measure or a KPI's name (whose measure is meant, within this
      KPI's own window);
    * derived: ``expr`` (arithmetic over KPI names);
    * conversion: ``process``, ``start``, ``end``, ``within_ms``: the share of cases with ``start`` in the window
      that reached ``end`` within that time; or instead of ``end`` how much of ``quantity`` moved within it, for each
      of ``per`` (quantities of the process). ``mature``: the window is the latest of which all have had that time;
    * duration: ``process``, ``start``, ``end``, ``agg`` (avg, sum, count, percentile), ``percentile``; in working time
      where it names a ``calendar``;
    * level: ``process`` and ``of`` (``open``, ``overdue``, ``waiting``) with ``due`` or ``step``, of cases or of
      what is left of their remainder ``quantity``, times the attribute ``price`` where there is one; ``process`` and
      ``balance`` (times ``price``); or ``numerator`` (in) and ``denominator`` (out) as measures;
    * reconciliation: ``measure`` (count or sum of an event type's events) against what ``source`` says it is.

    Whatever the type, the number shown is ``scale`` times what was computed (100 makes a ratio percent). Times are
    computed in ms and shown in ``unit``, where that is a unit of time.

    ``time`` is the one that its events count by, where one has no such time, when it occurred.

    ``grain`` is the length of the slots that history keeps: 1m, 5m, 15m, 1h, 1d, 1w or 1mo, cut in the window's
    time zone.
    """

    name: str
    title: str
    owner: str
    type: KpiType
    window: Window
    grain: str
    unit: str
    dimensions: tuple[str, ...] = ()
    description: str = ""
    measure: MeasureSpec | None = None
    numerator: str | MeasureSpec | None = None
    denominator: str | MeasureSpec | None = None
    scale: float = 1.0
    expr: str | None = None
    process: str | None = None
    start: str | None = None
    end: str | None = None
    within_ms: int | None = None
    agg: Agg | None = None
    percentile: float | None = None
    of: str | None = None
    due: str | None = None
    promise: str = "first"
    step: str | None = None
    quantity: str | None = None
    balance: str | None = None
    price: str | None = None
    filter: str | None = None
    target: Target | None = None
    minimum_samples: int = 1
    lateness_ms: int = 60_000
    reopen_ms: int = REOPEN_MS
    stale_ms: int | None = None
    time: Time = Time.OCCURRED
    source: str | None = None
    calendar: str | None = None
    per: str | None = None
    mature: bool = False

    @property
    def ripens_ms(self) -> int:
        """How long after its end a window is mature, and can be judged; a slot closes so much later."""
        return (self.within_ms or 0) if self.mature else 0

    @property
    def closes_ms(self) -> int:
        """How long after its end a slot closes."""
        return self.lateness_ms + self.ripens_ms


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a source is expected to be heard, by the calendar of its time zone; times of day are ms after midnight.

    A stream is heard every ``every_ms`` of working time: on ``days`` (0 is Monday) between ``opens_ms`` and
    ``closes_ms`` (of the next day where it is not later). A batch comes at ``at_ms`` of each of ``days`` instead.
    ``tolerance_ms`` may pass before anybody calls it late.
    """

    every_ms: int | None = None
    at_ms: int | None = None
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    opens_ms: int = 0
    closes_ms: int = 86_400_000
    tolerance_ms: int = 0


@dataclass(frozen=True, slots=True)
class Numbering:
    """Events of a source are numbered. A gap counts once it is ``tolerance_ms`` old, and holds KPIs for ``hold_ms``."""

    tolerance_ms: int = 60_000
    hold_ms: int = 86_400_000


@dataclass(frozen=True, slots=True)
class Source:
    """A system that sends events. ``mapping`` names the import mapping that reads its own JSON."""

    name: str
    title: str
    owner: str
    contact: str = ""
    timezone: str = "UTC"
    rhythm: Rhythm | None = None
    sequence: Numbering | None = None
    mapping: str | None = None
    description: str = ""

    @property
    def batched(self) -> bool:
        """Whether it is as complete as its last end-of-batch marker says."""
        return self.rhythm is not None and self.rhythm.at_ms is not None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything said, by name. ``digest`` identifies the content (hex)."""

    events: Mapping[str, EventType]
    processes: Mapping[str, Process]
    kpis: Mapping[str, Kpi]
    digest: str = ""
    sources: Mapping[str, Source] = field(default_factory=dict)
    lookups: Mapping[str, Lookup] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    @property
    def expected_sources(self) -> frozenset[str]:
        """The systems that hold a watermark back; empty means: whoever sends."""
        return frozenset(source for event in self.events.values() for source in event.sources)
