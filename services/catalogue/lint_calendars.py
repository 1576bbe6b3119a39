"""Checks of calendars, of fields that are a part of the local time, and of KPIs in working time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.catalogue.known import Known, check_zone, one_of
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.catalogue.words import NAME
from services.domain.catalogue import Calendar, CutOffs, EventType, Field, FieldType, Kpi
from services.domain.conditions import a

SPEC: Path_ = ("spec",)


def check_calendar(document: Document, calendar: Calendar) -> Iterator[Problem]:
    """What is wrong with one calendar."""
    if not NAME.match(calendar.name):
        message = f"{calendar.name!r} cannot be the name of a calendar"
        remedy = "use small letters, digits and _, a letter first"
        yield document.problem(("metadata", "name"), message, remedy)
    yield from check_zone(document, (*SPEC, "timezone"), calendar.usual.timezone)
    for value, schedule in calendar.each.items():
        path = (*SPEC, "each", value)
        if document.value((*path, "timezone")) is not None:
            yield from check_zone(document, (*path, "timezone"), schedule.timezone)
    if (calendar.by is None) != (not calendar.each):
        yield document.problem(SPEC, "by and each belong together", "add the one that is missing")


def check_worked(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """A duration in working time: its calendar, and what that goes by."""
    if kpi.calendar is None:
        return
    path = (*SPEC, "calendar")
    yield from known.missing(document, path, "Calendar", kpi.calendar)
    calendar, attributes = known.calendar(kpi.calendar), known.case_fields(kpi.process or "")
    if calendar is not None and attributes is not None:
        yield from _check_by(document, path, calendar, attributes, f"the cases of {kpi.process}")


def check_local_time(
    document: Document, path: Path_, field: Field, event: EventType, known: Known
) -> Iterator[Problem]:
    """A field that is a shift, another part of the local time, or the time of a cut-off."""
    if field.calendar is None and field.cut_offs is None:
        return
    if field.type is not FieldType.STRING:
        message = f"a part of the local time is a string, {field.name!r} is {a(field.type)}"
        yield document.problem((*path, "type"), message, "write string")
    if field.cut_offs is not None:
        yield from check_cut_offs(document, (*path, "cutOffs"), field.cut_offs)
        if field.cut_offs.by is not None:
            place = (*path, "cutOffs", "by")
            yield from _check_text(document, place, field.cut_offs.by, event.fields, f"field of {event.name}")
    if field.calendar is None:
        return
    ref, here = field.calendar, (*path, "calendar")
    yield from known.missing(document, (*here, "name"), "Calendar", ref.name)
    yield from check_moment_field(document, here, ref.at, event)
    calendar = known.calendar(ref.name)
    if calendar is None:
        return
    yield from _check_by(document, (*here, "name"), calendar, event.fields, event.name)
    if ref.part == "shift" and not calendar.usual.shifts:
        message = f"{calendar.name!r} has no shifts"
        remedy = 'add shifts: {early: "06:00-14:00"} to it, or say which part is meant'
        yield document.problem((*here, "name"), message, remedy)


def check_cut_offs(document: Document, path: Path_, cut_offs: CutOffs) -> Iterator[Problem]:
    """What is wrong with cut-offs, the field that they go by aside."""
    yield from check_zone(document, (*path, "timezone"), cut_offs.timezone)
    if (cut_offs.by is None) != (not cut_offs.each):
        yield document.problem(path, "by and each belong together", "add the one that is missing")


def check_moment_field(
    document: Document, path: Path_, at: str | None, event: EventType
) -> Iterator[Problem]:
    """The field with the instant that something is derived at."""
    times = {one.name: one for one in event.fields.values() if one.type is FieldType.TIMESTAMP}
    if at is not None and at not in times:
        message = f"there is no timestamp field {at!r}"
        yield document.problem((*path, "at"), message, did_you_mean(at, ["occurred", *times]))


def _check_by(
    document: Document, path: Path_, calendar: Calendar, fields: Mapping[str, Field], whose: str
) -> Iterator[Problem]:
    """What a calendar goes by is known where it is used."""
    found = fields.get(calendar.by or "")
    if calendar.by is not None and (found is None or found.type is not FieldType.STRING):
        goes = f"{calendar.name!r} goes by {calendar.by!r}, which"
        if found is None:
            message = f"{goes} is not known to {whose}"
            yield document.problem(path, message, f"add {calendar.by} there, a string")
        else:
            message = f"{goes} is {a(found.type)} of {whose}"
            yield document.problem(path, message, f"let {calendar.name} go by a string")


def _check_text(
    document: Document, path: Path_, name: str, fields: Mapping[str, Field], whose: str
) -> Iterator[Problem]:
    yield from one_of(document, path, f"{whose} called", name, fields)
    if name in fields and fields[name].type is not FieldType.STRING:
        yield document.problem(path, f"{name!r} is {a(fields[name].type)}", "name a field of type string")
