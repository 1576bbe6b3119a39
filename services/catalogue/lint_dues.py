"""Checks of what a process says of time and amounts: due times, moments that are unknown, quantities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.catalogue.known import Known, check_zone, one_of
from services.catalogue.lint_calendars import check_cut_offs
from services.catalogue.lint_corrections import check_items
from services.catalogue.meaning import NUMBERS
from services.catalogue.problems import Problem
from services.catalogue.read import Document, Path_
from services.catalogue.words import NAME
from services.domain.catalogue import Due, Field, FieldType, Process, Step
from services.domain.conditions import a
from services.domain.quantities import terms

_SPEC: Path_ = ("spec",)
_TIMES = frozenset({FieldType.TIMESTAMP, FieldType.DATE})
_TEXTS = frozenset({FieldType.STRING})

Steps = Mapping[str, Step]


def check_due(document: Document, path: Path_, due: Due, steps: Steps, known: Known) -> Iterator[Problem]:
    """What is wrong with one due time."""
    yield from check_name(document, (*path, "name"), due.name, "due time")
    for key, name in (("step", due.step), ("until", due.until)):
        yield from one_of(document, (*path, key), "step", name, steps)
        yield from check_moment(document, (*path, key), steps.get(name))
    if [due.field, due.within_ms, due.cut_offs].count(None) != 2:
        message = "a due time comes from one of field, within and cutOffs"
        remedy = "say which field of the step's event holds it, or how long after the step it is"
        yield document.problem(path, message, remedy)
    yield from _check_day(document, path, due, steps, known)
    yield from _check_renewals(document, path, due, steps, known)
    yield from _check_cut_offs(document, path, due, steps, known)
    if due.within_ms is None:
        yield from check_reported(document, (*path, "step"), steps.get(due.step))
    if due.item is not None and due.step in steps:
        yield from check_items(document, (*path, "item"), known.event(steps[due.step].event))
    for key, field, types in (("field", due.field, _TIMES), ("item", due.item, _TEXTS)):
        yield from _check_field(document, (*path, key), field, steps.get(due.step), known, types=types)


def check_moment(document: Document, path: Path_, step: Step | None) -> Iterator[Problem]:
    """A step that somebody asks the moment of."""
    if step is not None and step.timeless:
        message = f"nobody knows when {step.name!r} happened"
        yield document.problem(path, message, "name a step whose time is known")


def check_reported(document: Document, path: Path_, step: Step | None) -> Iterator[Problem]:
    """A step that somebody reads an event of."""
    if step is not None and step.done is not None:
        message = f"{step.name!r} is reached when nothing is left, no event says so"
        yield document.problem(path, message, "name a step that an event reports")


def check_done(
    document: Document, path: Path_, step: Step, process: Process, known: Known
) -> Iterator[Problem]:
    """How a step is reached: by an event, or when nothing is left."""
    if bool(step.event) == (step.done is not None):
        remedy = "name the event that reports it, or the remainder of which nothing is left"
        yield document.problem(path, "a step has either an event or done", remedy)
    elif step.done is None:
        event = known.event(step.event)
        if not step.via or event is None or event.passed is None:
            yield from known.missing(document, (*path, "event"), "EventType", step.event)
        yield from known.filter(document, (*path, "filter"), step.filter, known.event_fields(step.event))
    else:
        yield from one_of(document, (*path, "done"), "remainder", step.done, process.remainders)
        for key in ("filter", "time"):
            if document.value((*path, key)) is not None:
                message = f"{key} belongs to an event, this step has none"
                yield document.problem((*path, key), message, "remove it")
    if step.timeless and step.name not in process.ends:
        message = f"nobody knows when {step.name!r} happened, so that it can only end a case"
        yield document.problem((*path, "time"), message, f"add {step.name!r} to ends, or leave time out")


def check_quantities(document: Document, process: Process, steps: Steps, known: Known) -> Iterator[Problem]:
    """What is counted of a case, and what is left of it."""
    units: dict[str, str | None] = {}
    for name, quantity in process.quantities.items():
        path = (*_SPEC, "quantities", name)
        yield from check_name(document, path, name, "quantity")
        yield from one_of(document, (*path, "step"), "step", quantity.step, steps)
        yield from check_reported(document, (*path, "step"), steps.get(quantity.step))
        fields = event_fields(quantity.step, steps, known)
        if fields is None:
            continue
        yield from one_of(document, (*path, "field"), "field called", quantity.field, fields)
        found = fields.get(quantity.field)
        if found is not None:
            units[name] = found.unit
            if found.type not in NUMBERS:
                message = f"{found.name!r} is {a(found.type)}: it cannot be added up"
                yield document.problem((*path, "field"), message, "name an integer or a decimal")
    for name, source in process.remainders.items():
        path = (*_SPEC, "remainders", name)
        yield from check_name(document, path, name, "remainder")
        if name in process.quantities:
            message = f"{name!r} is a quantity already"
            yield document.problem(path, message, "give one of the two another name")
        yield from check_sum(document, path, source, process, units)


def check_name(document: Document, path: Path_, name: str, word: str) -> Iterator[Problem]:
    """Names are small letters, digits and _."""
    if not NAME.match(name):
        message = f"{name!r} cannot be the name of {a(word)}"
        yield document.problem(path, message, "use small letters, digits and _, a letter first")


def event_fields(step: str, steps: Steps, known: Known) -> dict[str, Field] | None:
    """The fields of a step's events; None where it is not known, or has none."""
    return known.event_fields(steps[step].event) if step in steps else None


def _check_field(
    document: Document,
    path: Path_,
    name: str | None,
    step: Step | None,
    known: Known,
    *,
    types: frozenset[FieldType],
) -> Iterator[Problem]:
    """A field of ``step``'s event, of one of some types."""
    fields = known.event_fields(step.event) if step is not None else None
    if name is None or step is None or fields is None:
        return
    yield from one_of(document, path, f"field of {step.event} called", name, fields)
    if name in fields and fields[name].type not in types:
        wanted = " or ".join(sorted(types, reverse=True))
        remedy = (
            "name the field that holds the item's id"
            if path[-1] == "item"
            else f"name a field of type {wanted}"
        )
        yield document.problem(path, f"{name!r} is {a(fields[name].type)}, not {a(wanted)}", remedy)


def _check_day(document: Document, path: Path_, due: Due, steps: Steps, known: Known) -> Iterator[Problem]:
    fields = event_fields(due.step, steps, known) or {}
    dated = due.field in fields and fields[due.field or ""].type is FieldType.DATE
    by_day = document.value((*path, "precision")) is not None
    if due.timezone is not None:
        yield from check_zone(document, (*path, "timezone"), due.timezone)
        if not dated and not by_day:
            message = "a time zone says where a day ends, and this is no day"
            yield document.problem((*path, "timezone"), message, "add precision: day, or remove it")
    elif dated or by_day:
        message = "where does that day end?"
        yield document.problem(path, message, "add a timezone, Europe/Berlin say")
    if by_day and due.cut_offs is not None:
        yield document.problem((*path, "precision"), "a cut-off is a moment, not a day", "remove it")


def _check_renewals(
    document: Document, path: Path_, due: Due, steps: Steps, known: Known
) -> Iterator[Problem]:
    own = (event_fields(due.step, steps, known) or {}).get(due.field or "")
    for index, name in enumerate(due.renewed_by):
        place = (*path, "renewedBy", index)
        yield from one_of(document, place, "step", name, steps)
        fields = event_fields(name, steps, known)
        if fields is None or own is None:
            continue
        yield from one_of(document, place, f"field of {steps[name].event} called", own.name, fields)
        other = fields.get(own.name)
        if other is not None and other.type is not own.type:
            message = f"{own.name!r} is {a(own.type)} at {due.step!r} and {a(other.type)} at {name!r}"
            yield document.problem(place, message, "give both the same type")
    if due.renewed_by and due.field is None:
        message = "only a due time that stands in a field can be promised anew"
        yield document.problem((*path, "renewedBy"), message, "name the field, or remove it")
    if due.renewed_by and due.item is not None:
        message = "promises of items are not kept"
        remedy = "make the items cases of a process of their own"
        yield document.problem((*path, "renewedBy"), message, remedy)


def _check_cut_offs(
    document: Document, path: Path_, due: Due, steps: Steps, known: Known
) -> Iterator[Problem]:
    cut_offs = due.cut_offs
    if cut_offs is None:
        return
    place = (*path, "cutOffs")
    yield from check_cut_offs(document, place, cut_offs)
    yield from _check_field(document, (*place, "by"), cut_offs.by, steps.get(due.step), known, types=_TEXTS)


def check_sum(
    document: Document, path: Path_, source: str, process: Process, units: Mapping[str, str | None]
) -> Iterator[Problem]:
    """Quantities that are added and subtracted; ``units`` are those of their fields."""
    try:
        names = tuple(terms(source))
    except ValueError as error:
        yield document.problem(path, str(error), "write ordered - shipped, say")
        return
    for name in names:
        yield from one_of(document, path, "quantity", name, process.quantities)
    different = dict.fromkeys(units[name] or "no unit" for name in names if name in units)
    if len(different) > 1:
        message = f"quantities in {' and '.join(different)} do not add up"
        yield document.problem(path, message, "give their fields the same unit")
