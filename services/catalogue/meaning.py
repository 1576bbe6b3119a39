"""What a document means: the domain's values, with the defaults that follow from what is said."""

from __future__ import annotations

from typing import Any

from services.catalogue import documents
from services.catalogue.documents import (
    WEEKDAYS,
    ConversionSpec,
    CorrectableSpec,
    CumulativeSpec,
    CutOffsSpec,
    DueSpec,
    EventTypeDocument,
    FieldSpec,
    KpiDocument,
    KpiSpec,
    LevelSpec,
    ProcessDocument,
    RatioSpec,
    ReconciliationSpec,
    ReversesSpec,
    SimpleSpec,
    SourceDocument,
    WindowSpec,
)
from services.catalogue.words import PERCENT, minutes_of_day, title_of
from services.domain.catalogue import (
    Agg,
    Correctable,
    CutOffs,
    Due,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Numbering,
    Process,
    Quantity,
    Reverses,
    Rhythm,
    Source,
    Step,
    Target,
    Time,
    Window,
    WindowKind,
)

_GRAINS = {"hour": "15m", "day": "1h", "week": "1d", "month": "1d", "quarter": "1mo", "year": "1mo"}

_WHOLE_GRAINS = {"hour": "1h", "day": "1d", "week": "1w"}
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def event_type(document: EventTypeDocument) -> EventType:
    """The event type."""
    spec = document.spec
    return EventType(
        name=document.metadata.name,
        description=document.metadata.description,
        fields={name: _field(name, one) for name, one in spec.fields.items()},
        objects=spec.objects,
        dimensions=tuple(spec.dimensions),
        sources=tuple(spec.sources),
        correctable=None if spec.correctable is None else _correctable(spec.correctable),
        reverses=None if spec.reverses is None else _reverses(spec.reverses),
        link=spec.link,
        times={Time(name): field for name, field in spec.times.items()},
    )


def process(document: ProcessDocument) -> Process:
    """The process."""
    spec = document.spec
    attributes = {name: path.split(".") for name, path in spec.attributes.items()}
    return Process(
        name=document.metadata.name,
        object=spec.object,
        steps=tuple(
            Step(step.name, step.event or "", step.filter, timeless=step.time is not None, done=step.done)
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
        link=spec.link,
    )


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
    days = tuple(sorted(_WEEKDAYS.index(day) for day in set(spec.days or _WEEKDAYS)))
    opens, closes = spec.hours or (0, 86_400_000)
    return Rhythm(spec.every, spec.at, days, opens, closes, spec.tolerance)


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
        price=get("price"),
        filter=spec.filter,
        target=None if goal is None else Target(goal.value, goal.band, goal.direction),
        minimum_samples=spec.minimum_samples,
        lateness_ms=spec.allowed_lateness,
        reopen_ms=spec.reopen,
        stale_ms=spec.stale_after,
        time=spec.time,
        source=get("source"),
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


def _reverses(spec: ReversesSpec) -> Reverses:
    return Reverses(spec.event, spec.key, spec.version)


def _field(name: str, spec: FieldSpec) -> Field:
    scale = 0 if spec.type is not FieldType.DECIMAL else 2 if spec.scale is None else spec.scale
    return Field(name, spec.type, spec.unit, scale, spec.required, spec.description)


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
        weekdays=tuple(sorted(WEEKDAYS.index(day) for day in set(spec.weekdays))),
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
        return "count" if spec.quantity is None else ""
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
