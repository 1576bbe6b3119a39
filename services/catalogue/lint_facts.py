"""Checks of event types and processes."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import Known, one_of, repeated
from services.catalogue.lint_corrections import check_corrections, check_items
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.catalogue.words import EVENT_NAME, FIELD_NAME, NAME
from services.domain.catalogue import Due, EventType, Field, FieldType, Process, Step
from services.domain.conditions import a

SUBJECT = "subject"
_RESERVED = {"source": "it is the envelope's own: filters and dimensions can name it without a field"}
_IDS = frozenset({FieldType.STRING, FieldType.INTEGER})


def check_event(document: Document, event: EventType, known: Known) -> Iterator[Problem]:
    """What is wrong with one event type."""
    spec: Path_ = ("spec",)
    if not EVENT_NAME.match(event.name):
        yield document.problem(
            ("metadata", "name"), f"{event.name!r} cannot be a type", "write words like order.placed"
        )
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
    for index, name in enumerate(event.dimensions):
        yield from check_dimension(document, (*spec, "dimensions", index), name, event.fields)
    yield from check_corrections(document, event, known)


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
    yield from _name(document, ("metadata", "name"), process.name, "process")
    yield from _check_object(document, process, known)
    names = [step.name for step in process.steps]
    for index, step in enumerate(process.steps):
        yield from _check_step(document, (*spec, "steps", index), step, known)
        if step.name in names[:index]:
            message = f"there are two steps {step.name!r}"
            yield document.problem((*spec, "steps", index, "name"), message, "give one of them another name")
    yield from one_of(document, (*spec, "opens"), "step", process.opens, steps)
    for index, name in enumerate(process.ends):
        yield from one_of(document, (*spec, "ends", index), "step", name, steps)
        if name == process.opens:
            message = f"{name!r} both opens and ends a case"
            yield document.problem((*spec, "ends", index), message, "let another step end it")
    for name, (step_name, source) in process.attributes.items():
        path = (*spec, "attributes", name)
        yield from _name(document, path, name, "attribute")
        yield from one_of(document, path, "step", step_name, steps)
        fields = known.event_fields(steps[step_name].event) if step_name in steps else None
        if fields is not None:
            yield from one_of(document, path, f"field of {steps[step_name].event} called", source, fields)
    seen: set[str] = set()
    for index, due in enumerate(process.dues):
        path = (*spec, "dues", index)
        yield from _check_due(document, path, due, steps, known)
        if due.name in seen:
            yield document.problem(
                (*path, "name"), f"there are two due times {due.name!r}", "rename one of them"
            )
        seen.add(due.name)


def _name(document: Document, path: Path_, name: str, word: str) -> Iterator[Problem]:
    if not NAME.match(name):
        message = f"{name!r} cannot be the name of {a(word)}"
        yield document.problem(path, message, "use small letters, digits and _, a letter first")


def _check_object(document: Document, process: Process, known: Known) -> Iterator[Problem]:
    concerned = {name for event in known.catalogue.events.values() for name in event.objects}
    if process.object in concerned:
        for index, step in enumerate(process.steps):
            event = known.event(step.event)
            if event and process.object not in event.objects:
                message = f"{step.event} does not concern the object {process.object!r}"
                remedy = f"add {process.object!r} to the objects of {step.event}"
                yield document.problem(("spec", "steps", index, "event"), message, remedy)
    elif not any(kind == "EventType" for kind, _ in known.broken):
        message = f"no event type concerns the object {process.object!r}"
        yield document.problem(("spec", "object"), message, did_you_mean(process.object, sorted(concerned)))


def _check_step(document: Document, path: Path_, step: Step, known: Known) -> Iterator[Problem]:
    yield from _name(document, (*path, "name"), step.name, "step")
    yield from known.missing(document, (*path, "event"), "EventType", step.event)
    yield from known.filter(document, (*path, "filter"), step.filter, known.event_fields(step.event))


def _check_due(
    document: Document, path: Path_, due: Due, steps: dict[str, Step], known: Known
) -> Iterator[Problem]:
    yield from _name(document, (*path, "name"), due.name, "due time")
    yield from one_of(document, (*path, "step"), "step", due.step, steps)
    yield from one_of(document, (*path, "until"), "step", due.until, steps)
    if (due.field is None) == (due.within_ms is None):
        message = "a due time comes from either field or within"
        yield document.problem(
            path, message, "say which field of the step's event holds it, or how long after the step it is"
        )
    fields = known.event_fields(steps[due.step].event) if due.step in steps else None
    if fields is None:
        return
    if due.item is not None:
        yield from check_items(document, (*path, "item"), known.event(steps[due.step].event))
    for key, name, type_, remedy in (
        ("field", due.field, FieldType.TIMESTAMP, "name a field of type timestamp"),
        ("item", due.item, FieldType.STRING, "name the field that holds the item's id"),
    ):
        if name is None:
            continue
        yield from one_of(document, (*path, key), f"field of {steps[due.step].event} called", name, fields)
        if name in fields and fields[name].type is not type_:
            yield document.problem(
                (*path, key), f"{name!r} is {a(fields[name].type)}, not {a(type_)}", remedy
            )
