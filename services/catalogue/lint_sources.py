"""Checks of sources, and of the KPIs that compare with what a source counts."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import Known, check_zone, one_of
from services.catalogue.meaning import NUMBERS
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.domain.catalogue import Kpi, Source
from services.domain.conditions import a

SPEC: Path_ = ("spec",)


def check_source(document: Document, source: Source, known: Known) -> Iterator[Problem]:
    """What is wrong with one source."""
    yield from check_zone(document, (*SPEC, "timezone"), source.timezone)
    if (
        not any(kind == "EventType" for kind, _ in known.broken)
        and source.name not in known.catalogue.expected_sources
    ):
        message = f"no event type is sent by {source.name!r}"
        remedy = did_you_mean(
            source.name, sorted(known.catalogue.expected_sources - known.catalogue.sources.keys())
        )
        yield document.problem(
            ("metadata", "name"),
            message,
            remedy or f"add sources: [{source.name}] to the event types that it sends",
        )
    if source.mapping is not None and source.mapping not in known.mappings:
        remedy = did_you_mean(source.mapping, sorted(known.mappings))
        message = f"there is no mapping {source.mapping!r} in this folder"
        yield document.problem((*SPEC, "mapping"), message, remedy or "write one: see docs/sources.md")


def check_reconciliation(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """What is wrong with a KPI that compares our count with the source's."""
    measure = kpi.measure
    yield from known.missing(document, (*SPEC, "source"), "Source", kpi.source or "")
    if measure is None or measure.event is None:
        return
    yield from known.missing(document, (*SPEC, "event"), "EventType", measure.event)
    event, fields = known.event(measure.event), known.event_fields(measure.event)
    if event is None or fields is None:
        return
    if kpi.source in known.catalogue.sources and kpi.source not in event.sources:
        message = f"{measure.event} is not sent by {kpi.source!r}"
        yield document.problem(
            (*SPEC, "event"), message, f"add {kpi.source!r} to the sources of {measure.event}"
        )
    if measure.field is not None:
        yield from one_of(
            document, (*SPEC, "field"), f"field of {measure.event} called", measure.field, fields
        )
        found = fields.get(measure.field)
        if found is not None and found.type not in NUMBERS:
            message = f"only numbers can be added up, {measure.field!r} is {a(found.type)}"
            yield document.problem((*SPEC, "field"), message, "leave field out to count events")
    if kpi.dimensions:
        message = "a reconciliation is of the whole source: its totals have no dimensions"
        yield document.problem((*SPEC, "dimensions"), message, "leave them out")
    yield from known.filter(document, (*SPEC, "filter"), kpi.filter, fields)
