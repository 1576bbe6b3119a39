"""Checks of how processes are related, and of what their cases hear of each other."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import Known, one_of, repeated
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.domain.catalogue import Process, Relation, Step
from services.domain.passages import relation_fields

_RELATIONS: Path_ = ("spec", "relations")


def check_relations(document: Document, process: Process, known: Known) -> Iterator[Problem]:
    """What is wrong with the relations of a process as it is written, and with its steps via others."""
    for name, relation in process.relations.items():
        yield from _check_relation(document, process, name, relation, known)
    for index, step in enumerate(process.steps):
        if step.via:
            yield from _check_via(document, ("spec", "steps", index), process, step, known)


def _check_relation(
    document: Document, process: Process, name: str, relation: Relation, known: Known
) -> Iterator[Problem]:
    path = (*_RELATIONS, name)
    yield from known.missing(document, path, "Process", name)
    other = known.process(name)
    if other is None:
        return
    if other.object == process.object:
        message = f"{name!r} is about the object {process.object!r} as well: what names it reaches both"
        yield document.problem(path, message, "remove the relation")
        return
    for key, events in (("event", relation.begins), ("ends", relation.ends)):
        yield from repeated(document, (*path, key), list(events), "event type")
        for event in events:
            yield from known.missing(document, (*path, key), "EventType", event)
            found = known.event(event)
            for one in (process.object, other.object):
                if found is not None and one not in found.objects:
                    message = f"{event} does not concern the object {one!r}, so it cannot relate it"
                    remedy = f"add {one!r} to the objects of {event}, or name an event that concerns both"
                    yield document.problem((*path, key), message, remedy)
    for event in set(relation.begins) & set(relation.ends):
        message = f"{event} both begins and ends the relation"
        yield document.problem((*path, "ends"), message, "let another event type end it")
    yield from _check_fields(document, path, relation, known)


def _check_fields(document: Document, path: Path_, relation: Relation, known: Known) -> Iterator[Problem]:
    """All events that begin a relation have its fields, of one type."""
    yield from repeated(document, (*path, "fields"), list(relation.fields), "field")
    meant = relation_fields(known.catalogue.events, relation)
    for index, name in enumerate(relation.fields):
        place = (*path, "fields", index)
        for event in relation.begins:
            found = known.event(event)
            if found is None:
                continue
            yield from one_of(document, place, f"field of {event} called", name, found.fields)
            field = found.fields.get(name)
            if (
                field is not None
                and name in meant
                and (field.type, field.scale)
                != (
                    meant[name].type,
                    meant[name].scale,
                )
            ):
                message = f"{name!r} is another type in {event} than in {relation.begins[0]}"
                yield document.problem(place, message, "give it the same type and scale in both")


def _check_via(
    document: Document, path: Path_, process: Process, step: Step, known: Known
) -> Iterator[Problem]:
    """The path leads from relation to relation to what the event names, and adds no field twice."""
    if step.done is not None:
        message = "via belongs to an event, this step has none"
        yield document.problem((*path, "via"), message, "remove it")
        return
    event = known.event(step.event)
    fields = set(event.fields) if event is not None else set()
    here, passed = process, [process.object]
    for name in step.via:
        relation = here.relations.get(name)
        other = known.process(name)
        if relation is None:
            message = f"{here.name!r} has no relation to {name!r}"
            remedy = (
                did_you_mean(name, here.relations) or f"say in relations of {here.name} what relates them"
            )
            yield document.problem((*path, "via"), message, remedy)
            return
        if other is None:
            return  # said where the relation is
        for twice in sorted(fields & set(relation.fields)):
            message = f"{twice!r} is a field of {step.event} as well as of the relation {here.name} to {name}"
            yield document.problem((*path, "via"), message, "give it another name in one of the event types")
        fields |= set(relation.fields)
        here = other
        passed.append(other.object)
    *nearer, last = passed
    if event is None:
        return
    if last not in event.objects:
        message = (
            f"{step.event} does not concern the object {last!r}, so nothing can hear of it via {here.name!r}"
        )
        yield document.problem(
            (*path, "via"), message, "end the path with a process whose object it concerns"
        )
    for number, one in enumerate(nearer):
        if one in event.objects:
            message = f"{step.event} concerns the object {one!r} itself"
            remedy = "leave via out" if not number else f"end the path with {step.via[number - 1]}"
            yield document.problem((*path, "via"), message, remedy)
