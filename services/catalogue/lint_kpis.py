"""Checks of KPIs: what they measure, how they are cut, what they are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isclose

from services.catalogue.known import Known, check_zone, one_of, repeated
from services.catalogue.lint_balances import balance_field, check_count, check_level
from services.catalogue.lint_calendars import check_worked
from services.catalogue.lint_cohorts import check_cohort
from services.catalogue.lint_corrections import check_subtractable
from services.catalogue.lint_dues import check_moment, event_fields
from services.catalogue.lint_facts import check_dimension
from services.catalogue.lint_images import check_recorded
from services.catalogue.lint_sources import check_reconciliation
from services.catalogue.meaning import NUMBERS
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.catalogue.words import NAME, PERCENT
from services.domain.catalogue import Agg, Field, Kpi, KpiType, MeasureSpec, Process, Time, WindowKind
from services.domain.conditions import a
from services.domain.contributions import AT_THE_DUE_TIME
from services.domain.formulas import FormulaError, parse_formula
from services.domain.units import TIME_UNITS, factor_between

SPEC: Path_ = ("spec",)
_FORMULA_WORDS = frozenset({"min", "max", "abs"})
_OVER_CASES = (Agg.COUNT, Agg.SUM, Agg.AVG, Agg.PERCENTILE)
_LENDERS = frozenset({KpiType.SIMPLE, KpiType.CUMULATIVE, KpiType.DURATION})
_SHORTEST_ROLLING_MS = 10_000


def check_kpi(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """What is wrong with one KPI."""
    if not NAME.match(kpi.name) or kpi.name in _FORMULA_WORDS:
        remedy = "use small letters, digits and _, a letter first"
        yield document.problem(("metadata", "name"), f"{kpi.name!r} cannot be the name of a KPI", remedy)
    yield from _check_window(document, kpi)
    yield from repeated(document, (*SPEC, "dimensions"), list(kpi.dimensions), "dimension")
    match kpi.type:
        case KpiType.SIMPLE | KpiType.CUMULATIVE:
            yield from _check_part(document, "measure", kpi.measure, kpi, known)
        case KpiType.RATIO:
            yield from _check_part(document, "numerator", kpi.numerator, kpi, known)
            yield from _check_part(document, "denominator", kpi.denominator, kpi, known)
            yield from _check_readings(document, kpi, known)
        case KpiType.DERIVED:
            yield from _check_formula(document, kpi, known)
        case KpiType.CONVERSION | KpiType.DURATION:
            yield from _check_steps(document, kpi, known)
        case KpiType.LEVEL:
            yield from _check_level(document, kpi, known)
        case KpiType.RECONCILIATION:
            yield from check_reconciliation(document, kpi, known)
    yield from _check_time(document, kpi, known)
    yield from _check_unit(document, kpi, known)
    yield from _check_target(document, kpi)


def _check_time(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """Only events have other times than when they occurred, and only where their type says which field holds them."""
    if kpi.time is Time.OCCURRED:
        return
    path = (*SPEC, "time")
    if kpi.type is KpiType.DERIVED:
        message = "a derived KPI counts nothing by itself"
        yield document.problem(path, message, "say it of the KPIs that it is derived from")
        return
    lent = [known.kpi(part) if isinstance(part, str) else kpi for part in (kpi.numerator, kpi.denominator)]
    measures = [kpi.measure, kpi.numerator, kpi.denominator, *(one.measure for one in lent if one)]
    specs = [measure for measure in measures if isinstance(measure, MeasureSpec)]
    if any(one.process for one in lent if one) or any(spec.process for spec in specs):
        message = f"cases are known by when their events occurred, not by when those were {kpi.time}"
        yield document.problem(path, message, "leave it out, or measure an event")
    for event in dict.fromkeys(spec.event for spec in specs):
        found = known.event(event) if event else None
        if found is not None and kpi.time is Time.POSTED and Time.POSTED not in found.times:
            message = f"nothing says when {found.name} was posted"
            yield document.problem(path, message, f"add times: {{posted: FIELD}} to {found.name}")
        if kpi.time is Time.RECORDED:
            yield from check_recorded(document, path, found)


def _check_window(document: Document, kpi: Kpi) -> Iterator[Problem]:
    window = kpi.window
    path = (*SPEC, "window")
    yield from check_zone(document, (*path, "timezone"), window.timezone)
    if window.kind is WindowKind.ROLLING and (window.length_ms or 0) < _SHORTEST_ROLLING_MS:
        yield document.problem(
            (*path, "rolling"), "a window this short is never full", "make it 10s or longer"
        )


def _check_part(
    document: Document, role: str, part: str | MeasureSpec | None, kpi: Kpi, known: Known
) -> Iterator[Problem]:
    path = (*SPEC, role)
    if isinstance(part, str):
        yield from _check_lent(document, path, part, kpi, known)
    elif part is not None:
        yield from _check_measure(document, path, part, kpi, known)


def _check_lent(document: Document, path: Path_, name: str, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """A KPI as a part of another lends its measure."""
    yield from known.missing(document, path, "Kpi", name)
    other = known.kpi(name)
    if other is None:
        return
    if other.type not in _LENDERS:
        message = f"{name!r} is {a(other.type)}: it has no single measure to lend"
        yield document.problem(
            path, message, "name a simple KPI, or write the measure here, or make this a derived KPI"
        )
        return
    yield from _check_inherited(document, kpi, other)
    yield from known.filter(document, (*SPEC, "filter"), kpi.filter, _fields_of(other, known))


def _check_inherited(document: Document, kpi: Kpi, other: Kpi) -> Iterator[Problem]:
    for index, dimension in enumerate(kpi.dimensions):
        if dimension not in other.dimensions:
            message = f"{other.name!r} is not split by {dimension!r}"
            yield document.problem(
                (*SPEC, "dimensions", index),
                message,
                f"add it to the dimensions of {other.name!r}, or leave it out here",
            )


def _fields_of(kpi: Kpi, known: Known) -> Mapping[str, Field] | None:
    if kpi.measure is not None:
        return measured_fields(kpi.measure, known)
    return known.case_fields(kpi.process) if kpi.process else None


def measured_fields(measure: MeasureSpec, known: Known) -> dict[str, Field] | None:
    """What a measure may aggregate and filter by; None where that is not known."""
    if measure.event is not None:
        return known.event_fields(measure.event)
    return known.case_fields(measure.process) if measure.process else None


def _check_measure(
    document: Document, path: Path_, measure: MeasureSpec, kpi: Kpi, known: Known
) -> Iterator[Problem]:
    if (measure.event is None) == (measure.process is None):
        yield document.problem(path, "a measure is over either an event or a process", "name one of the two")
        return
    fields = measured_fields(measure, known)
    if measure.event is not None:
        yield from known.missing(document, (*path, "event"), "EventType", measure.event)
        yield from check_subtractable(document, (*path, "agg"), measure.agg, known.event(measure.event))
        for key in ("step", "due", "balance", "outcome"):
            if document.value((*path, key)) is not None:
                yield document.problem(
                    (*path, key), f"{key} belongs to a process, this is over events", "remove it"
                )
    else:
        yield from _check_process_measure(document, path, measure, known)
    yield from _check_agg(document, path, measure, fields)
    yield from known.filter(document, (*path, "filter"), measure.filter, fields)
    yield from known.filter(document, (*SPEC, "filter"), kpi.filter, fields)
    for index, dimension in enumerate(kpi.dimensions):
        found = check_dimension(document, (*SPEC, "dimensions", index), dimension, fields)
        hint = _known_to_a_case(dimension, measure, known) if dimension not in (fields or {}) else ""
        yield from (replace(problem, remedy=hint or problem.remedy) for problem in found)


def _known_to_a_case(name: str, measure: MeasureSpec, known: Known) -> str:
    """How numbers of an event are split by what its case has learnt from other events; empty where it does not."""
    for process in known.catalogue.processes.values():
        step = next((one.name for one in process.steps if one.event == measure.event), None)
        sources = [
            f"{one.name}.{name}" for one in process.steps if name in (known.event_fields(one.event) or {})
        ]
        if step is None or not (name in process.attributes or sources):
            continue
        lacking = [] if name in process.attributes else [f"{name}: {sources[0]}"]
        if measure.field is not None and measure.field not in process.attributes:
            lacking.append(f"{measure.field}: {step}.{measure.field}")
        learns = f"add {', '.join(lacking)} to its attributes and " if lacking else ""
        return f"its {process.name} knows: {learns}measure over process: {process.name}, step: {step}"
    return ""


def _check_process_measure(
    document: Document, path: Path_, measure: MeasureSpec, known: Known
) -> Iterator[Problem]:
    yield from known.missing(document, (*path, "process"), "Process", measure.process or "")
    if [measure.step, measure.due, measure.balance].count(None) != 2:
        message = "over a process, a measure is about a step, a due time or a balance"
        yield document.problem(path, message, "name one of the three")
    process = known.process(measure.process or "")
    yield from check_count(document, path, measure, process)
    if process and measure.step is not None:
        yield from one_of(
            document, (*path, "step"), "step", measure.step, tuple(step.name for step in process.steps)
        )
    if process and measure.due is not None:
        yield from one_of(
            document, (*path, "due"), "due time", measure.due, tuple(due.name for due in process.dues)
        )
    if measure.due is None and document.value((*path, "outcome")) is not None:
        yield document.problem(
            (*path, "outcome"), "outcome belongs to a due time", "name the due time, or remove it"
        )
    if measure.outcome in AT_THE_DUE_TIME and measure.field == "lateness":
        message = f"what is {measure.outcome} has no lateness yet"
        yield document.problem((*path, "field"), message, "use outcome: late, or count them")
    yield from _check_promise(document, path, measure.due, process, measure.promise)
    if measure.agg not in _OVER_CASES:
        yield _not_over_cases(document, (*path, "agg"), measure.agg)


def _check_promise(
    document: Document, path: Path_, due: str | None, process: Process | None, promise: str
) -> Iterator[Problem]:
    """Which promise is meant, where there may be several."""
    if document.value((*path, "promise")) is None:
        return
    if due is None:
        message = "promise belongs to a due time"
        yield document.problem((*path, "promise"), message, "name the due time, or remove it")
    found = next((one for one in process.dues if one.name == due), None) if process else None
    if found is not None and promise == "current" and not found.renewed_by:
        message = f"{due!r} is never promised anew"
        remedy = f"say in renewedBy of {due!r} which steps do, or remove promise"
        yield document.problem((*path, "promise"), message, remedy)


def _check_readings(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """Both parts of a ratio of due times count the same ones at the same moment."""
    above, below = (_lent(part, known) for part in (kpi.numerator, kpi.denominator))
    if above is None or below is None or None in {above.due, below.due}:
        return
    path = (*SPEC, "denominator")
    if (above.outcome in AT_THE_DUE_TIME) != (below.outcome in AT_THE_DUE_TIME):
        message = (
            f"{above.outcome} counts when {_counts(above)}, {below.outcome} when {_counts(below)}: "
            "the two are not of the same cases"
        )
        remedy = "divide on_time or late by met, kept or missed by due"
        yield document.problem(path, message, remedy)
    elif above.due == below.due and above.promise != below.promise:
        message = f"the numerator is against the {above.promise} promise, this is against the {below.promise}"
        yield document.problem(path, message, f"say promise: {above.promise} in both, or in neither")


def _counts(measure: MeasureSpec) -> str:
    return "its due time passes" if measure.outcome in AT_THE_DUE_TIME else "its step comes"


def _lent(part: str | MeasureSpec | None, known: Known) -> MeasureSpec | None:
    if not isinstance(part, str):
        return part
    other = known.kpi(part)
    return None if other is None else other.measure


def _not_over_cases(document: Document, path: Path_, agg: Agg) -> Problem:
    message = f"{agg} cannot be kept over cases, whose numbers may still change"
    instead = {Agg.MIN: "percentile with percentile: 0", Agg.MAX: "percentile with percentile: 100"}
    return document.problem(path, message, f"use {instead.get(agg, 'count, sum, avg or percentile')}")


def _check_agg(
    document: Document, path: Path_, measure: MeasureSpec, fields: dict[str, Field] | None
) -> Iterator[Problem]:
    yield from _check_percentile(document, path, measure.agg, measure.percentile)
    if measure.agg is Agg.COUNT:
        if measure.field is not None:
            remedy = "remove field, or use agg: distinct to count different values"
            yield document.problem((*path, "field"), "count takes no field", remedy)
        return
    if measure.field is None:
        remedy = "use field: lateness" if measure.due else "name the field to aggregate"
        remedy = "use field: difference" if measure.balance else remedy
        yield document.problem(path, f"{measure.agg} needs a field", remedy)
    elif fields is not None and not measure.balance and not (measure.due and measure.field == "lateness"):
        word = (
            f"field of {measure.event} called" if measure.event else f"attribute of {measure.process} called"
        )
        yield from one_of(document, (*path, "field"), word, measure.field, fields)
        found = fields.get(measure.field)
        if found and measure.agg is not Agg.DISTINCT and found.type not in NUMBERS:
            message = f"{measure.agg} needs a number, {measure.field!r} is {a(found.type)}"
            yield document.problem((*path, "field"), message, "use agg: distinct to count different values")


def _check_percentile(
    document: Document, path: Path_, agg: Agg | None, percentile: float | None
) -> Iterator[Problem]:
    if agg is Agg.PERCENTILE and percentile is None:
        yield document.problem(path, "which percentile?", "add percentile: 90, say")
    if agg is not Agg.PERCENTILE and percentile is not None:
        yield document.problem(
            (*path, "percentile"), f"{agg} takes no percentile", "use agg: percentile, or remove it"
        )


def _check_formula(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    path = (*SPEC, "expr")
    try:
        names = parse_formula(kpi.expr or "").names
    except FormulaError as error:
        yield document.problem(path, f"{error.message}, at character {error.at + 1}", "")
        return
    for name in names:
        yield from known.missing(document, path, "Kpi", name)
        other = known.kpi(name)
        if other is not None:
            yield from _check_inherited(document, kpi, other)
    if kpi.filter is not None:
        remedy = "put it into the KPIs that expr names"
        yield document.problem((*SPEC, "filter"), "a derived KPI has nothing to filter", remedy)
    cycle = cycle_of(kpi.name, known)
    if cycle:
        yield document.problem(
            path, f"{kpi.name!r} is derived from itself: {' → '.join(cycle)}", "break the circle"
        )


def cycle_of(name: str, known: Known) -> list[str]:
    """A way from a derived KPI back to itself; empty where there is none."""
    ways = [[name]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for other in _inputs(way[-1], known):
            if other == name:
                return [*way, name]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


def _inputs(name: str, known: Known) -> tuple[str, ...]:
    kpi = known.kpi(name)
    try:
        return parse_formula(kpi.expr).names if kpi and kpi.expr else ()
    except FormulaError:
        return ()


def _check_steps(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """Conversions and durations: from one step of a process to another."""
    yield from _check_cases(document, kpi, known)
    process = known.process(kpi.process or "")
    if process:
        steps = tuple(step.name for step in process.steps)
        yield from one_of(document, (*SPEC, "from"), "step", kpi.start or "", steps)
        if kpi.end is not None:
            yield from one_of(document, (*SPEC, "to"), "step", kpi.end, steps)
        yield from check_cohort(document, kpi, process, known)
        by_name = {step.name: step for step in process.steps}
        yield from check_moment(document, (*SPEC, "from"), by_name.get(kpi.start or ""))
        yield from check_moment(document, (*SPEC, "to"), by_name.get(kpi.end or ""))
    if kpi.start == kpi.end:
        yield document.problem((*SPEC, "to"), "from and to are the same step", "name two steps")
    yield from check_worked(document, kpi, known)
    if kpi.type is KpiType.DURATION:
        yield from _check_percentile(document, SPEC, kpi.agg, kpi.percentile)
        if kpi.agg not in _OVER_CASES:
            yield _not_over_cases(document, (*SPEC, "agg"), kpi.agg or Agg.AVG)


def _check_cases(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    yield from known.missing(document, (*SPEC, "process"), "Process", kpi.process or "")
    fields = known.case_fields(kpi.process or "")
    yield from known.filter(document, (*SPEC, "filter"), kpi.filter, fields)
    for index, dimension in enumerate(kpi.dimensions):
        yield from check_dimension(document, (*SPEC, "dimensions", index), dimension, fields)


def _check_level(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    of_process = kpi.process is not None or kpi.of is not None
    in_and_out = kpi.numerator is not None or kpi.denominator is not None
    if of_process == in_and_out:
        remedy = "name process and of, or numerator (in) and denominator (out)"
        yield document.problem(
            SPEC, "a level is either of a process, or what comes in minus what goes out", remedy
        )
    elif of_process:
        yield from _check_level_of_process(document, kpi, known)
    else:
        for key in ("due", "step", "promise", "quantity", "balance", "price"):
            if document.value((*SPEC, key)) is not None:
                yield document.problem((*SPEC, key), f"{key} belongs to a level of a process", "remove it")
        yield from _check_in_and_out(document, kpi, known)


def _check_level_of_process(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    for key, value in (("process", kpi.process), ("of", kpi.of or kpi.balance)):
        if value is None:
            remedy = "of is one of open, overdue, waiting" if key == "of" else "name the process"
            yield document.problem(SPEC, f"{key} is missing", remedy)
    if kpi.process is None:
        return
    yield from _check_cases(document, kpi, known)
    process = known.process(kpi.process)
    if kpi.balance is not None:
        yield from check_level(document, kpi, process, known)
        return
    for key, value, wanted_by, names in (
        ("due", kpi.due, "overdue", tuple(due.name for due in process.dues) if process else ()),
        ("step", kpi.step, "waiting", tuple(step.name for step in process.steps) if process else ()),
    ):
        if kpi.of == wanted_by and value is None:
            yield document.problem(SPEC, f"of: {wanted_by} needs a {key}", did_you_mean("", names))
        elif kpi.of != wanted_by and value is not None:
            yield document.problem((*SPEC, key), f"{key} belongs to of: {wanted_by}", "remove it")
        elif value is not None and process:
            yield from one_of(document, (*SPEC, key), "due time" if key == "due" else "step", value, names)
    yield from _check_promise(document, SPEC, kpi.due, process, kpi.promise)
    yield from _check_quantity(document, kpi, process, known)


def _check_quantity(document: Document, kpi: Kpi, process: Process | None, known: Known) -> Iterator[Problem]:
    if kpi.quantity is None:
        if kpi.price is not None:
            message = "price belongs to a quantity"
            yield document.problem((*SPEC, "price"), message, "name the remainder in quantity, or remove it")
        return
    if process is not None:
        yield from one_of(document, (*SPEC, "quantity"), "remainder", kpi.quantity, process.remainders)
    fields = known.case_fields(kpi.process or "") or {}
    if kpi.price is not None and process is not None:
        yield from one_of(document, (*SPEC, "price"), f"attribute of {kpi.process} called", kpi.price, fields)
        if kpi.price in fields and fields[kpi.price].type not in NUMBERS:
            message = f"{kpi.price!r} is {a(fields[kpi.price].type)}: nothing can be multiplied by it"
            yield document.problem((*SPEC, "price"), message, "name an integer or a decimal")


def _check_in_and_out(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    for role, part in (("numerator", kpi.numerator), ("denominator", kpi.denominator)):
        if part is None:
            yield document.problem(
                SPEC, f"{role} is missing", "numerator is what comes in, denominator what goes out"
            )
            continue
        yield from _check_part(document, role, part, kpi, known)
        measure = part if isinstance(part, MeasureSpec) else getattr(known.kpi(part), "measure", None)
        if measure is not None and measure.agg not in {Agg.COUNT, Agg.SUM}:
            path = (*SPEC, role, "agg") if isinstance(part, MeasureSpec) else (*SPEC, role)
            yield document.problem(path, f"a level cannot be made of {measure.agg}", "use count or sum")


def _check_unit(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    path = (*SPEC, "unit")
    scaled = document.value((*SPEC, "scale")) is not None
    if kpi.type in {KpiType.RATIO, KpiType.CONVERSION, KpiType.RECONCILIATION}:
        if kpi.unit in PERCENT and kpi.scale != 100:
            message = f"percent is a share times 100, scale says {kpi.scale:g}"
            yield document.problem((*SPEC, "scale"), message, "write scale: 100, or leave it out")
        return
    field = measured_field(kpi, known)
    if is_time(kpi):
        if kpi.unit not in TIME_UNITS and not scaled:
            message = f"a time cannot be shown in {kpi.unit!r}" if kpi.unit else "unit is missing"
            yield document.problem(path if kpi.unit else SPEC, message, "write one of ms, s, min, h, d")
    elif field is not None and field.unit and kpi.unit != field.unit:
        yield from _check_same(document, path, field, kpi, scaled=scaled)
    elif not kpi.unit and (field is not None or kpi.measure is None):
        what = f", or to the field {field.name!r}" if field else ""
        yield document.problem(SPEC, "unit is missing", f"add a unit to the KPI{what}")


def _check_same(
    document: Document, path: Path_, field: Field, kpi: Kpi, *, scaled: bool
) -> Iterator[Problem]:
    """The KPI's unit is the field's, or ``scale`` is what lies between them."""
    factor = factor_between(field.unit or "", kpi.unit)
    wanted = None if factor is None else float(factor)
    if wanted is None and not scaled:
        message = f"{field.name!r} is in {field.unit}, the KPI says {kpi.unit!r}"
        yield document.problem(path, message, f"write unit: {field.unit}, or say by which scale to convert")
    elif wanted is not None and not isclose(kpi.scale, wanted):
        message = f"{field.name!r} is in {field.unit}, the KPI says {kpi.unit!r}"
        yield document.problem(path, message, f"write unit: {field.unit}, or scale: {wanted:g}")


def is_time(kpi: Kpi) -> bool:
    """Whether the KPI is computed in milliseconds."""
    if kpi.type is KpiType.DURATION:
        return kpi.agg is not Agg.COUNT
    measure = kpi.measure
    return measure is not None and measure.field == "lateness" and measure.due is not None


def measured_field(kpi: Kpi, known: Known) -> Field | None:
    """The field whose unit the KPI's number has; None where it counts, or where that is not known."""
    if kpi.quantity is not None or kpi.balance is not None:
        return _counted_field(kpi, known)
    if kpi.measure is None or kpi.measure.field is None or kpi.measure.agg in {Agg.COUNT, Agg.DISTINCT}:
        return None
    if kpi.measure.balance is not None:
        return balance_field(known.process(kpi.measure.process or ""), kpi.measure.balance, known)
    return (measured_fields(kpi.measure, known) or {}).get(kpi.measure.field)


def _counted_field(kpi: Kpi, known: Known) -> Field | None:
    """The field that a level of a quantity has its unit from: its price's, or that of what is counted."""
    process = known.process(kpi.process or "")
    if process is None:
        return None
    if kpi.price is not None:
        return (known.case_fields(process.name) or {}).get(kpi.price)
    if kpi.balance is not None:
        return balance_field(process, kpi.balance, known)
    steps = {step.name: step for step in process.steps}
    for quantity in process.quantities.values():
        return (event_fields(quantity.step, steps, known) or {}).get(quantity.field)
    return None


def _check_target(document: Document, kpi: Kpi) -> Iterator[Problem]:
    if kpi.target is None or kpi.unit not in PERCENT or kpi.type in {KpiType.RECONCILIATION, KpiType.DERIVED}:
        return  # a gap of a tenth of a percent is meant, and may be what another number is derived from
    if 0 < kpi.target.value < 1:
        message = f"a target of {kpi.target.value:g} percent is less than one in a hundred"
        yield document.problem(
            (*SPEC, "target", "value"),
            message,
            f"write {kpi.target.value * 100:g} for {kpi.target.value * 100:g} percent",
        )
