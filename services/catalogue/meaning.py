"""What a document means: the domain's values, with the defaults that follow from what is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from services.catalogue import documents
from services.catalogue.documents import (
    CalendarDocument,
    ConversionSpec,
    ConvertSpec,
    CorrectableSpec,
    CumulativeSpec,
    CutOffsSpec,
    DueSpec,
    EventTypeDocument,
    FieldSpec,
    ImagesSpec,
    KpiDocument,
    KpiSpec,
    LevelSpec,
    LookupDocument,
    ProcessDocument,
    RatioSpec,
    ReconciliationSpec,
    ReversesSpec,
    SimpleSpec,
    SourceDocument,
    TreeSpec,
    UnitOf,
    WindowSpec,
)
from services.catalogue.words import PERCENT, minutes_of_day, title_of
from services.domain.calendars import WEEKDAYS, Weekday
from services.domain.catalogue import (
    Agg,
    Balance,
    Calendar,
    Conversion,
    Correctable,
    CutOffs,
    Due,
    EventType,
    Field,
    FieldType,
    FromCalendar,
    FromLookup,
    Images,
    Kpi,
    KpiType,
    Lookup,
    LookupFile,
    LookupSource,
    MeasureSpec,
    Numbering,
    Opening,
    Process,
    Quantity,
    Relation,
    Reverses,
    Rhythm,
    Schedule,
    Shift,
    Source,
    Step,
    Target,
    Time,
    Window,
    WindowKind,
)
from services.domain.quantities import terms

NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL})

OCCURRED = "occurred"
"""Names the time at which an event happened, where a field's name could stand."""

_GRAINS = {"hour": "15m", "day": "1h", "week": "1d", "month": "1d", "quarter": "1mo", "year": "1mo"}

_WHOLE_GRAINS = {"hour": "1h", "day": "1d", "week": "1w"}


def event_type(document: EventTypeDocument) -> EventType:
    """The event type; derived fields after all others, each after those that it is derived from."""
    spec = document.spec
    fields = {name: _field(name, one, spec.fields) for name, one in spec.fields.items()}
    return EventType(
        name=document.metadata.name,
        description=document.metadata.description,
        fields=_in_order(fields),
        objects=spec.objects,
        dimensions=tuple(spec.dimensions),
        sources=tuple(spec.sources),
        correctable=None if spec.correctable is None else _correctable(spec.correctable),
        reverses=None if spec.reverses is None else _reverses(spec.reverses),
        images=None if spec.images is None else _images(spec.images),
        link=spec.link,
        times={Time(name): field for name, field in spec.times.items()},
    )


def lookup(document: LookupDocument) -> Lookup:
    """The look-up."""
    spec = document.spec
    aliases = spec.aliases
    tree = spec.hierarchy if isinstance(spec.hierarchy, TreeSpec) else None
    return Lookup(
        name=document.metadata.name,
        key=_tuple(spec.key),
        columns={
            name: Field(name, one.type, one.unit, _scale(one.type, one.scale), one.required, one.description)
            for name, one in spec.columns.items()
        },
        source=LookupSource(spec.source) if isinstance(spec.source, str) else LookupSource.FILE,
        description=document.metadata.description,
        file=None
        if isinstance(spec.source, str)
        else LookupFile(spec.source.file, spec.source.format, spec.source.delimiter, spec.source.encoding),
        valid_from=spec.valid_from,
        valid_to=spec.valid_to,
        timezone=spec.timezone,
        time_format=spec.time_format,
        max_age_ms=spec.max_age,
        aliases={} if aliases is None else aliases.values,
        alias_file=None if aliases is None or aliases.file is None else LookupFile(aliases.file),
        alias_column=None if aliases is None else aliases.column,
        levels=tuple(spec.hierarchy) if isinstance(spec.hierarchy, list) else (),
        parent=None if tree is None else tree.parent,
        level=None if tree is None else tree.level,
    )


def with_levels(event: EventType, lookups: Mapping[str, Lookup]) -> EventType:
    """With the levels of every look-up whose key it has as a field of that name: region, where site is known."""
    fields = dict(event.fields)
    for one in lookups.values():
        if len(one.key) == 1 and one.key[0] in fields:
            for name in one.levels:
                column = one.columns.get(name)
                if column is not None and name not in fields:
                    fields[name] = replace(column, required=False, lookup=FromLookup(one.name, one.key, name))
    return event if len(fields) == len(event.fields) else replace(event, fields=_in_order(fields))


def with_case_levels(
    process: Process, events: Mapping[str, EventType], lookups: Mapping[str, Lookup]
) -> Process:
    """With the levels of what its cases know: an attribute ``site`` that is a step's ``site`` brings ``region``."""
    steps = {step.name: step.event for step in process.steps}
    attributes = dict(process.attributes)
    for one in lookups.values():
        step, source = process.attributes.get(one.key[0], ("", ""))
        event = events.get(steps.get(step, ""))
        for name in one.levels if source == one.key[0] and len(one.key) == 1 and event is not None else ():
            if event is not None and name in event.fields:
                attributes.setdefault(name, (step, name))
    return process if len(attributes) == len(process.attributes) else replace(process, attributes=attributes)


def with_rates(event: EventType, lookups: Mapping[str, Lookup]) -> EventType:
    """With the column that a conversion means where it names none: the look-up's only number."""
    fields = dict(event.fields)
    for name, field in event.fields.items():
        convert = field.convert
        found = lookups.get(convert.rates or "") if convert is not None else None
        if convert is not None and found is not None and not convert.column:
            numbers = [column.name for column in found.columns.values() if column.type in NUMBERS]
            if len(numbers) == 1:
                fields[name] = replace(field, convert=replace(convert, column=numbers[0]))
    return replace(event, fields=fields)


def with_calendars(event: EventType, calendars: Mapping[str, Calendar]) -> EventType:
    """With the field that a calendar goes by beside each that is derived from it."""
    fields = dict(event.fields)
    for name, field in event.fields.items():
        ref = field.calendar
        if ref is not None and ref.name in calendars:
            fields[name] = replace(field, calendar=replace(ref, by=calendars[ref.name].by))
    return replace(event, fields=_in_order(fields))


def sources_of(field: Field) -> tuple[str, ...]:
    """The fields that a derived one is computed from."""
    if field.calendar is not None:
        return tuple(name for name in (field.calendar.by, field.calendar.at) if name)
    if field.cut_offs is not None:
        return (field.cut_offs.by,) if field.cut_offs.by else ()
    if field.lookup is not None:
        return (*field.lookup.keys, *(name for name in (field.lookup.at,) if name))
    if field.convert is not None:
        convert = field.convert
        return (convert.field, *convert.per, *(name for name in (convert.unit_field, convert.at) if name))
    return ()


def _in_order(fields: Mapping[str, Field]) -> dict[str, Field]:
    """Those of the data first; what is derived in a circle comes last, for the linter to find."""
    ordered = {name: field for name, field in fields.items() if not field.derived}
    left = {name: field for name, field in fields.items() if field.derived}
    while left:
        ready = [
            name
            for name, field in left.items()
            if all(source in ordered or source not in left for source in sources_of(field))
        ]
        for name in ready or list(left):
            ordered[name] = left.pop(name)
    return ordered


def process(document: ProcessDocument) -> Process:
    """The process."""
    spec = document.spec
    attributes = {name: path.split(".") for name, path in spec.attributes.items()}
    return Process(
        name=document.metadata.name,
        object=spec.object,
        steps=tuple(
            Step(
                step.name,
                step.event or "",
                step.filter,
                timeless=step.time is not None,
                done=step.done,
                via=_tuple(step.via or []),
            )
            for step in spec.steps
        ),
        opens=spec.opens,
        ends=tuple(spec.ends),
        attributes={name: (step, field) for name, (step, field) in attributes.items()},
        dues=tuple(_due(one) for one in spec.dues),
        stuck_ms=spec.stuck_after,
        grace_ms=spec.grace,
        description=document.metadata.description,
        quantities={name: Quantity(one.step, one.field) for name, one in spec.quantities.items()},
        remainders=spec.remainders,
        balances={name: _balance(one) for name, one in spec.balances.items()},
        opening=None if spec.opening is None else Opening(spec.opening),
        link=spec.link,
        relations={
            name: Relation(_tuple(one.event), _tuple(one.ends or []), tuple(one.fields), one.horizon)
            for name, one in spec.relations.items()
        },
    )


def _balance(spec: documents.BalanceSpec) -> Balance:
    """Changes that are no sum are the linter's to find."""
    try:
        changes = terms(spec.changes) if spec.changes else {}
    except ValueError:
        changes = {}
    return Balance(changes, spec.opening, spec.count, spec.horizon)


def source(document: SourceDocument) -> Source:
    """The source."""
    spec, name = document.spec, document.metadata.name
    return Source(
        name=name,
        title=document.metadata.title or title_of(name),
        owner=document.metadata.owner,
        contact=spec.contact,
        timezone=spec.timezone,
        rhythm=None if spec.rhythm is None else _rhythm(spec.rhythm),
        sequence=None if spec.sequence is None else Numbering(spec.sequence.tolerance, spec.sequence.hold),
        mapping=spec.mapping,
        description=document.metadata.description,
    )


def _rhythm(spec: documents.RhythmSpec) -> Rhythm:
    opens, closes = spec.hours or (0, 86_400_000)
    return Rhythm(spec.every, spec.at, _days(spec.days or WEEKDAYS), opens, closes, spec.tolerance)


def calendar(document: CalendarDocument) -> Calendar:
    """The calendar."""
    spec = document.spec
    usual = Schedule(
        spec.timezone, _days(spec.days), *spec.hours, tuple(sorted(spec.closed)), _shifts(spec.shifts)
    )
    each = {value: _schedule(one, usual) for value, one in spec.each.items()}
    return Calendar(document.metadata.name, usual, spec.by, each, document.metadata.description)


def _schedule(spec: documents.ScheduleSpec, usual: Schedule) -> Schedule:
    opens, closes = spec.hours or (usual.opens_ms, usual.closes_ms)
    return Schedule(
        spec.timezone or usual.timezone,
        usual.days if spec.days is None else _days(spec.days),
        opens,
        closes,
        usual.closed if spec.closed is None else tuple(sorted(spec.closed)),
        usual.shifts if spec.shifts is None else _shifts(spec.shifts),
    )


def _shifts(spec: Mapping[str, tuple[int, int]]) -> tuple[Shift, ...]:
    return tuple(Shift(name, begins, ends) for name, (begins, ends) in spec.items())


def _days(names: Iterable[Weekday]) -> tuple[int, ...]:
    return tuple(sorted(WEEKDAYS.index(day) for day in set(names)))


def kpi(document: KpiDocument) -> Kpi:
    """The KPI; its unit is ``""`` where none is given and none follows from the KPI itself."""
    spec = document.spec
    meant = window(spec.window)
    unit = _default_unit(spec) if spec.unit is None else spec.unit
    goal = spec.target

    def get(name: str) -> Any:
        return getattr(spec, name, None)

    return Kpi(
        name=document.metadata.name,
        title=document.metadata.title or title_of(document.metadata.name),
        owner=document.metadata.owner,
        type=KpiType(spec.type),
        window=meant,
        grain=spec.grain or _default_grain(meant),
        unit=unit,
        dimensions=tuple(spec.dimensions),
        description=document.metadata.description,
        measure=_compared(spec) if isinstance(spec, ReconciliationSpec) else _measure(get("measure")),
        numerator=_measure(get("numerator")),
        denominator=_measure(get("denominator")),
        scale=_default_scale(spec, unit) if spec.scale is None else spec.scale,
        expr=get("expr"),
        process=get("process"),
        start=get("from_"),
        end=get("to"),
        within_ms=get("within"),
        agg=get("agg"),
        percentile=get("percentile"),
        of=get("of"),
        due=get("due"),
        promise=get("promise") or "first",
        step=get("step"),
        quantity=get("quantity"),
        balance=get("balance"),
        price=get("price"),
        filter=spec.filter,
        target=None if goal is None else Target(goal.value, goal.band, goal.direction),
        minimum_samples=spec.minimum_samples,
        lateness_ms=spec.allowed_lateness,
        reopen_ms=spec.reopen,
        stale_ms=spec.stale_after,
        time=spec.time,
        source=get("source"),
        calendar=get("calendar"),
        per=get("per"),
        mature=get("mature") or False,
    )


def window(spec: WindowSpec) -> Window:
    """The window, of which exactly one kind is given."""
    if spec.rolling is not None:
        return Window(WindowKind.ROLLING, length_ms=spec.rolling, timezone=spec.timezone)
    if spec.calendar is not None:
        return Window(WindowKind.CALENDAR, period=spec.calendar, timezone=spec.timezone)
    if spec.to_date is not None:
        return Window(WindowKind.TO_DATE, period=spec.to_date, timezone=spec.timezone)
    if spec.previous is not None:
        return Window(WindowKind.PREVIOUS, period=spec.previous, timezone=spec.timezone)
    return Window(WindowKind.ALL_TIME, timezone=spec.timezone)


def _correctable(spec: CorrectableSpec) -> Correctable:
    return Correctable(spec.key, spec.version, spec.withdrawn, spec.horizon)


def _images(spec: ImagesSpec) -> Images:
    return Images(spec.time, spec.before, spec.after, spec.op, spec.timezone)


def _reverses(spec: ReversesSpec) -> Reverses:
    return Reverses(spec.event, spec.key, spec.version)


def _field(name: str, spec: FieldSpec, others: Mapping[str, FieldSpec]) -> Field:
    unit, unit_field = _unit(spec)
    field = Field(
        name, spec.type, unit, _scale(spec.type, spec.scale), spec.required, spec.description, unit_field
    )
    if spec.lookup is not None:
        ref = spec.lookup
        column = ref.column or ("" if ref.level is not None else name)
        return replace(field, lookup=FromLookup(ref.name, _tuple(ref.key), column, ref.level, _at(ref.at)))
    if spec.calendar is not None:
        own = spec.calendar
        return replace(field, calendar=FromCalendar(own.name, own.part, _at(own.at)))
    if spec.cut_offs is not None:
        return replace(field, cut_offs=_cut_offs(spec.cut_offs))
    if spec.convert is not None:
        return replace(field, unit=unit or spec.convert.to, convert=_conversion(spec.convert, others))
    return field


def _conversion(spec: ConvertSpec, others: Mapping[str, FieldSpec]) -> Conversion:
    unit: str | None = None
    unit_field = spec.from_
    converted = others.get(spec.field)
    if unit_field is None and converted is not None:
        unit, unit_field = _unit(converted)
        if converted.convert is not None:
            unit = unit or converted.convert.to
    return Conversion(
        spec.field,
        spec.to,
        unit,
        unit_field,
        spec.rates,
        spec.column or "",
        () if spec.per is None else _tuple(spec.per),
        spec.divide,
        _at(spec.at),
    )


def _unit(spec: FieldSpec) -> tuple[str | None, str | None]:
    """(what it is in, the field that says so)."""
    if isinstance(spec.unit, UnitOf):
        return None, spec.unit.field
    return spec.unit, spec.currency


def _scale(type_: FieldType, scale: int | None) -> int:
    return 0 if type_ is not FieldType.DECIMAL else 2 if scale is None else scale


def _at(name: str) -> str | None:
    return None if name == OCCURRED else name


def _tuple(names: str | list[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _due(spec: DueSpec) -> Due:
    return Due(
        spec.name,
        spec.step,
        spec.until,
        spec.field,
        spec.within,
        spec.item,
        spec.timezone,
        None if spec.cut_offs is None else _cut_offs(spec.cut_offs),
        tuple(spec.renewed_by),
    )


def _cut_offs(spec: CutOffsSpec) -> CutOffs:
    return CutOffs(
        times=_minutes(spec.times),
        weekdays=_days(spec.weekdays),
        timezone=spec.timezone,
        closed=tuple(sorted(spec.closed)),
        by=spec.by,
        each={value: _minutes(times) for value, times in spec.each.items()},
    )


def _minutes(times: list[str]) -> tuple[int, ...]:
    return tuple(sorted({minutes_of_day(text) for text in times}))


def _compared(spec: ReconciliationSpec) -> MeasureSpec:
    agg = Agg.COUNT if spec.field is None else Agg.SUM
    return MeasureSpec(agg=agg, event=spec.event, field=spec.field)


def _measure(part: documents.MeasureSpec | str | None) -> MeasureSpec | Any:
    if not isinstance(part, documents.MeasureSpec):
        return part
    return MeasureSpec(
        agg=part.agg,
        event=part.event,
        process=part.process,
        step=part.step,
        due=part.due,
        balance=part.balance,
        outcome=part.outcome or "met",
        promise=part.promise or "first",
        field=part.field,
        percentile=part.percentile,
        filter=part.filter,
    )


def _default_unit(spec: KpiSpec) -> str:
    """The unit that follows from the KPI alone; a field's unit is the linter's to find."""
    if isinstance(spec, ReconciliationSpec):
        return "percent"
    if isinstance(spec, RatioSpec | ConversionSpec):
        return "percent" if spec.scale == 100 else "ratio"
    agg = spec.measure.agg if isinstance(spec, SimpleSpec | CumulativeSpec) else getattr(spec, "agg", None)
    if isinstance(spec, LevelSpec):
        return "count" if spec.quantity is None and spec.balance is None else ""
    return "count" if agg in {Agg.COUNT, Agg.DISTINCT} else ""


def _default_scale(spec: KpiSpec, unit: str) -> float:
    """100 for shares in percent, else 1; times are converted to their unit before."""
    shares = RatioSpec | ConversionSpec | ReconciliationSpec
    return 100.0 if isinstance(spec, shares) and unit in PERCENT else 1.0


def _default_grain(meant: Window) -> str:
    """Slots of history that fit the window."""
    if meant.kind is WindowKind.ROLLING:
        length = meant.length_ms or 0
        return "5m" if length <= 3_600_000 else "1h" if length <= 7 * 86_400_000 else "1d"
    if meant.kind is WindowKind.PREVIOUS:
        return _WHOLE_GRAINS.get(meant.period or "", "1mo")
    return _GRAINS.get(meant.period or "", "1h")
