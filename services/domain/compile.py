"""From a catalogue to a program: which measures are folded, in which cubes, and how KPIs are made of them.

Identical measures of one cube are folded once. Ids carry digests of all that can change their numbers: a cell of an
id always means the same thing, whatever the catalogue said before and says after.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from services.domain.catalogue import (
    REOPEN_MS,
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Opening,
    Process,
    Time,
    WindowKind,
)
from services.domain.formulas import parse_formula
from services.domain.identity import hash64
from services.domain.lookups import UNITS
from services.domain.passages import with_passages
from services.domain.program import (
    MISSING,
    OPENED,
    QUANTITY,
    UNOPENED,
    BalanceFeed,
    CohortFeed,
    ConversionFeed,
    CountFeed,
    Cube,
    DueFeed,
    DurationFeed,
    EventFeed,
    Feed,
    Filter,
    KpiProgram,
    Measure,
    OpenFeed,
    OpeningFeed,
    OverdueFeed,
    Program,
    QuantityFeed,
    StepFeed,
    UnconvertedFilter,
    WaitingFeed,
    WorkedFeed,
    process_of,
)
from services.domain.source_events import TOTALS
from services.domain.units import unit_ms
from services.domain.windows import LONG_GRAINS, PERIODS, SHORT_GRAINS, current_reach, pane_length

CompileFilter = Callable[[str, Mapping[str, Field]], Filter]

T = TypeVar("T")

JUDGES = 4
SOURCE = Field("source", FieldType.STRING, description="the system that sent it")
_CALENDAR_REACH_MS = 3_600_000
_MEMORY_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class _CubeKey:
    """What measures must share to live in one cube."""

    judge: int
    dimensions: tuple[str, ...]
    pane_ms: int
    horizon_ms: int
    lateness_ms: int
    carry: bool
    reopen_ms: int

    @property
    def id(self) -> str:
        """What is usual goes without saying."""
        name = "+".join(self.dimensions) or "total"
        words = asdict(self)
        if self.reopen_ms == REOPEN_MS:
            del words["reopen_ms"]
        return f"{name}@{digest_of(words)}"


@dataclass(slots=True)
class _Cubes:
    """The cubes so far, and their measures by id. Of the KPIs that share one, that with the longest slots says how long
    history can be amended.
    """

    measures: dict[_CubeKey, dict[str, Measure]] = field(default_factory=dict)
    amend: dict[_CubeKey, int] = field(default_factory=dict)

    def place(self, kpi: Kpi, judge: int) -> _CubeKey:
        """Where a KPI's measures live."""
        key = _cube_key(kpi, judge)
        amend = _slot_ms(kpi) + kpi.reopen_ms + _CALENDAR_REACH_MS
        self.amend[key] = max(self.amend.get(key, 0), amend + -amend % key.pane_ms)
        return key

    def add(self, key: _CubeKey, measure: Measure) -> str:
        return self.measures.setdefault(key, {}).setdefault(measure.id, measure).id

    def all(self) -> tuple[Cube, ...]:
        return tuple(
            Cube(
                key.id,
                key.judge,
                key.dimensions,
                key.pane_ms,
                key.horizon_ms,
                key.lateness_ms,
                key.carry,
                tuple(measures.values()),
                self.amend[key],
            )
            for key, measures in self.measures.items()
        )


def compile_catalogue(catalogue: Catalogue, compile_filter: CompileFilter, judges: int = JUDGES) -> Program:
    """The program of a catalogue without problems (``services/catalogue`` lints).

    Raises ``KeyError`` or ``ValueError`` where it is inconsistent after all.
    """
    catalogue = with_passages(catalogue)
    cubes = _Cubes()
    families = families_of(catalogue)
    programs: dict[str, KpiProgram] = {}
    for name in _inputs_first(catalogue):
        kpi = catalogue.kpis[name]
        judge = hash64(families[name].encode()) % judges
        key = cubes.place(kpi, judge)
        wanted = {role: _timed(part, kpi.time) for role, part in _parts(catalogue, kpi).items()}
        parts = {
            role: cubes.add(key, _measure(catalogue, key, part, compile_filter))
            for role, part in wanted.items()
        }
        for role, part in wanted.items():
            if (companion := _unconverted(catalogue, key, part, compile_filter)) is not None:
                parts[f"{MISSING}{role}"] = cubes.add(key, companion)
            if (unpriced := _unpriced(part)) is not None:
                measure = _measure(catalogue, key, unpriced, compile_filter)
                parts[f"{MISSING}price_{role}"] = cubes.add(key, measure)
            for prefix, opening in _openings(catalogue, part):
                parts[f"{prefix}{role}"] = cubes.add(key, _measure(catalogue, key, opening, compile_filter))
        inputs = parse_formula(kpi.expr).names if kpi.expr else ()
        percentiles = _percentiles(catalogue, kpi)
        version = _version(kpi, parts, percentiles, [programs[one].version for one in inputs])
        programs[name] = KpiProgram(
            kpi, version, families[name], judge, parts, inputs, groupings(kpi.dimensions), percentiles
        )
    filters = {
        (process.name, step.name): compile_filter(step.filter, event_fields(catalogue, step.event))
        for process in catalogue.processes.values()
        for step in process.steps
        if step.filter
    }
    withdrawals = {
        name: compile_filter(event.correctable.withdrawn, event_fields(catalogue, name))
        for name, event in catalogue.events.items()
        if event.correctable is not None and event.correctable.withdrawn
    }
    kpis = {name: programs[name] for name in catalogue.kpis}
    return Program(catalogue, cubes.all(), kpis, filters, withdrawals)


def _unconverted(
    catalogue: Catalogue, key: _CubeKey, part: _Part, compile_filter: CompileFilter
) -> Measure | None:
    """What counts the rows whose amount is there and whose converted one is not; None for a part that reads none.

    A condition on a converted field cannot be asked of such a row: it counts whatever that says.
    """
    fields = fields_of(catalogue, part.feed)
    filters = [(text, compile_filter(text, fields)) for text in part.filters]
    read = {name for name in (part.field,) if name} | {name for _, one in filters for name in one.fields}
    pairs = tuple(
        (source, name)
        for name in sorted(read & converted_fields(fields))
        if (source := _converted_from(catalogue, part.feed, name)) is not None
    )
    if not pairs:
        return None
    after = {name for _, name in pairs}
    text = _conjunction(tuple(text for text, one in filters if not one.fields & after))
    rest = compile_filter(text, fields) if text else None
    words = [
        key.id,
        _feed_words(part.feed),
        pairs,
        text,
        _process_words(catalogue, part.feed),
        _correction_words(catalogue, part.feed),
        *_time_words(catalogue, part.feed),
        *_image_words(catalogue, part.feed),
    ]
    kind = type(part.feed).__name__.removesuffix("Feed").lower()
    name = f"{kind}.unconverted.{'.'.join(sorted(after))}@{digest_of(words)}"
    revocable = is_revocable(catalogue, part.feed)
    return Measure(name, part.feed, Agg.COUNT, None, 0, UnconvertedFilter(pairs, rest), revocable)


def _unpriced(part: _Part) -> _Part | None:
    """The cases that there is an amount of and no price; None for a part that multiplies by none."""
    feed = part.feed
    if not isinstance(feed, BalanceFeed | QuantityFeed) or feed.price is None:
        return None
    filters = (*part.filters, f"!has({feed.price})")
    return _Part(replace(feed, price=None), Agg.COUNT, None, filters)


def _openings(catalogue: Catalogue, part: _Part) -> Iterator[tuple[str, _Part]]:
    """What says whether a level is known: the cases whose level is not yet, and those whose is."""
    feed = part.feed
    if not isinstance(feed, BalanceFeed | OpenFeed | OverdueFeed | WaitingFeed | QuantityFeed):
        return
    opening = catalogue.processes[feed.process].opening
    balance = feed.balance if isinstance(feed, BalanceFeed) else None
    if opening is None or (balance is None and opening is Opening.EACH):
        return
    for prefix, known in ((UNOPENED, False), (OPENED, True)):
        yield prefix, _Part(OpeningFeed(feed.process, balance, known), Agg.COUNT, None, part.filters)


def converted_fields(fields: Mapping[str, Field]) -> set[str]:
    """Those that are another one in another unit."""
    return {name for name, field in fields.items() if field.convert is not None}


def _converted_from(catalogue: Catalogue, feed: Feed, name: str) -> str | None:
    """What the field (over cases: the attribute) was converted from in the end; None where a case does not know."""
    if isinstance(feed, EventFeed):
        return root_field(catalogue.events[feed.event], name)
    process = catalogue.processes[feed.process]
    step, field = process.attributes[name]
    event = next(one.event for one in process.steps if one.name == step)
    root = (step, root_field(catalogue.events[event], field))
    return next((attribute for attribute, source in process.attributes.items() if source == root), None)


def rates_of(catalogue: Catalogue, kpi: Kpi) -> frozenset[str]:
    """The look-ups by which what a KPI reads was converted, its inputs' included; "units" for fixed factors."""
    found: set[str] = set()
    for part in _parts(catalogue, kpi).values():
        fields = fields_of(catalogue, part.feed)
        for name in converted_fields(fields):
            if name in (part.field, _price(part.feed)) or any(
                re.search(rf"\b{re.escape(name)}\b", text) for text in part.filters
            ):
                convert = fields[name].convert
                found.add(UNITS if convert is None or convert.rates is None else convert.rates)
    for name in parse_formula(kpi.expr).names if kpi.expr else ():
        found |= rates_of(catalogue, catalogue.kpis[name])
    return frozenset(found)


def missing_prices(catalogue: Catalogue, kpi: Kpi) -> list[str]:
    """The attributes by which a KPI or its inputs multiply and that no look-up gives: ``price of line``."""
    found: list[str] = []
    for part in _parts(catalogue, kpi).values():
        price = _price(part.feed)
        if price is not None and fields_of(catalogue, part.feed)[price].convert is None:
            found.append(f"{price} of {process_of(part.feed)}")
    for name in parse_formula(kpi.expr).names if kpi.expr else ():
        found += missing_prices(catalogue, catalogue.kpis[name])
    return list(dict.fromkeys(found))


def _price(feed: Feed) -> str | None:
    """The attribute that amounts are multiplied by."""
    return feed.price if isinstance(feed, BalanceFeed | QuantityFeed) else None


def root_field(event: EventType, name: str) -> str:
    """The field of an event that a conversion, or a chain of them, begins with."""
    for _ in event.fields:  # no chain is longer, unless it is a circle
        convert = event.fields[name].convert if name in event.fields else None
        if convert is None:
            break
        name = convert.field
    return name


def event_fields(catalogue: Catalogue, event: str) -> dict[str, Field]:
    """What a filter or a dimension over events of this type may name."""
    return {**catalogue.events[event].fields, SOURCE.name: SOURCE}


def case_fields(catalogue: Catalogue, process: str) -> dict[str, Field]:
    """What a filter or a dimension over cases may name: the attributes, with the types of the fields they come from."""
    known = catalogue.processes[process]
    events = {step.name: step.event for step in known.steps}
    return {
        name: replace(event_fields(catalogue, events[step])[source], name=name)
        for name, (step, source) in known.attributes.items()
    }


def groupings(dimensions: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The total, each dimension alone, and all of them."""
    return tuple(dict.fromkeys([(), *((dimension,) for dimension in dimensions), dimensions]))


def references(kpi: Kpi) -> tuple[str, ...]:
    """The KPIs that this one names; raises ``FormulaError`` on an ``expr`` that is none."""
    named = [part for part in (kpi.numerator, kpi.denominator) if isinstance(part, str)]
    return (*named, *(parse_formula(kpi.expr).names if kpi.expr else ()))


def families_of(catalogue: Catalogue) -> dict[str, str]:
    """KPI → its family, named after the alphabetically first of those that references connect."""
    root = {name: name for name in catalogue.kpis}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for kpi in catalogue.kpis.values():
        for other in references(kpi):
            low, high = sorted((find(kpi.name), find(other)))
            root[high] = low
    return {name: find(name) for name in catalogue.kpis}


def digest_of(value: object) -> str:
    """16 hex digits that identify a value made of JSON's types."""
    return f"{hash64(json.dumps(value, sort_keys=True, default=str).encode()):016x}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A measure before it has a place."""

    feed: Feed
    agg: Agg
    field: str | None = None
    filters: tuple[str, ...] = ()


def _parts(catalogue: Catalogue, kpi: Kpi) -> dict[str, _Part]:
    """Role → what is measured for it. A KPI named as a part lends its measure, not its window."""
    own = _texts(kpi.filter)
    match kpi.type:
        case KpiType.SIMPLE | KpiType.CUMULATIVE:
            return {"value": _of_spec(_set(kpi.measure), own)}
        case KpiType.DERIVED:
            return {}
        case KpiType.CONVERSION:
            return _conversion(kpi, own)
        case KpiType.DURATION:
            agg = kpi.agg or Agg.AVG
            return {
                "value": _Part(
                    _duration_feed(catalogue, kpi), agg, None if agg is Agg.COUNT else "duration", own
                )
            }
        case KpiType.LEVEL if kpi.process is not None:
            return {"value": _level(kpi, own)}
        case _:
            return _pair(catalogue, kpi, own)


def _duration_feed(catalogue: Catalogue, kpi: Kpi) -> DurationFeed:
    both = (_set(kpi.process), _set(kpi.start), _set(kpi.end))
    if kpi.calendar is None:
        return DurationFeed(*both)
    calendar = catalogue.calendars[kpi.calendar]
    each = [(value, replace(schedule, shifts=())) for value, schedule in sorted(calendar.each.items())]
    return WorkedFeed(*both, replace(calendar.usual, shifts=()), calendar.by, tuple(each))


def _conversion(kpi: Kpi, own: tuple[str, ...]) -> dict[str, _Part]:
    if kpi.per is not None:
        return {"numerator": _cohort(kpi, kpi.quantity, own), "denominator": _cohort(kpi, kpi.per, own)}
    start = ConversionFeed(_set(kpi.process), _set(kpi.start), _set(kpi.end), _set(kpi.within_ms))
    return {
        "numerator": _Part(start, Agg.SUM, "converted", own),
        "denominator": _Part(start, Agg.COUNT, None, own),
    }


def _cohort(kpi: Kpi, quantity: str | None, own: tuple[str, ...]) -> _Part:
    feed = CohortFeed(_set(kpi.process), _set(kpi.start), _set(quantity), _set(kpi.within_ms))
    return _Part(feed, Agg.SUM, QUANTITY, own)


def _pair(catalogue: Catalogue, kpi: Kpi, own: tuple[str, ...]) -> dict[str, _Part]:
    """Two parts: of a ratio, of a level from what comes in and goes out, of a reconciliation."""
    if kpi.type is KpiType.RECONCILIATION:
        return {"ours": _ours(kpi, own), "theirs": _theirs(kpi)}
    roles = ("plus", "minus") if kpi.type is KpiType.LEVEL else ("numerator", "denominator")
    parts = [_named(catalogue, part, own) for part in (kpi.numerator, kpi.denominator)]
    return dict(zip(roles, parts, strict=True))


def _level(kpi: Kpi, own: tuple[str, ...]) -> _Part:
    if kpi.balance is not None:
        return _Part(BalanceFeed(_set(kpi.process), kpi.balance, kpi.price), Agg.SUM, QUANTITY, own)
    if kpi.quantity is None:
        return _Part(_level_feed(kpi), Agg.COUNT, None, own)
    return _Part(_quantity_feed(kpi), Agg.SUM, QUANTITY, own)


def _ours(kpi: Kpi, own: tuple[str, ...]) -> _Part:
    part = _of_spec(_set(kpi.measure), own)
    return replace(part, filters=(*part.filters, f"source == {json.dumps(kpi.source)}"))


def _theirs(kpi: Kpi) -> _Part:
    """What the source says last of the same events."""
    measure = _set(kpi.measure)
    said = {"source": kpi.source, "event": measure.event, "field": measure.field}
    filters = tuple(f"{name} == {json.dumps(word)}" for name, word in said.items() if word is not None)
    return _Part(EventFeed(TOTALS), Agg.LAST, "count" if measure.field is None else "sum", filters)


def _level_feed(kpi: Kpi) -> Feed:
    process = _set(kpi.process)
    match kpi.of:
        case "overdue":
            return OverdueFeed(process, _set(kpi.due), kpi.promise)
        case "waiting":
            return WaitingFeed(process, _set(kpi.step))
        case _:
            return OpenFeed(process)


def _quantity_feed(kpi: Kpi) -> QuantityFeed:
    name = {"overdue": kpi.due, "waiting": kpi.step}.get(_set(kpi.of), "")
    return QuantityFeed(
        _set(kpi.process), _set(kpi.of), _set(name), kpi.promise, _set(kpi.quantity), kpi.price
    )


def _named(catalogue: Catalogue, part: str | MeasureSpec | None, own: tuple[str, ...]) -> _Part:
    if not isinstance(part, str):
        return _of_spec(_set(part), own)
    found = _parts(catalogue, catalogue.kpis[part])
    if set(found) != {"value"}:
        raise ValueError(f"{part!r} has no single measure that could be a part of another KPI")
    return replace(found["value"], filters=(*found["value"].filters, *own))


def _of_spec(spec: MeasureSpec, own: tuple[str, ...]) -> _Part:
    if spec.balance is not None:
        return _of_count(spec, own)
    if spec.event is not None:
        feed: Feed = EventFeed(spec.event)
    elif spec.step is not None:
        feed = StepFeed(_set(spec.process), spec.step)
    else:
        feed = DueFeed(_set(spec.process), _set(spec.due), spec.outcome, spec.promise)
    return _Part(feed, spec.agg, None if spec.agg is Agg.COUNT else spec.field, (*_texts(spec.filter), *own))


def _of_count(spec: MeasureSpec, own: tuple[str, ...]) -> _Part:
    feed = CountFeed(_set(spec.process), _set(spec.balance), spec.field or "difference")
    return _Part(feed, spec.agg, None if spec.agg is Agg.COUNT else QUANTITY, (*_texts(spec.filter), *own))


def _timed(part: _Part, time: Time) -> _Part:
    """Events count by the time of the KPI that they are counted for, also where another lends the measure; totals by
    the day that they speak of.
    """
    if not isinstance(part.feed, EventFeed) or part.feed.event == TOTALS:
        return part
    return replace(part, feed=replace(part.feed, time=time))


def _measure(catalogue: Catalogue, key: _CubeKey, part: _Part, compile_filter: CompileFilter) -> Measure:
    text = _conjunction(part.filters)
    fields = fields_of(catalogue, part.feed)
    compiled = compile_filter(text, fields) if text else None
    number = fields.get(part.field) if part.field else None
    scale = number.scale if number else 0
    if isinstance(part.feed, QuantityFeed | BalanceFeed | CountFeed | CohortFeed):
        scale = _quantity_scale(catalogue, part.feed, fields)
    read = sorted(
        {*(compiled.fields if compiled else ()), *([part.field] if number else ()), *key.dimensions}
    )
    derived = [
        _derivation_words(catalogue, fields[name]) for name in read if name in fields and fields[name].derived
    ]
    digest = digest_of(
        [
            key.id,
            _feed_words(part.feed),
            part.agg,
            part.field,
            scale,
            text,
            [(fields[name].type, fields[name].scale) for name in read if name in fields],
            _process_words(catalogue, part.feed),
            _correction_words(catalogue, part.feed),
            *_time_words(catalogue, part.feed),
            *_image_words(catalogue, part.feed),
            *derived,
        ]
    )
    kind = type(part.feed).__name__.removesuffix("Feed").lower()
    words = [kind, *_feed_words(part.feed)[1:], part.agg.value, *([part.field] if part.field else [])]
    return Measure(
        f"{'.'.join(words)}@{digest}",
        part.feed,
        part.agg,
        part.field,
        scale,
        compiled,
        revocable=is_revocable(catalogue, part.feed),
    )


def is_revocable(catalogue: Catalogue, feed: Feed) -> bool:
    """Whether what the feed tells may be taken back: always of cases, of events that can be corrected or carry the
    row before a change.
    """
    if not isinstance(feed, EventFeed):
        return True
    event = catalogue.events[feed.event]
    return event.correctable is not None or event.images is not None


def _quantity_scale(
    catalogue: Catalogue,
    feed: QuantityFeed | BalanceFeed | CountFeed | CohortFeed,
    fields: Mapping[str, Field],
) -> int:
    """The decimal digits of what is left of a remainder or of a balance, times a price: those of the most exact
    quantity, and its.
    """
    process = catalogue.processes[feed.process]
    events = {step.name: step.event for step in process.steps}
    if isinstance(feed, QuantityFeed | CohortFeed):
        quantities = [*process.movements.values()]
    else:
        quantities = [process.quantities[name] for name in process.balances[feed.balance].quantities]
    scales = [catalogue.events[events[one.step]].fields[one.field].scale for one in quantities]
    price = _price(feed)
    return max(scales, default=0) + (fields[price].scale if price else 0)


def fields_of(catalogue: Catalogue, feed: Feed) -> dict[str, Field]:
    """What a measure over this feed may filter and group by."""
    if isinstance(feed, EventFeed):
        return event_fields(catalogue, feed.event)
    return case_fields(catalogue, feed.process)


def _feed_words(feed: Feed) -> list[str]:
    """The words that identify a feed; the time that events usually count by goes without saying."""
    said = [value for value in asdict(feed).values() if value is not Time.OCCURRED]
    plain = (str, int, type(None))
    return [
        type(feed).__name__,
        *(str(value) if isinstance(value, plain) else digest_of(value) for value in said),
    ]


def _derivation_words(catalogue: Catalogue, field: Field) -> object:
    """How a field is derived, as far as it can change numbers: with the calendar that it follows."""
    words = {name: value for name, value in asdict(field).items() if name not in {"calendar", "cut_offs"}}
    if field.cut_offs is not None:
        words["cut_offs"] = asdict(field.cut_offs)
    if field.calendar is not None:
        calendar = replace(catalogue.calendars[field.calendar.name], description="")
        words["calendar"] = [asdict(field.calendar), asdict(calendar)]
    return words


def _time_words(catalogue: Catalogue, feed: Feed) -> list[str]:
    """The field that holds the time that events count by, where it is not their own."""
    if not isinstance(feed, EventFeed):
        return []
    name = catalogue.events[feed.event].times.get(feed.time)
    return [] if name is None else [name]


def _correction_words(catalogue: Catalogue, feed: Feed) -> object:
    """How events of the feed are corrected, which can change its numbers; None where they are not."""
    types = {feed.event} if isinstance(feed, EventFeed) else set(catalogue.processes[feed.process].told_by)
    said = {name: catalogue.events[name].correctable for name in sorted(types)}
    reversing = [
        event.name for event in catalogue.events.values() if event.reverses and event.reverses.event in types
    ]
    return [said, reversing] if any(said.values()) else None


def _image_words(catalogue: Catalogue, feed: Feed) -> list[object]:
    """How events of the feed carry rows before and after a change; nothing where they do not."""
    images = catalogue.events[feed.event].images if isinstance(feed, EventFeed) else None
    return [] if images is None else [asdict(images)]


def _process_words(catalogue: Catalogue, feed: Feed) -> object:
    """All of a process that can change what its cases tell."""
    if isinstance(feed, EventFeed):
        return None
    process: Process = catalogue.processes[feed.process]
    keys = sorted({catalogue.events[event].objects.get(process.object, "") for event in process.told_by})
    events = {step.name: step.event for step in process.steps}
    dues = [catalogue.events[events[due.step]].fields[due.field].type for due in process.dues if due.field]
    said = [keys, dues, replace(process, description="", attributes=dict(process.attributes))]
    heard = [passage_words(catalogue, event) for event in process.told_by if catalogue.events[event].passed]
    return [*said, heard] if heard else said


def passage_words(catalogue: Catalogue, event: str) -> list[object]:
    """How cases hear of an event that others pass on to them, from hop to hop, and how that may be corrected."""
    words: list[object] = []
    while (passed := catalogue.events[event].passed) is not None:
        event = passed.event
        types = [event, *passed.relation.begins, *passed.relation.ends]
        words += [passed, [catalogue.events[one].correctable for one in types if one in catalogue.events]]
    return words


def _cube_key(kpi: Kpi, judge: int) -> _CubeKey:
    """Panes last until no window needs them, and for a week after their slot of history has ended: most of what is late
    comes by then, and what comes later amends history.
    """
    pane = pane_length(kpi.window, kpi.grain)
    slot = _slot_ms(kpi) + min(kpi.reopen_ms, _MEMORY_MS)
    horizon = max(current_reach(kpi) + kpi.lateness_ms, slot) + _CALENDAR_REACH_MS
    carry = kpi.type is KpiType.LEVEL or kpi.window.kind is WindowKind.ALL_TIME
    return _CubeKey(
        judge, kpi.dimensions, pane, horizon + -horizon % pane, kpi.closes_ms, carry, kpi.reopen_ms
    )


def _slot_ms(kpi: Kpi) -> int:
    """The longest that a slot of its history can last, and ripen."""
    return (SHORT_GRAINS.get(kpi.grain) or PERIODS[LONG_GRAINS[kpi.grain]]) + kpi.ripens_ms


def _version(kpi: Kpi, parts: Mapping[str, str], percentiles: Mapping[str, float], inputs: list[str]) -> str:
    return digest_of(
        [
            kpi.type,
            parts,
            percentiles,
            asdict(kpi.window),
            kpi.grain,
            kpi.dimensions,
            kpi.scale,
            unit_ms(kpi.unit),
            kpi.expr,
            inputs,
            *([kpi.ripens_ms] if kpi.mature else []),
        ]
    )


def _percentiles(catalogue: Catalogue, kpi: Kpi) -> dict[str, float]:
    """Role → which percentile is read from its measure."""
    roles = {"value": kpi.measure, "numerator": kpi.numerator, "denominator": kpi.denominator}
    found: dict[str, float] = {} if kpi.percentile is None else {"value": kpi.percentile}
    for role, part in roles.items():
        if isinstance(part, str):
            for value in _percentiles(catalogue, catalogue.kpis[part]).values():
                found[role] = value
        elif part is not None and part.percentile is not None:
            found[role] = part.percentile
    return found


def _inputs_first(catalogue: Catalogue) -> Iterator[str]:
    """KPI names so that a derived one comes after what it reads; raises ``ValueError`` on a cycle."""
    done: set[str] = set()
    under_way: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        if name in under_way:
            raise ValueError(f"{name!r} is derived from itself")
        under_way.add(name)
        for other in references(catalogue.kpis[name]):
            yield from visit(other)
        done.add(name)
        yield name

    for name in catalogue.kpis:
        yield from visit(name)


def _conjunction(filters: tuple[str, ...]) -> str | None:
    texts = list(dict.fromkeys(text.strip() for text in filters))
    return " && ".join(f"({text})" for text in texts) if len(texts) > 1 else (texts[0] if texts else None)


def _texts(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _set(value: T | None) -> T:
    if value is None:
        raise ValueError("a KPI lacks what its type needs")
    return value
