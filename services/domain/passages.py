"""What steps *via* other processes read: event types of their own, which nobody sends.

A step ``via: shipment`` reads an event that names the shipment, not the case. How the case hears of it is an event
type here, with the fields of that event and of the relation; so all that reads a step's event (captures, filters,
quantities, due times) finds what it looks for. A path of several processes is one such type after the other, each
passed on from the one before. Catalogues travel as they were written: only programs know these types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from services.domain.catalogue import Catalogue, EventType, Field, Passed, Process, Relation, Step

_Types = dict[str, EventType]


def with_passages(catalogue: Catalogue) -> Catalogue:
    """With the event types that steps via other processes read, and these steps reading them. What cannot be found
    (``lint`` says so) stays as it is.
    """
    types: _Types = {}
    processes = {name: _heard(process, catalogue, types) for name, process in catalogue.processes.items()}
    return replace(catalogue, events={**catalogue.events, **types}, processes=processes)


def as_written(catalogue: Catalogue) -> Catalogue:
    """The inverse of ``with_passages``."""
    events = {name: event for name, event in catalogue.events.items() if event.passed is None}
    processes = {
        name: replace(
            process,
            steps=tuple(replace(step, event=_root(catalogue, step.event)) for step in process.steps),
        )
        for name, process in catalogue.processes.items()
    }
    return replace(catalogue, events=events, processes=processes)


def heard(process: Process, catalogue: Catalogue) -> Process:
    """A process with its steps via others reading the event types that ``with_passages`` adds."""
    return _heard(process, catalogue, {})


def passages_from(catalogue: Catalogue, process: str) -> tuple[EventType, ...]:
    """The event types that cases of a process pass on."""
    return tuple(one for one in catalogue.events.values() if one.passed and one.passed.sender == process)


def senders(catalogue: Catalogue) -> tuple[str, ...]:
    """The processes whose cases pass events on."""
    return tuple(dict.fromkeys(one.passed.sender for one in catalogue.events.values() if one.passed))


def relation_fields(events: Mapping[str, EventType], relation: Relation) -> dict[str, Field]:
    """The fields that a relation adds to what is passed along it, as far as they are known."""
    known = events[relation.begins[0]].fields if relation.begins[0] in events else {}
    return {name: known[name] for name in relation.fields if name in known}


def fields_added(catalogue: Catalogue, event: str) -> frozenset[str]:
    """The fields of an event type that are those of relations, not of the event."""
    found: set[str] = set()
    while (known := catalogue.events.get(event)) is not None and known.passed is not None:
        found |= set(known.passed.relation.fields)
        event = known.passed.event
    return frozenset(found)


def _root(catalogue: Catalogue, event: str) -> str:
    """The event type that is passed on in the end."""
    while (known := catalogue.events.get(event)) is not None and known.passed is not None:
        event = known.passed.event
    return event


def _heard(process: Process, catalogue: Catalogue, types: _Types) -> Process:
    steps = tuple(_step(step, process, catalogue, types) for step in process.steps)
    return process if steps == process.steps else replace(process, steps=steps)


def _step(step: Step, process: Process, catalogue: Catalogue, types: _Types) -> Step:
    known = catalogue.events.get(step.event)
    if not step.via or known is None or known.passed is not None:
        return step
    name = _passed(step.event, step.via, process, catalogue, types)
    return step if name is None else replace(step, event=name)


def _passed(
    event: str, via: tuple[str, ...], process: Process, catalogue: Catalogue, types: _Types
) -> str | None:
    """The type by which cases of ``process`` hear of ``event``; None where that cannot be."""
    sender, *further = via
    relation = process.relations.get(sender)
    between = catalogue.processes.get(sender)
    if relation is None or between is None:
        return None
    heard = _passed(event, tuple(further), between, catalogue, types) if further else event
    known = types.get(heard) or catalogue.events.get(heard) if heard is not None else None
    if known is None:
        return None
    name = f"{event} via {', '.join(via)} to {process.name}"
    types[name] = _type(name, known, Passed(known.name, sender, process.name, relation), process, catalogue)
    return name


def _type(name: str, known: EventType, passed: Passed, process: Process, catalogue: Catalogue) -> EventType:
    begins = [catalogue.events[one] for one in passed.relation.begins if one in catalogue.events]
    return replace(
        known,
        name=name,
        fields={**known.fields, **relation_fields(catalogue.events, passed.relation)},
        objects={process.object: ""},
        sources=tuple(dict.fromkeys(source for one in (known, *begins) for source in one.sources)),
        times={},
        correctable=None,
        reverses=None,
        passed=passed,
    )
