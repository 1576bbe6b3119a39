"""Checks of how events are corrected and reversed, and of what cannot be: what is taken back must be subtractable."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import Known, one_of
from services.catalogue.problems import Problem
from services.catalogue.read import Document, Path_
from services.domain.catalogue import Agg, Correctable, EventType, Field, FieldType, Reverses
from services.domain.conditions import a

_KEYS = frozenset({FieldType.STRING, FieldType.INTEGER})
_VERSIONS = frozenset({FieldType.INTEGER, FieldType.TIMESTAMP})
_FIXED = frozenset({Agg.MIN, Agg.MAX, Agg.LAST})
_INSTEAD = {Agg.MIN: "percentile with percentile: 0", Agg.MAX: "percentile with percentile: 100"}


def check_corrections(document: Document, event: EventType, known: Known) -> Iterator[Problem]:
    """What is wrong with how one event type is corrected, or reverses another."""
    if event.correctable is not None:
        yield from _check_correctable(document, ("spec", "correctable"), event, event.correctable, known)
    if event.reverses is not None:
        yield from _check_reverses(document, ("spec", "reverses"), event, event.reverses, known)


def check_subtractable(
    document: Document, path: Path_, agg: Agg, event: EventType | None
) -> Iterator[Problem]:
    """A minimum cannot give back a value: nobody knows the next one."""
    if event is not None and (event.correctable or event.images) and agg in _FIXED:
        why = "whose events may be corrected" if event.images is None else "whose rows may change"
        message = f"{agg} cannot be kept over {event.name}, {why}: nothing subtracts from it"
        remedy = f"use {_INSTEAD.get(agg, 'count, sum, avg, distinct or percentile')}"
        yield document.problem(path, message, remedy)


def check_items(document: Document, path: Path_, event: EventType | None) -> Iterator[Problem]:
    """Items are told by events that stay."""
    if event is not None and event.passed is not None:
        message = f"{event.name} can be taken back, and items of a due time cannot"
        yield document.problem(path, message, "make each item a case of a process of its own")
    elif event is not None and event.correctable is not None:
        message = f"{event.name} can be corrected, and items of a due time cannot be taken back"
        yield document.problem(path, message, "make each item a case of a process of its own")


def _check_correctable(
    document: Document, path: Path_, event: EventType, how: Correctable, known: Known
) -> Iterator[Problem]:
    if how.key is None:
        for name, value in (("version", how.version), ("withdrawn", how.withdrawn)):
            if value is not None:
                message = f"{name} belongs to a key: by id, events say corrects or cancels"
                yield document.problem((*path, name), message, "name the key, or remove it")
        return
    yield from _field(document, (*path, "key"), how.key, event.fields, _KEYS)
    found = event.fields.get(how.key)
    if found is not None and found.type in _KEYS and not found.required:
        message = f"{how.key!r} may be absent, and then nothing says what is corrected"
        yield document.problem((*path, "key"), message, f"write required: true at {how.key}")
    if how.version is not None:
        yield from _field(document, (*path, "version"), how.version, event.fields, _VERSIONS)
    yield from known.filter(document, (*path, "withdrawn"), how.withdrawn, known.event_fields(event.name))


def _check_reverses(
    document: Document, path: Path_, event: EventType, how: Reverses, known: Known
) -> Iterator[Problem]:
    yield from known.missing(document, (*path, "event"), "EventType", how.event)
    yield from _field(document, (*path, "key"), how.key, event.fields, _KEYS)
    if how.version is not None:
        yield from _field(document, (*path, "version"), how.version, event.fields, _VERSIONS)
    other = known.event(how.event)
    if other is None:
        return
    if other.correctable is None or other.correctable.key is None:
        remedy = f"add correctable: {{key: …}} to {other.name}"
        yield document.problem((*path, "event"), f"{other.name} has no business key to reverse it by", remedy)
        return
    theirs, mine = other.fields.get(other.correctable.key), event.fields.get(how.key)
    if theirs is not None and mine is not None and theirs.type is not mine.type:
        message = f"{how.key!r} is {a(mine.type)}, the key of {other.name} is {a(theirs.type)}"
        yield document.problem((*path, "key"), message, "give both the same type")
    if set(event.objects) != set(other.objects):
        message = f"{event.name} must concern what {other.name} concerns, to find what it reverses"
        remedy = f"give it the objects {', '.join(sorted(other.objects)) or '(none)'}"
        yield document.problem(("spec", "objects") if event.objects else ("spec",), message, remedy)


def _field(
    document: Document, path: Path_, name: str, fields: object, types: frozenset[FieldType]
) -> Iterator[Problem]:
    if not isinstance(fields, dict):
        return
    yield from one_of(document, path, "field", name, fields)
    found: Field | None = fields.get(name)
    if found is not None and found.type not in types:
        words = " or ".join(sorted(a(type_) for type_ in types))
        yield document.problem(path, f"{name!r} is {a(found.type)}", f"name a field that is {words}")
