"""The shape of the catalogue's YAML, as pydantic models.

Each document is ``apiVersion``, ``kind``, ``metadata`` and ``spec``; keys are camelCase. These models know what a
single document can know (types, unknown and missing keys); ``meaning.py`` knows what it means, ``lint.py`` how
documents fit together.
The JSON Schema for editors and the reference in ``docs/catalogue.md`` follow from the descriptions here.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from services.catalogue.words import DURATION_PATTERN, minutes_of_day, parse_duration
from services.domain.calendars import WEEKDAYS, Weekday
from services.domain.catalogue import REOPEN_MS, Agg, Direction, FieldType, KpiType, Time

API_VERSION = "sightline/v1"


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("write a duration such as 90s, 15m, 4h, 3d or 1h30m")  # noqa: TRY004 - pydantic wants ValueError
    return parse_duration(value)


_CLOCK = r"([01]\d|2[0-3]):[0-5]\d|24:00"


def _clock(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch(_CLOCK, value):
        raise ValueError('write a time of day in quotes, "02:00" say')
    hours, minutes = value.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000


def _hours(value: object) -> tuple[int, int]:
    if not isinstance(value, str) or value.count("-") != 1:
        raise ValueError('write hours in quotes, "06:00-22:00" say')
    opens, closes = value.split("-")
    return _clock(opens), _clock(closes)


def _step_field(value: str) -> str:
    if value.count(".") != 1:
        raise ValueError("an attribute is written as step.field")
    return value


def _clock_time(value: str) -> str:
    minutes_of_day(value)
    return value


def _day(value: object) -> object:
    """YAML makes a date of what looks like one."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        date.fromisoformat(value)
    return value


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["15m"]}),
]
ClockTime = Annotated[str, AfterValidator(_clock_time)]
Day = Annotated[str, BeforeValidator(_day)]
TimeOfDay = Annotated[
    int, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": f"^({_CLOCK})$"})
]
Hours = Annotated[
    tuple[int, int],
    BeforeValidator(_hours),
    WithJsonSchema({"type": "string", "pattern": f"^({_CLOCK})-({_CLOCK})$"}),
]
StepField = Annotated[str, AfterValidator(_step_field)]
Grain = Literal["1m", "5m", "15m", "1h", "1d", "1w", "1mo"]
Period = Literal["hour", "day", "week", "month", "quarter", "year"]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Model(BaseModel):
    """Unknown keys are refused; nothing is coerced from one type to another."""

    model_config = ConfigDict(
        extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False, frozen=True
    )


class Metadata(Model):
    """Who this is."""

    name: str = Field(description="What it is called everywhere else; event types as they come in events.")
    title: str = Field("", description="What people read; by default made from the name.")
    description: str = Field("", description="One or two sentences.")


class KpiMetadata(Metadata):
    """Who this is, and whose."""

    owner: str = Field(
        min_length=1, description="Who answers for the number: an address or a team. Required."
    )


class SourceMetadata(Metadata):
    """Who this is, and whose."""

    owner: str = Field(
        min_length=1, description="Who answers for the system: an address or a team. Required."
    )


def _names(value: object) -> str:
    return "<name>" if isinstance(value, str) else "<names>"


Names = Annotated[Annotated[str, Tag("<name>")] | Annotated[list[str], Tag("<names>")], Discriminator(_names)]
"""A name, or a list of them."""


class UnitOf(Model):
    """A unit that each event says for itself."""

    field: str = Field(description="The field that holds the unit or the currency.")


def _unit(value: object) -> str:
    return "<unit>" if isinstance(value, str) else "<field>"


UnitSpec = Annotated[Annotated[str, Tag("<unit>")] | Annotated[UnitOf, Tag("<field>")], Discriminator(_unit)]


class FieldLookupSpec(Model):
    """A field that comes from a look-up."""

    name: str = Field(description="The look-up.")
    key: Names = Field(description="The field, or fields, that hold the look-up's key, in its order.")
    column: str | None = Field(
        None, description="The column that holds the value; the one called like this field, unless said."
    )
    level: str | None = Field(
        None,
        description="Climb to the row of this level; its key is the value, unless `column` says another.",
    )
    at: str = Field(
        "occurred", description="The timestamp field by which a row is chosen; when it occurred, unless said."
    )


class ConvertSpec(Model):
    """A field that is another one in another unit."""

    field: str = Field(description="The field to convert.")
    from_: str | None = Field(
        None, alias="from", description="The field that holds its unit, where the field itself does not say."
    )
    to: str = Field(description="The unit wanted.")
    rates: str | None = Field(
        None, description="The look-up with the factors; none is needed between units such as g and kg."
    )
    column: str | None = Field(
        None, description="The look-up's column with the factor; its only number, unless said."
    )
    per: Names | None = Field(
        None,
        description="The field, or fields, that the factor depends on: an item, say; first in the look-up's key.",
    )
    divide: bool = Field(
        False,
        description="The factor says how many units one of `to` is worth: divide by it, do not multiply.",
    )
    at: str = Field(
        "occurred",
        description="The timestamp field that chooses the rate's day; when it occurred, unless said.",
    )


class CutOffsSpec(Model):
    """When something leaves."""

    times: list[ClockTime] = Field(min_length=1, description="At what times of the day, such as `16:30`.")
    weekdays: list[Weekday] = Field(
        default_factory=lambda: list(WEEKDAYS), min_length=1, description="On which days; on all unless said."
    )
    timezone: str = Field(description="The time zone of the times.")
    closed: list[Day] = Field(default_factory=list, description="Dates on which nothing leaves.")
    by: str | None = Field(None, description="The string field of the step's event that `each` is about.")
    each: dict[str, list[ClockTime]] = Field(
        default_factory=dict, description="Value of that field → its own times, instead of `times`."
    )


class FieldCalendarSpec(Model):
    """A field that is a part of the local time."""

    name: str = Field(description="The calendar.")
    part: Literal["shift", "weekday", "hour"] = Field(
        "shift",
        description="Which part: `shift` (unless said; `(none)` outside of all), `weekday` (`mon` to `sun`), or `hour` "
        "(`00` to `23`).",
    )
    at: str = Field(
        "occurred", description="The timestamp field whose instant is meant; when it occurred, unless said."
    )


class FieldSpec(Model):
    """One field of an event: of its `data`, or derived with `lookup`, `convert`, `calendar` or `cutOffs`."""

    type: Annotated[FieldType, Field(strict=False)] = Field(
        description="string, integer, decimal, boolean, timestamp or date (a day without a time)."
    )
    scale: int | None = Field(
        None, ge=0, le=12, description="Decimal digits kept of a decimal; 2 unless said."
    )
    unit: UnitSpec | None = Field(
        None,
        description="What a number is measured in: EUR, kg, …; or `{field: NAME}`, where each event says it.",
    )
    currency: str | None = Field(
        None, description="The field that holds the currency: short for `unit: {field: …}`."
    )
    lookup: FieldLookupSpec | None = Field(None, description="Derived: what a look-up says of other fields.")
    convert: ConvertSpec | None = Field(None, description="Derived: another field, in another unit.")
    calendar: FieldCalendarSpec | None = Field(
        None, description="Derived: the shift, or another part of the local time by a calendar."
    )
    cut_offs: CutOffsSpec | None = Field(
        None,
        description="Derived: the time of the next of these [cut-offs](#process-cut-offs) at or after it occurred, "
        "such as `16:30`.",
    )
    required: bool = Field(False, description="Whether an event without it is refused.")
    description: str = Field("", description="What it means.")

    @model_validator(mode="after")
    def _scale_belongs_to_decimals(self) -> FieldSpec:
        if self.scale is not None and self.type is not FieldType.DECIMAL:
            raise ValueError(f"only a decimal has a scale, not {self.type}")
        return self

    @model_validator(mode="after")
    def _derived_once(self) -> FieldSpec:
        ways = [self.lookup, self.convert, self.calendar, self.cut_offs]
        if sum(way is not None for way in ways) > 1:
            raise ValueError(
                "a field comes from one of a look-up, a conversion, a calendar and cut-offs: make two fields of it"
            )
        if self.unit is not None and self.currency is not None:
            raise ValueError("unit and currency say the same: write one of them")
        return self


class CorrectableSpec(Model):
    """How an event corrects or withdraws an earlier one of its type."""

    key: str | None = Field(
        None,
        description="The field that holds the business key. Without one, extension attributes `corrects` and "
        "`cancels` name the earlier event by its id.",
    )
    version: str | None = Field(
        None,
        description="The field (integer or timestamp) that orders what is said of a key: the highest stands.",
    )
    withdrawn: str | None = Field(
        None, description="CEL over the event's fields: which events withdraw their key instead."
    )
    horizon: Duration = Field(
        35 * 86_400_000,
        description="For how long after the last word about a key what it contributed is remembered; 35d unless said.",
    )


class ReversesSpec(Model):
    """Which earlier events this one withdraws."""

    event: str = Field(description="The correctable event type that is reversed.")
    key: str = Field(description="The field of this event that holds the key of what it reverses.")
    version: str | None = Field(
        None,
        description="The field that holds the highest version that it reverses; all of them unless said.",
    )


class ImagesSpec(Model):
    """Where events carry a row before and after a change."""

    time: str = Field(
        description="The row's field (timestamp or date) that says when what it tells of occurred."
    )
    before: str = Field(
        "before", description="The member of `data` with the row before; `before` unless said."
    )
    after: str = Field("after", description="The member of `data` with the row after; `after` unless said.")
    op: str = Field(
        "op", description="The member of `data` that may say what was done: c, r, u or d; `op` unless said."
    )
    timezone: str = Field(
        "UTC", description="The time zone in which a `time` that is a date begins; UTC unless said."
    )


class EventTypeSpec(Model):
    """A kind of business fact."""

    fields: dict[str, FieldSpec] = Field(description="The fields of `data`, by name.")
    objects: dict[str, str] = Field(
        default_factory=dict, description="Object type → the field that holds its id (or `subject`)."
    )
    dimensions: list[str] = Field(
        default_factory=list, description="Fields that numbers are usually split by."
    )
    sources: list[str] = Field(
        default_factory=list, description="Systems expected to send it; they hold the watermark back."
    )
    correctable: CorrectableSpec | None = Field(
        None, description="How an event corrects or withdraws an earlier one."
    )
    reverses: ReversesSpec | None = Field(None, description="Which events of another type it withdraws.")
    images: ImagesSpec | None = Field(
        None, description="Its events carry a row before and after a change; `fields` are the row's."
    )
    times: dict[Literal["posted", "recorded"], str] = Field(
        default_factory=dict,
        description="`posted`, `recorded` → the timestamp field that says when it was; see a KPI's `time`.",
    )
    link: str = Field(
        "", description="URL of an event in the system that it came from; `{field}` is filled in."
    )


class ColumnSpec(Model):
    """A column of a look-up with a value."""

    type: Annotated[FieldType, Field(strict=False)] = Field(
        FieldType.STRING, description="string (unless said), integer, decimal, boolean or timestamp."
    )
    scale: int | None = Field(
        None, ge=0, le=12, description="Decimal digits kept of a decimal; 2 unless said."
    )
    unit: str | None = Field(
        None, description="What a number is measured in; of a rate, what it converts to."
    )
    required: bool = Field(False, description="Whether a row without it is refused.")
    description: str = Field("", description="What it means.")


class LookupFileSpec(Model):
    """A file in the catalogue's folder."""

    file: str = Field(description="Its path from the catalogue's folder; `.gz` is unpacked.")
    format: Literal["csv", "ndjson"] | None = Field(
        None, description="`csv` or `ndjson`; by default what the name ends in."
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="What separates the columns of a CSV."
    )
    encoding: str = Field("utf-8", description="The encoding of the text.")


class AliasesSpec(Model):
    """Other spellings of a key."""

    values: dict[str, str] = Field(default_factory=dict, description="Spelling → key.")
    column: str | None = Field(
        None, description="A column of the rows, several spellings with `|` between them."
    )
    file: str | None = Field(None, description="A CSV with the columns `alias` and the key's.")


class TreeSpec(Model):
    """A hierarchy in which each row names the one above it."""

    parent: str = Field(description="The column that holds the key of the row above.")
    level: str = Field(description="The column that says what a row is: site, region, country.")


def _hierarchy(value: object) -> str:
    return "<levels>" if isinstance(value, list) else "<tree>"


def _source(value: object) -> str:
    return "<word>" if isinstance(value, str) else "<file>"


class LookupSpec(Model):
    """Master data: rows by key."""

    key: Names = Field(description="The column, or columns, that rows are found by.")
    columns: dict[str, ColumnSpec] = Field(min_length=1, description="The columns with values, by name.")
    source: Annotated[
        Annotated[Literal["api", "topic"], Tag("<word>")] | Annotated[LookupFileSpec, Tag("<file>")],
        Discriminator(_source),
    ] = Field(
        description="Who says what stands in it: `{file: NAME}`, `api` (what is posted), `topic` (what others write)."
    )
    valid_from: str | None = Field(
        None, description="The column that says since when a row holds; empty is since ever."
    )
    valid_to: str | None = Field(
        None,
        description="The column that says until when; a date holds to its end. Empty: until the next row.",
    )
    timezone: str = Field("UTC", description="The time zone of times without one.")
    time_format: str = Field("iso", description="How they are written: `iso` or a strptime format.")
    max_age: Duration | None = Field(
        None, description="A row holds for so long at most: 4d lets a weekend use Friday's rate, and no more."
    )
    aliases: AliasesSpec | None = Field(None, description="Other spellings of a key.")
    hierarchy: (
        Annotated[
            Annotated[list[str], Tag("<levels>")] | Annotated[TreeSpec, Tag("<tree>")],
            Discriminator(_hierarchy),
        ]
        | None
    ) = Field(None, description="Columns from fine to coarse, or `{parent, level}`.")


class StepSpec(Model):
    """A step of a process: the first event of its type that passes the filter, or nothing being left to do."""

    name: str = Field(description="What the step is called.")
    event: str | None = Field(None, description="The event type that reports it.")
    via: Names | None = Field(
        None,
        description="The event names a related case instead: the process that it belongs to, or a path to it.",
    )
    filter: str | None = Field(None, description="CEL over the event's fields: which events count.")
    time: Literal["unknown"] | None = Field(
        None,
        description="`unknown`: the event says that it has happened, not when; its time is when that was seen.",
    )
    done: str | None = Field(
        None, description="Instead of an event: the remainder of which nothing is left from this step on."
    )


class QuantitySpec(Model):
    """How much of something there is: the sum of a number field over all events of a step."""

    step: str = Field(description="The step whose events count, each of them.")
    field: str = Field(description="The number field that is added up.")


class BalanceSpec(Model):
    """How much there is of something: what changes it, and what says how much there is."""

    changes: str = Field(
        "", description="What changes it: quantities added and subtracted, `received - issued`."
    )
    opening: str | None = Field(
        None, description="The quantity whose events say how much there is where it begins."
    )
    count: str | None = Field(
        None,
        description="The quantity whose events say how much was counted; the difference to the book is kept.",
    )
    horizon: Duration = Field(
        35 * 86_400_000,
        description="How far back each movement is remembered; older ones are kept in sum. 35d unless said.",
    )


class DueSpec(Model):
    """A time by which a step must have happened: `field`, `within` or `cutOffs`."""

    name: str = Field(description="What the due time is called.")
    step: str = Field(description="The step that sets it.")
    until: str = Field(description="The step that meets it.")
    field: str | None = Field(
        None, description="The timestamp or date field of the step's event that holds it."
    )
    within: Duration | None = Field(None, description="How long after the step it is.")
    item: str | None = Field(
        None, description="The field that tells items of a case apart, each with its own due time."
    )
    precision: Literal["day"] | None = Field(
        None, description="`day`: it is over at the end of that day, in `timezone`. Dates are days anyway."
    )
    timezone: str | None = Field(None, description="Where the day ends.")
    cut_offs: CutOffsSpec | None = Field(None, description="It is the next of these at or after the step.")
    renewed_by: list[str] = Field(
        default_factory=list,
        description="Steps that promise anew: each of their events carries `field`, too. Both the first and the "
        "current promise are kept.",
    )


class RelationSpec(Model):
    """Which events relate a case to one of another process; they name objects of both."""

    event: Names = Field(description="The event type, or types, by which it begins.")
    ends: Names | None = Field(None, description="The event type, or types, by which it ends.")
    fields: list[str] = Field(
        default_factory=list,
        description="Fields of `event` that steps `via` this process read beside those of their own event.",
    )
    horizon: Duration = Field(
        35 * 86_400_000,
        description="For how long after it was last of use it is remembered, and what is passed on along it; "
        "35d unless said.",
    )


class ProcessSpec(Model):
    """The life of one kind of object, as its events tell it."""

    object: str = Field(description="The object type whose life it is.")
    steps: list[StepSpec] = Field(
        min_length=1, description="The steps, in the order in which they are meant to happen."
    )
    opens: str = Field(description="The step that opens a case.")
    ends: list[str] = Field(
        default_factory=list, description="The steps that end it. Required, unless there are balances."
    )
    attributes: dict[str, StepField] = Field(
        default_factory=dict,
        description="What a case learns: name → `step.field` of that step's first event.",
    )
    dues: list[DueSpec] = Field(default_factory=list, description="Due times.")
    stuck_after: Duration | None = Field(
        None, description="An open case without a new step for so long is stuck."
    )
    grace: Duration = Field(86_400_000, description="How long an ended case is remembered; 1d unless said.")
    quantities: dict[str, QuantitySpec] = Field(
        default_factory=dict, description="What is counted of a case: ordered, shipped, returned, …, by name."
    )
    remainders: dict[str, str] = Field(
        default_factory=dict,
        description="What is left to do: quantities added and subtracted, `ordered - shipped`, by name.",
    )
    balances: dict[str, BalanceSpec] = Field(
        default_factory=dict,
        description="How much there is: stock on hand, open amounts, forecasts, by name.",
    )
    opening: Literal["announced", "each"] | None = Field(
        None,
        description="From when on levels are known: from the instant `announced` by `sightline.opening`, or for `each` "
        "balance from its first opening or count on. Ever since, unless said.",
    )
    relations: dict[str, RelationSpec] = Field(
        default_factory=dict,
        description="How its cases are related to those of other processes, by the name of the other process.",
    )
    link: str = Field(
        "",
        description="URL of a case in the system that knows it; `{case}` (its id) and `{attribute}` are filled in.",
    )


class MeasureSpec(Model):
    """What is aggregated: events, or what the cases of a process tell."""

    agg: Annotated[Agg, Field(strict=False)] = Field(
        description="count, sum, min, max, avg, distinct, percentile or last."
    )
    event: str | None = Field(None, description="The event type whose events are aggregated.")
    process: str | None = Field(
        None, description="The process whose cases are, together with `step`, `due` or `balance`."
    )
    step: str | None = Field(None, description="Cases that reach this step, when they do.")
    due: str | None = Field(None, description="Due times of this name, when they are met or missed.")
    balance: str | None = Field(None, description="Counts of this balance, when they were made.")
    outcome: Literal["met", "on_time", "late", "due", "kept", "missed", "unknown"] | None = Field(
        None,
        description="Which of them: when the step comes, `met` (unless said), of which `on_time` and `late`; when "
        "the due time passes, `due`, of which `kept` and `missed`; or `unknown`.",
    )
    promise: Literal["first", "current"] | None = Field(
        None,
        description="Of a due time that is promised anew: the `first` (unless said) or the `current` promise.",
    )
    field: str | None = Field(
        None,
        description="The field to aggregate; of a due time, `lateness`; of a balance, `difference`, "
        "`absolute_difference`, `counted` or `book`.",
    )
    percentile: Number | None = Field(None, ge=0, le=100, description="Which percentile, 0 to 100.")
    filter: str | None = Field(None, description="CEL: which events (or cases) count.")


def _part(value: object) -> str:
    return "<kpi>" if isinstance(value, str) else "<measure>"


Part = Annotated[
    Annotated[str, Tag("<kpi>")] | Annotated[MeasureSpec, Tag("<measure>")], Discriminator(_part)
]


class WindowSpec(Model):
    """What span of time the current value covers: exactly one of its kinds."""

    rolling: Duration | None = Field(None, description="The last so long, up to now.")
    calendar: Period | None = Field(
        None, description="The whole hour, day, week, month, quarter or year that now is in."
    )
    to_date: Period | None = Field(None, description="From the beginning of the period until now.")
    previous: Period | None = Field(
        None, description="The whole hour, day, week, month, quarter or year before the one that now is in."
    )
    all_time: Literal[True] | None = Field(None, description="Everything so far.")
    timezone: str = Field("UTC", description="The time zone of calendar periods and of history's slots.")

    @model_validator(mode="after")
    def _exactly_one(self) -> WindowSpec:
        given = [self.rolling, self.calendar, self.to_date, self.previous, self.all_time]
        if sum(value is not None for value in given) != 1:
            raise ValueError("a window is exactly one of rolling, calendar, toDate, previous and allTime")
        if self.rolling == 0:
            raise ValueError("a rolling window has a length")
        return self


class TargetSpec(Model):
    """What the number should be."""

    value: Number = Field(description="The target, in the KPI's unit.")
    band: Number = Field(0, ge=0, description="How far off is still *watch*, in the KPI's unit.")
    direction: Annotated[Direction, Field(strict=False)] = Field(description="at_least, at_most or between.")


class KpiSpec(Model):
    """What all types of KPI share."""

    unit: str | None = Field(
        None, description="What the number is measured in; a default follows from what is measured."
    )
    scale: Number | None = Field(
        None,
        description="What the number is multiplied by; 100 for percent, durations convert to `unit` by themselves.",
    )
    dimensions: list[str] = Field(default_factory=list, description="What it is split by.")
    window: WindowSpec = Field(description="What span of time the current value covers.")
    time: Annotated[Time, Field(strict=False)] = Field(
        Time.OCCURRED,
        description="What its events count by: when they `occurred` (unless said), were `posted` or `recorded`.",
    )
    grain: Grain | None = Field(
        None,
        description="The slots that history keeps: 1m, 5m, 15m, 1h, 1d, 1w or 1mo; a default follows from the window.",
    )
    filter: str | None = Field(
        None, description="CEL: which events (or cases) count, for all of its measures."
    )
    target: TargetSpec | None = Field(None, description="What it should be.")
    minimum_samples: int = Field(
        0, ge=0, description="With fewer samples, its status is unknown; without a value it always is."
    )
    allowed_lateness: Duration = Field(
        60_000, description="How long a pane stays open for late events; 1m unless said."
    )
    reopen: Duration = Field(
        REOPEN_MS, description="How long after its end late events amend a slot of history; 35d unless said."
    )
    stale_after: Duration | None = Field(
        None, description="Without events for so long, its status is unknown."
    )


class SimpleSpec(KpiSpec):
    """One measure."""

    type: Literal["simple"] = Field(description="One measure over the window.")
    measure: MeasureSpec = Field(description="What is aggregated.")


class CumulativeSpec(KpiSpec):
    """One measure, added up over a longer window."""

    type: Literal["cumulative"] = Field(description="One measure, added up: to date, or over all time.")
    measure: MeasureSpec = Field(description="What is aggregated.")


class RatioSpec(KpiSpec):
    """One measure over another."""

    type: Literal["ratio"] = Field(description="One measure divided by another.")
    numerator: Part = Field(description="A measure, or the name of a KPI whose measure is meant.")
    denominator: Part = Field(description="A measure, or the name of a KPI whose measure is meant.")


class DerivedSpec(KpiSpec):
    """Arithmetic over other KPIs."""

    type: Literal["derived"] = Field(description="Arithmetic over other KPIs' values.")
    expr: str = Field(description="Names of KPIs, numbers, + - * / ( ), min(), max(), abs().")


class ConversionSpec(KpiSpec):
    """The share of cases that get from one step to another in time, or how much of a quantity moves in time."""

    type: Literal["conversion"] = Field(description="The share of cases that reach a step in time.")
    process: str = Field(description="The process.")
    from_: str = Field(alias="from", description="Cases with this step in the window …")
    to: str | None = Field(None, description="… that reached this one …")
    within: Duration = Field(description="… within so long.")
    quantity: str | None = Field(
        None, description="Instead of `to`: how much of this quantity has moved by then …"
    )
    per: str | None = Field(None, description="… for each of this quantity that has.")
    mature: bool = Field(
        False,
        description="Judge the latest window of which all cases have had their time; until there is one, the reason is "
        "`immature`. History tells a slot once it is mature.",
    )

    @model_validator(mode="after")
    def _cases_or_quantities(self) -> ConversionSpec:
        if (self.to is None) == (self.quantity is None):
            raise ValueError(
                "a conversion has either to (cases that reach a step) or quantity (what moves of it)"
            )
        if (self.quantity is None) != (self.per is None):
            raise ValueError("quantity and per belong together: so much of quantity for each of per")
        return self


class DurationSpec(KpiSpec):
    """The time between two steps."""

    type: Literal["duration"] = Field(description="The time that cases take from one step to another.")
    process: str = Field(description="The process.")
    from_: str = Field(alias="from", description="The step that starts it.")
    to: str = Field(description="The step that ends it; it counts when both are known.")
    calendar: str | None = Field(
        None,
        description="Count the working time between the two by this calendar, not all the time that passes.",
    )
    agg: Annotated[Agg, Field(strict=False)] = Field(
        Agg.AVG, description="avg (unless said), sum, count or percentile."
    )
    percentile: Number | None = Field(None, ge=0, le=100, description="Which percentile, 0 to 100.")


class LevelSpec(KpiSpec):
    """How many there are now: in minus out."""

    type: Literal["level"] = Field(description="How many there are now.")
    window: WindowSpec = Field(
        WindowSpec.model_validate({"allTime": True}),
        description="Of no effect on a level but for its time zone.",
    )
    process: str | None = Field(
        None, description="The process whose cases are counted, together with `of` or `balance`."
    )
    of: Literal["open", "overdue", "waiting"] | None = Field(
        None, description="`open` cases, cases `overdue` (past `due`), or cases `waiting` in `step`."
    )
    due: str | None = Field(None, description="The due time that `overdue` cases have passed.")
    promise: Literal["first", "current"] | None = Field(
        None,
        description="Of a due time that is promised anew: the `first` (unless said) or the `current` promise.",
    )
    quantity: str | None = Field(
        None, description="Of these cases, instead of their number, what is left of this remainder."
    )
    balance: str | None = Field(None, description="Instead of `of`: how much there is by this balance.")
    price: str | None = Field(
        None, description="A number attribute by which `quantity` or `balance` is multiplied, for its worth."
    )
    step: str | None = Field(None, description="The step that `waiting` cases have reached last.")
    numerator: Part | None = Field(None, description="Without a process: what comes in.")
    denominator: Part | None = Field(None, description="Without a process: what goes out.")


class ReconciliationSpec(KpiSpec):
    """How far what was counted here is from what the source counts."""

    type: Literal["reconciliation"] = Field(description="How far our count is from the source's own.")
    source: str = Field(description="The source whose totals are compared.")
    event: str = Field(description="The event type that is counted.")
    field: str | None = Field(None, description="The field that is added up; without it, events are counted.")
    window: WindowSpec = Field(
        WindowSpec.model_validate({"previous": "day"}),
        description="The day before today in the source's time zone, unless said.",
    )


class RhythmSpec(Model):
    """When a source is expected: a stream `every` so often, or a batch `at` a time of day."""

    every: Duration | None = Field(None, description="A stream: the longest it is silent in working time.")
    at: TimeOfDay | None = Field(None, description='A batch: when it comes, as `"02:00"`.')
    days: list[Weekday] | None = Field(
        None, description="On which days: [mon, tue, …]; every day unless said."
    )
    hours: Hours | None = Field(
        None, description='A stream: between which times, as `"06:00-22:00"`; all day unless said.'
    )
    tolerance: Duration = Field(0, description="How much later it may be before anybody is told.")

    @model_validator(mode="after")
    def _stream_or_batch(self) -> RhythmSpec:
        if (self.every is None) == (self.at is None):
            raise ValueError("a rhythm has either every (a stream) or at (a batch)")
        if self.at is not None and self.hours is not None:
            raise ValueError("hours belong to a stream: a batch comes at a time of day")
        if self.days == []:
            raise ValueError("a rhythm without a day is none: leave days out for every day")
        return self


class SequenceSpec(Model):
    """The source numbers its events, in CloudEvents' `sequence`: whole numbers; an event with another is refused."""

    tolerance: Duration = Field(
        60_000, description="How long a number may be missing before it counts as a gap; 1m unless said."
    )
    hold: Duration = Field(
        86_400_000,
        description="How long a gap that does not heal holds the source's KPIs back; 1d unless said.",
    )


class SourceSpec(Model):
    """A system that sends events, and what can be expected of it."""

    contact: str = Field("", description="Whom to call when it is silent.")
    timezone: str = Field("UTC", description="The time zone of its rhythm and of its days.")
    rhythm: RhythmSpec | None = Field(None, description="When it is expected to be heard.")
    sequence: SequenceSpec | None = Field(
        None, description="Its events carry numbers, so that gaps are seen; `{}` takes the defaults."
    )
    mapping: str | None = Field(
        None, description="The import mapping that `POST /api/v1/in/NAME` reads its own JSON by."
    )


class ScheduleSpec(Model):
    """What is different somewhere; what is not said is as in the calendar."""

    timezone: str | None = Field(None, description="The time zone of its times.")
    days: list[Weekday] | None = Field(None, min_length=1, description="On which days it is worked.")
    hours: Hours | None = Field(None, description='Between which times, as `"22:00-06:00"`.')
    closed: list[Day] | None = Field(None, description="Dates on which nobody works.")
    shifts: dict[str, Hours] | None = Field(None, min_length=1, description="Its shifts, all of them.")


class CalendarSpec(Model):
    """Local time: when it is worked, and what the parts of a day are called."""

    timezone: str = Field(description="The time zone of its times, and of its days.")
    days: list[Weekday] = Field(
        default_factory=lambda: list(WEEKDAYS),
        min_length=1,
        description="On which days it is worked: [mon, tue, …]; every day unless said.",
    )
    hours: Hours = Field(
        (0, 86_400_000),
        validate_default=False,
        description='Between which times, as `"06:00-22:00"`; over midnight they belong to the day on which they '
        "begin. All day unless said.",
    )
    closed: list[Day] = Field(default_factory=list, description="Dates on which nobody works.")
    shifts: dict[str, Hours] = Field(
        default_factory=dict,
        description='Shift → its times, as `"22:00-06:00"`, every day; the first that fits.',
    )
    by: str | None = Field(
        None, description="The string attribute (of a case) or field (of an event) that `each` is about."
    )
    each: dict[str, ScheduleSpec] = Field(
        default_factory=dict, description="Value of that → what is different there."
    )


def _type(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"<{kind}>" if kind in [type_.value for type_ in KpiType] else None


AnyKpiSpec = Annotated[
    Annotated[SimpleSpec, Tag("<simple>")]
    | Annotated[CumulativeSpec, Tag("<cumulative>")]
    | Annotated[RatioSpec, Tag("<ratio>")]
    | Annotated[DerivedSpec, Tag("<derived>")]
    | Annotated[ConversionSpec, Tag("<conversion>")]
    | Annotated[DurationSpec, Tag("<duration>")]
    | Annotated[LevelSpec, Tag("<level>")]
    | Annotated[ReconciliationSpec, Tag("<reconciliation>")],
    Discriminator(_type),
]


class EventTypeDocument(Model):
    """A kind of business fact: what an event of this type says, and which objects it concerns."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["EventType"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="Who this is.")
    spec: EventTypeSpec = Field(description="What it is.")


class ProcessDocument(Model):
    """The life of one kind of object: its steps, when a case opens and ends, what it learns, what is due."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Process"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="Who this is.")
    spec: ProcessSpec = Field(description="What it is.")


class KpiDocument(Model):
    """One number that somebody owns."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Kpi"] = Field(description="What the document describes.")
    metadata: KpiMetadata = Field(description="Who this is, and whose.")
    spec: AnyKpiSpec = Field(description="What it is.")


class SourceDocument(Model):
    """A system that sends events: whose it is, when it is expected, how it says that all has come."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Source"] = Field(description="What the document describes.")
    metadata: SourceMetadata = Field(description="Who this is, and whose.")
    spec: SourceSpec = Field(description="What it is.")


class LookupDocument(Model):
    """Master data that fields are derived from: sites and their regions, rates, pieces per case."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Lookup"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="Who this is.")
    spec: LookupSpec = Field(description="What it is.")


class CalendarDocument(Model):
    """Local time by name: working hours and shifts, for durations in working time and for derived fields."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Calendar"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="Who this is.")
    spec: CalendarSpec = Field(description="What it is.")


AnyDocument = (
    EventTypeDocument | ProcessDocument | KpiDocument | SourceDocument | LookupDocument | CalendarDocument
)
DOCUMENTS: dict[str, type[AnyDocument]] = {
    "EventType": EventTypeDocument,
    "Process": ProcessDocument,
    "Kpi": KpiDocument,
    "Source": SourceDocument,
    "Lookup": LookupDocument,
    "Calendar": CalendarDocument,
}
