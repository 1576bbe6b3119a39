"""Checks of event types and processes."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from services.catalogue.known import Known, one_of, repeated
from services.catalogue.lint_balances import check_balances
from services.catalogue.lint_corrections import check_corrections
from services.catalogue.lint_dues import (
    check_done,
    check_due,
    check_name,
    check_quantities,
    check_reported,
    event_fields,
)
from services.catalogue.lint_images import CASES, check_images
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.catalogue.words import EVENT_NAME, FIELD_NAME
from services.domain.catalogue import EventType, Field, FieldType, Process, Step
from services.domain.compile import root_field
from services.domain.conditions import a
from services.domain.links import CASE_NAME, EVENT_NAMES, SCHEMES, names_in
from services.domain.source_events import PREFIX

SUBJECT = "subject"
_RESERVED = {"source": "it is the envelope's own: filters and dimensions can name it without a field"}
_IDS = frozenset({FieldType.STRING, FieldType.INTEGER})


def check_event(document: Document, event: EventType, known: Known) -> Iterator[Problem]:
    """What is wrong with one event type."""
    spec: Path_ = ("spec",)
    if not EVENT_NAME.match(event.name) or event.name.startswith(PREFIX):
        own = event.name.startswith(PREFIX)
        remedy = (
            f"those that begin with {PREFIX!r} are Sightline's own"
            if own
            else "write words like order.placed"
        )
        yield document.problem(("metadata", "name"), f"{event.name!r} cannot be a type", remedy)
    for name in event.fields:
        path = (*spec, "fields", name)
        if not FIELD_NAME.match(name):
            yield document.problem(path, f"{name!r} cannot be a field", "use letters, digits and _")
        if name in _RESERVED:
            yield document.problem(path, f"a field cannot be called {name!r}", _RESERVED[name])
    for kind, name in event.objects.items():
        path = (*spec, "objects", kind)
        if name == SUBJECT:
            continue
        yield from one_of(document, path, "field", name, event.fields)
        found = event.fields.get(name)
        if found and found.type not in _IDS:
            yield document.problem(
                path, f"{name!r} is {a(found.type)}: it cannot be an id", "make it a string"
            )
    yield from repeated(document, (*spec, "dimensions"), list(event.dimensions), "dimension")
    yield from repeated(document, (*spec, "sources"), list(event.sources), "source")
    yield from _check_sources(document, event, known)
    for index, name in enumerate(event.dimensions):
        yield from check_dimension(document, (*spec, "dimensions", index), name, event.fields)
    yield from check_corrections(document, event, known)
    yield from check_images(document, event)
    yield from _check_times(document, event)
    yield from _check_link(document, event.link, {*event.fields, *EVENT_NAMES})


def _check_times(document: Document, event: EventType) -> Iterator[Problem]:
    """The fields that hold other times are timestamps."""
    for time, name in event.times.items():
        path: Path_ = ("spec", "times", time.value)
        yield from one_of(document, path, "field", name, event.fields)
        if name in event.fields and event.fields[name].type is not FieldType.TIMESTAMP:
            message = f"{name!r} is {a(event.fields[name].type)}: it cannot say when"
            yield document.problem(path, message, "name a field of type timestamp")


def _check_sources(document: Document, event: EventType, known: Known) -> Iterator[Problem]:
    """Whoever declares some sources declares all."""
    if known.catalogue.sources:
        for index, name in enumerate(event.sources):
            yield from known.missing(document, ("spec", "sources", index), "Source", name)


def check_dimension(
    document: Document, path: Path_, name: str, fields: dict[str, Field] | object
) -> Iterator[Problem]:
    """A dimension is a field that is a string."""
    if not isinstance(fields, dict):
        return
    texts = {key: field for key, field in fields.items() if field.type is FieldType.STRING}
    found = fields.get(name)
    if found is None:
        yield from one_of(document, path, "dimension", name, texts)
    elif found.type is not FieldType.STRING:
        yield document.problem(
            path, f"{name!r} is {a(found.type)}: only strings can be dimensions", "make it a string"
        )


def check_process(document: Document, process: Process, known: Known) -> Iterator[Problem]:
    """What is wrong with one process."""
    steps = {step.name: step for step in reversed(process.steps)}
    spec: Path_ = ("spec",)
    yield from check_name(document, ("metadata", "name"), process.name, "process")
    yield from _check_object(document, process, known)
    names = [step.name for step in process.steps]
    for index, step in enumerate(process.steps):
        yield from check_name(document, (*spec, "steps", index, "name"), step.name, "step")
        yield from check_done(document, (*spec, "steps", index), step, process, known)
        if step.name in names[:index]:
            message = f"there are two steps {step.name!r}"
            yield document.problem((*spec, "steps", index, "name"), message, "give one of them another name")
    yield from one_of(document, (*spec, "opens"), "step", process.opens, steps)
    yield from check_reported(document, (*spec, "opens"), steps.get(process.opens))
    for index, name in enumerate(process.ends):
        yield from one_of(document, (*spec, "ends", index), "step", name, steps)
        if name == process.opens:
            message = f"{name!r} both opens and ends a case"
            yield document.problem((*spec, "ends", index), message, "let another step end it")
    yield from _check_attributes(document, process, steps, known)
    seen: set[str] = set()
    for index, due in enumerate(process.dues):
        path = (*spec, "dues", index)
        yield from check_due(document, path, due, steps, known)
        if due.name in seen:
            yield document.problem(
                (*path, "name"), f"there are two due times {due.name!r}", "rename one of them"
            )
        seen.add(due.name)
    yield from check_quantities(document, process, steps, known)
    yield from check_balances(document, process, steps, known)
    yield from _check_link(document, process.link, {*process.attributes, CASE_NAME})


def _check_link(document: Document, link: str, names: Collection[str]) -> Iterator[Problem]:
    """A link is a web address, and what it names is known."""
    if not link:
        return
    path: Path_ = ("spec", "link")
    if not link.startswith(SCHEMES):
        message = f"{link!r} is no address of the web"
        yield document.problem(path, message, "begin it with https:// (or http://)")
    for name in names_in(link):
        yield from one_of(document, path, "name to fill in called", name, tuple(sorted(names)))


def _check_attributes(
    document: Document, process: Process, steps: dict[str, Step], known: Known
) -> Iterator[Problem]:
    for name, (step_name, source) in process.attributes.items():
        path = ("spec", "attributes", name)
        yield from check_name(document, path, name, "attribute")
        yield from one_of(document, path, "step", step_name, steps)
        yield from check_reported(document, path, steps.get(step_name))
        fields = event_fields(step_name, steps, known)
        if fields is not None:
            yield from one_of(document, path, f"field of {steps[step_name].event} called", source, fields)
        yield from _check_origin(document, path, process, name, known)


def _check_origin(
    document: Document, path: Path_, process: Process, name: str, known: Known
) -> Iterator[Problem]:
    """A case that knows a converted amount knows the amount itself: without it, a missing rate would not be seen."""
    step_name, source = process.attributes[name]
    step = next((one for one in process.steps if one.name == step_name), None)
    event = known.event(step.event) if step is not None else None
    field = event.fields.get(source) if event is not None else None
    if event is None or field is None or field.convert is None or field.convert.field not in event.fields:
        return
    root = root_field(event, source)
    if (step_name, root) not in process.attributes.values():
        message = f"{name!r} is converted from {root!r}, which the case does not know"
        yield document.problem(path, message, f"add the attribute {root}: {step_name}.{root}")


def _check_object(document: Document, process: Process, known: Known) -> Iterator[Problem]:
    concerned = {name for event in known.catalogue.events.values() for name in event.objects}
    for index, step in enumerate(process.steps):
        event = known.event(step.event)
        if event is not None and event.images is not None:
            message = f"{step.event} carries rows before and after a change, which make no cases"
            yield document.problem(("spec", "steps", index, "event"), message, CASES)
    if process.object in concerned:
        for index, step in enumerate(process.steps):
            event = known.event(step.event)
            passes = event is None or event.images is not None or step.via
            if event is not None and not passes and process.object not in event.objects:
                message = f"{step.event} does not concern the object {process.object!r}"
                remedy = f"add {process.object!r} to the objects of {step.event}"
                yield document.problem(("spec", "steps", index, "event"), message, remedy)
    elif not any(kind == "EventType" for kind, _ in known.broken):
        message = f"no event type concerns the object {process.object!r}"
        yield document.problem(("spec", "object"), message, did_you_mean(process.object, sorted(concerned)))
