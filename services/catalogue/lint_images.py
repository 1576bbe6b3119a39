"""Checks of event types that carry a row before and after a change: what is taken back must be what was added."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import check_zone, one_of
from services.catalogue.problems import Problem
from services.catalogue.read import Document, Path_
from services.domain.catalogue import EventType, FieldType, Images, Time
from services.domain.conditions import a

_PATH: Path_ = ("spec", "images")
_MOMENTS = frozenset({FieldType.TIMESTAMP, FieldType.DATE})
CASES = "declare correctable: {key, version} instead, and let a mapping send the row after each change"
"""How cases are told of rows that change: what they have learnt is only taken back by those who remember it."""


def check_images(document: Document, event: EventType) -> Iterator[Problem]:
    """What is wrong with how one event type carries rows before and after a change."""
    images = event.images
    if images is None:
        return
    yield from _check_time(document, event, images)
    names = [images.before, images.after, images.op]
    if len(set(names)) < len(names):
        message = f"before, after and op are {', '.join(map(repr, names))}: the rows cannot be told apart"
        yield document.problem(_PATH, message, "name three different members of data")
    for key, value in (("correctable", event.correctable), ("reverses", event.reverses)):
        if value is not None:
            message = "an event that carries the row before a change takes that back, and nothing else"
            yield document.problem(("spec", key), message, "remove it, or images")
    if event.objects:
        message = "rows that change make no cases: what a case has learnt of them could not be taken back"
        yield document.problem(("spec", "objects"), message, f"remove it, or {CASES}")
    recorded = event.fields.get(event.times.get(Time.RECORDED, ""))
    if recorded is not None and not recorded.required:
        message = f"{recorded.name!r} may be absent, and then the row before a change counts when that came"
        yield document.problem(
            ("spec", "times", "recorded"), message, f"write required: true at {recorded.name}"
        )


def check_recorded(document: Document, path: Path_, event: EventType | None) -> Iterator[Problem]:
    """When a row was recorded, where the row does not say it, is another moment for each of its changes."""
    if event is not None and event.images is not None and Time.RECORDED not in event.times:
        message = (
            f"rows of {event.name} do not say when they were recorded: what is taken back would miss them"
        )
        yield document.problem(path, message, f"add times: {{recorded: FIELD}} to {event.name}")


def _check_time(document: Document, event: EventType, images: Images) -> Iterator[Problem]:
    path = (*_PATH, "time")
    yield from one_of(document, path, "field", images.time, event.own)
    yield from check_zone(document, (*_PATH, "timezone"), images.timezone)
    found = event.own.get(images.time)
    if found is None:
        return
    if found.type not in _MOMENTS:
        message = f"{images.time!r} is {a(found.type)}: it cannot say when"
        yield document.problem(path, message, "name a field of type timestamp or date")
    elif not found.required:
        message = f"{images.time!r} may be absent, and then the row counts nowhere"
        yield document.problem(path, message, f"write required: true at {images.time}")
    if found.type is FieldType.TIMESTAMP and document.value((*_PATH, "timezone")) is not None:
        message = f"{images.time!r} is an instant, in no time zone"
        yield document.problem((*_PATH, "timezone"), message, "leave it out: it belongs to a date")
