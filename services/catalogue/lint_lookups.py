"""Checks of look-ups and of the fields that are derived with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.catalogue.known import Known, one_of
from services.catalogue.lint_calendars import check_local_time, check_moment_field
from services.catalogue.meaning import NUMBERS, sources_of
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.catalogue.words import FIELD_NAME, NAME
from services.domain.catalogue import (
    Conversion,
    EventType,
    Field,
    FieldType,
    FromLookup,
    Lookup,
    LookupSource,
)
from services.domain.conditions import a
from services.domain.lookups import UNITS
from services.domain.units import factor_between
from services.domain.units import known as is_known

SPEC: Path_ = ("spec",)
_KEYS = frozenset({FieldType.STRING, FieldType.INTEGER})


def check_lookup(document: Document, lookup: Lookup) -> Iterator[Problem]:
    """What is wrong with one look-up, its files aside."""
    if not NAME.match(lookup.name) or lookup.name == UNITS:
        remedy = "use small letters, digits and _, a letter first"
        yield document.problem(
            ("metadata", "name"), f"{lookup.name!r} cannot be the name of a look-up", remedy
        )
    yield from _check_columns(document, lookup)
    yield from _check_times(document, lookup)
    yield from _check_aliases(document, lookup)
    yield from _check_hierarchy(document, lookup)


def _check_columns(document: Document, lookup: Lookup) -> Iterator[Problem]:
    for name in lookup.columns:
        path = (*SPEC, "columns", name)
        if not FIELD_NAME.match(name):
            yield document.problem(path, f"{name!r} cannot be a column", "use letters, digits and _")
    taken = [("key", name) for name in lookup.key] + [("column", name) for name in lookup.columns]
    taken += [("validFrom", lookup.valid_from or ""), ("validTo", lookup.valid_to or "")]
    seen: dict[str, str] = {"": ""}
    for word, name in taken:
        if name and name in seen:
            path = (*SPEC, "columns", name) if word == "column" else (*SPEC, word)
            yield document.problem(path, f"{name!r} is {a(seen[name])} already", "a column has one meaning")
        seen.setdefault(name, word)


def _check_times(document: Document, lookup: Lookup) -> Iterator[Problem]:
    try:
        ZoneInfo(lookup.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"there is no time zone {lookup.timezone!r}"
        yield document.problem((*SPEC, "timezone"), message, "write it like Europe/Berlin, or UTC")
    for key, value in (("validTo", lookup.valid_to), ("maxAge", lookup.max_age_ms)):
        if value is not None and lookup.valid_from is None:
            message = f"{key} needs to know since when a row holds"
            yield document.problem((*SPEC, key), message, "name the column with validFrom")
    if lookup.valid_to is not None and lookup.max_age_ms is not None:
        message = "a row ends either where it says or when it is too old"
        yield document.problem((*SPEC, "maxAge"), message, "leave out validTo or maxAge")


def _check_aliases(document: Document, lookup: Lookup) -> Iterator[Problem]:
    given = bool(lookup.aliases or lookup.alias_file or lookup.alias_column)
    if given and len(lookup.key) > 1:
        message = "aliases are other spellings of one key, and this one has several columns"
        yield document.problem((*SPEC, "aliases"), message, "look the parts up one by one")
    if lookup.alias_column is not None and lookup.alias_column in (*lookup.key, *lookup.columns):
        path = (*SPEC, "aliases", "column")
        yield document.problem(path, f"{lookup.alias_column!r} is another column", "name one of its own")
    if lookup.alias_file is not None and lookup.source is not LookupSource.FILE:
        message = "a look-up that takes its rows from elsewhere takes its aliases from there as well"
        yield document.problem((*SPEC, "aliases", "file"), message, "use aliases.column, or aliases.values")


def _check_hierarchy(document: Document, lookup: Lookup) -> Iterator[Problem]:
    path = (*SPEC, "hierarchy")
    texts = {name: column for name, column in lookup.columns.items() if column.type is FieldType.STRING}
    for index, name in enumerate(lookup.levels):
        yield from one_of(document, (*path, index), "text column called", name, texts)
    if lookup.levels and len(lookup.key) > 1:
        yield document.problem(path, "only what has one key lies in levels", "leave hierarchy out")
    for word, column in (("parent", lookup.parent), ("level", lookup.level)):
        if column is not None:
            yield from one_of(document, (*path, word), "text column called", column, texts)
    if lookup.parent is not None and len(lookup.key) > 1:
        yield document.problem((*path, "parent"), "a parent is named by one key, and this has several", "")


def check_derived(document: Document, event: EventType, known: Known) -> Iterator[Problem]:
    """What is wrong with the derived fields of an event type, and with units that events say themselves."""
    for name, field in event.fields.items():
        path = (*SPEC, "fields", name)
        if field.unit_field is not None:
            key = "currency" if document.value((*path, "currency")) is not None else "unit"
            yield from _texts(document, (*path, key), field.unit_field, event)
        if not field.derived:
            continue
        if field.required:
            message = f"{name!r} is derived: an event cannot lack it"
            yield document.problem(
                (*path, "required"), message, "remove it, or require what it is derived from"
            )
        if field.lookup is not None:
            yield from _check_reference(
                _Place(document, (*path, "lookup"), field, event), field.lookup, known
            )
        yield from check_local_time(document, path, field, event, known)
        if field.convert is not None:
            yield from _check_conversion(
                _Place(document, (*path, "convert"), field, event), field.convert, known
            )
    for kind, name in event.objects.items():
        if name in event.fields and event.fields[name].derived:
            message = f"{name!r} is derived, and an object's id comes with the event"
            yield document.problem((*SPEC, "objects", kind), message, "name a field of its data")
    circle = _circle(event)
    if circle:
        path = (*SPEC, "fields", circle[0])
        yield document.problem(path, f"it is derived from itself: {' → '.join(circle)}", "break the circle")


class _Place(NamedTuple):
    """A derived field, and where its document says how."""

    document: Document
    path: Path_
    field: Field
    event: EventType


def _circle(event: EventType) -> list[str]:
    for first in event.fields:
        way = [first]
        ways = [way]
        while ways:
            way = ways.pop()
            field = event.fields.get(way[-1])
            for source in sources_of(field) if field is not None else ():
                if source == first:
                    return [*way, first]
                if source not in way:
                    ways.append([*way, source])
    return []


def _texts(document: Document, path: Path_, name: str, event: EventType) -> Iterator[Problem]:
    texts = {one.name: one for one in event.fields.values() if one.type is FieldType.STRING}
    if name in event.fields and name not in texts:
        message = f"{name!r} is {a(event.fields[name].type)}, and a unit is text"
        yield document.problem(path, message, did_you_mean(name, texts))
    else:
        yield from one_of(document, path, "field", name, event.fields)


def _check_reference(place: _Place, ref: FromLookup, known: Known) -> Iterator[Problem]:
    document, path, field, event = place
    yield from known.missing(document, (*path, "name"), "Lookup", ref.name)
    yield from check_moment_field(document, path, ref.at, event)
    for name in ref.keys:
        yield from one_of(document, (*path, "key"), "field", name, event.fields)
        found = event.fields.get(name)
        if found and found.type not in _KEYS:
            message = f"{name!r} is {a(found.type)}: it cannot be a key"
            yield document.problem((*path, "key"), message, "use a string, or an integer")
    lookup = known.lookup(ref.name)
    if lookup is None:
        return
    if len(ref.keys) != len(lookup.key):
        wanted = ", ".join(lookup.key)
        message = f"the key of {lookup.name!r} is {wanted}: that is {len(lookup.key)}, not {len(ref.keys)}"
        yield document.problem((*path, "key"), message, "name as many fields, in that order")
    if ref.level is not None and lookup.parent is None:
        message = f"the rows of {lookup.name!r} name none above them"
        yield document.problem((*path, "level"), message, "add hierarchy: {parent: …, level: …} to it")
    if not ref.column:
        if field.type is not FieldType.STRING:
            yield document.problem(
                path, f"a key is a string, {field.name!r} is {a(field.type)}", "name a column"
            )
        return
    here = (*path, "column") if document.value((*path, "column")) is not None else path
    yield from one_of(document, here, f"column of {lookup.name} called", ref.column, lookup.columns)
    column = lookup.columns.get(ref.column)
    if column and (column.type, column.scale) != (field.type, field.scale):
        scale = f" with scale {column.scale}" if column.type is FieldType.DECIMAL else ""
        message = f"{ref.column!r} of {lookup.name!r} is {a(column.type)}{scale}"
        yield document.problem((*SPEC, "fields", field.name, "type"), message, "let the field be the same")


def _check_conversion(place: _Place, convert: Conversion, known: Known) -> Iterator[Problem]:
    document, path, field, event = place
    yield from check_moment_field(document, path, convert.at, event)
    yield from one_of(document, (*path, "field"), "field", convert.field, event.fields)
    for name in (convert.field, field.name):
        found = event.fields.get(name)
        if found and found.type not in NUMBERS:
            message = f"{name!r} is {a(found.type)}: only numbers are converted"
            yield document.problem((*path, "field"), message, "make it a decimal or an integer")
    if field.unit is not None and field.unit != convert.to:
        message = f"it is converted to {convert.to}, and unit says {field.unit}"
        yield document.problem((*path, "to"), message, "leave unit out")
    for name in convert.per:
        yield from one_of(document, (*path, "per"), "field", name, event.fields)
    if convert.unit_field is not None and document.value((*path, "from")) is not None:
        yield from _texts(document, (*path, "from"), convert.unit_field, event)
    if convert.unit is None and convert.unit_field is None and convert.field in event.fields:
        message = f"nobody says what {convert.field!r} is in"
        yield document.problem(path, message, "add from: the field that holds its unit, or give it a unit")
    if convert.rates is None:
        yield from _check_fixed(document, path, convert)
    else:
        yield from known.missing(document, (*path, "rates"), "Lookup", convert.rates)
        lookup = known.lookup(convert.rates)
        if lookup is not None:
            yield from _check_rates(document, path, convert, lookup)


def _check_fixed(document: Document, path: Path_, convert: Conversion) -> Iterator[Problem]:
    fixed = convert.unit is not None and factor_between(convert.unit, convert.to) is not None
    by_event = convert.unit_field is not None and is_known(convert.to)
    if not fixed and not by_event:
        message = f"there is no fixed factor from {convert.unit or convert.unit_field} to {convert.to}"
        yield document.problem(path, message, "add rates: the look-up that says how many it is")


def _check_rates(document: Document, path: Path_, convert: Conversion, lookup: Lookup) -> Iterator[Problem]:
    numbers: Mapping[str, Field] = {
        name: column for name, column in lookup.columns.items() if column.type in NUMBERS
    }
    column = convert.column or (next(iter(numbers)) if len(numbers) == 1 else "")
    place = (*path, "column") if convert.column else (*path, "rates")
    if not column:
        message = f"{lookup.name!r} has {len(numbers)} columns with numbers"
        yield document.problem(place, message, f"add column: one of {', '.join(numbers) or 'none'}")
    elif column not in numbers:
        message = f"there is no number called {column!r} in {lookup.name!r}"
        yield document.problem(place, message, did_you_mean(column, numbers))
    short, long = len(convert.per) + 1, len(convert.per) + 2
    if len(lookup.key) not in {short, long}:
        wanted = ", ".join([*convert.per, "the unit"])
        message = f"the key of {lookup.name!r} is {', '.join(lookup.key)}; it would be asked for {wanted}"
        yield document.problem((*path, "per"), message, "name in per what else the factor depends on")
    found = numbers.get(column)
    if len(lookup.key) == short and found and not convert.divide and found.unit != convert.to:
        says = f"is in {found.unit}" if found.unit else "does not say what it converts to"
        message = f"{column!r} of {lookup.name!r} {says}, and {convert.to} is wanted"
        yield document.problem(
            (*path, "to"), message, f"give the column unit: {convert.to}, or name both units in its key"
        )
