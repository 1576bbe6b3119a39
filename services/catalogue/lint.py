"""How documents fit together: references, types, units, filters, names. Each finding says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.catalogue import meaning
from services.catalogue.documents import (
    AnyDocument,
    CalendarDocument,
    EventTypeDocument,
    KpiDocument,
    LookupDocument,
    ProcessDocument,
    SourceDocument,
)
from services.catalogue.known import Known
from services.catalogue.lint_calendars import check_calendar
from services.catalogue.lint_facts import check_event, check_process
from services.catalogue.lint_kpis import check_kpi, measured_field
from services.catalogue.lint_lookups import check_derived, check_lookup
from services.catalogue.lint_relations import check_relations
from services.catalogue.lint_sources import check_source
from services.catalogue.lint_units import check_units
from services.catalogue.problems import Problem
from services.catalogue.read import Document
from services.catalogue.shape import is_foreign, is_mapping, read_shape
from services.catalogue.words import TAKEN_METRICS, metric_name
from services.domain.catalogue import (
    Calendar,
    Catalogue,
    EventType,
    Kpi,
    KpiType,
    Lookup,
    Opening,
    Process,
    Source,
)
from services.domain.filters import Evaluator, FilterCompiler
from services.domain.passages import heard, with_passages
from services.domain.source_events import OPENING_EVENTS, SOURCE_EVENTS


@dataclass(frozen=True, slots=True)
class _Shaped:
    """A document with its model."""

    document: Document
    model: AnyDocument

    @property
    def key(self) -> tuple[str, str]:
        return self.model.kind, self.model.metadata.name


def check(
    documents: Sequence[Document], evaluator: Evaluator | None = None
) -> tuple[Catalogue, list[Problem]]:
    """The catalogue that documents make (without those that have no shape), and what is wrong with it.

    ``evaluator``: the CEL library; without it, filters beyond the translated subset are problems.
    """
    problems: list[Problem] = []
    shaped: list[_Shaped] = []
    broken: set[tuple[str, str]] = set()
    for document in documents:
        if is_foreign(document):
            continue
        model, wrong = read_shape(document)
        problems += wrong
        if model is not None:
            shaped.append(_Shaped(document, model))
        elif isinstance(document.data, dict):
            broken.add((str(document.data.get("kind")), document.name))
    problems += _twice(shaped)
    mappings = frozenset(document.name for document in documents if is_mapping(document))
    known = _known(shaped, frozenset(broken), FilterCompiler(evaluator), mappings)
    for one in shaped:
        problems += _check(one, known)
    problems += _colliding_metrics(shaped, known)
    return known.catalogue, list(dict.fromkeys(problems))


def _known(
    shaped: Sequence[_Shaped],
    broken: frozenset[tuple[str, str]],
    compiler: FilterCompiler,
    mappings: frozenset[str],
) -> Known:
    events: dict[str, EventType] = {}
    processes: dict[str, Process] = {}
    kpis: dict[str, Kpi] = {}
    sources: dict[str, Source] = {}
    lookups: dict[str, Lookup] = {}
    calendars = _calendars(shaped)
    for one in shaped:
        match one.model:
            case LookupDocument():
                lookups.setdefault(one.model.metadata.name, meaning.lookup(one.model))
            case EventTypeDocument():
                events.setdefault(one.model.metadata.name, meaning.event_type(one.model))
            case ProcessDocument():
                processes.setdefault(one.model.metadata.name, meaning.process(one.model))
            case KpiDocument():
                kpis.setdefault(one.model.metadata.name, meaning.kpi(one.model))
            case SourceDocument():
                sources.setdefault(one.model.metadata.name, meaning.source(one.model))
    events |= _own_events(sources, processes)
    events = {name: meaning.with_levels(event, lookups) for name, event in events.items()}
    processes = {
        name: meaning.with_case_levels(process, events, lookups) for name, process in processes.items()
    }
    events = {
        name: meaning.with_calendars(meaning.with_rates(event, lookups), calendars)
        for name, event in events.items()
    }
    catalogue = Catalogue(events, processes, kpis, sources=sources, lookups=lookups, calendars=calendars)
    known = Known(catalogue, with_passages(catalogue), broken, compiler, mappings)
    for name, kpi in kpis.items():
        field = measured_field(kpi, known)
        if not kpi.unit and field is not None and field.unit:
            kpis[name] = replace(kpi, unit=field.unit)
    windowed = {one.model.metadata.name for one in shaped if _has_window(one.model)}
    kpis |= {name: _in_days_of_its_source(kpis[name], sources) for name in kpis.keys() - windowed}
    return known


def _own_events(sources: Mapping[str, Source], processes: Mapping[str, Process]) -> Mapping[str, EventType]:
    announced = any(process.opening is Opening.ANNOUNCED for process in processes.values())
    return {**(SOURCE_EVENTS if sources else {}), **(OPENING_EVENTS if announced else {})}


def _calendars(shaped: Sequence[_Shaped]) -> dict[str, Calendar]:
    models = [one.model for one in reversed(shaped) if isinstance(one.model, CalendarDocument)]
    return {model.metadata.name: meaning.calendar(model) for model in models}


def _has_window(model: AnyDocument) -> bool:
    return isinstance(model, KpiDocument) and "window" in model.spec.model_fields_set


def _in_days_of_its_source(kpi: Kpi, sources: Mapping[str, Source]) -> Kpi:
    source = sources.get(kpi.source or "")
    if kpi.type is not KpiType.RECONCILIATION or source is None:
        return kpi
    return replace(kpi, window=replace(kpi.window, timezone=source.timezone))


def _twice(shaped: Sequence[_Shaped]) -> Iterator[Problem]:
    first: dict[tuple[str, str], Document] = {}
    for one in shaped:
        earlier = first.setdefault(one.key, one.document)
        if earlier is not one.document:
            where = f"{earlier.file}:{earlier.line(('metadata', 'name'))}"
            message = f"this {one.model.kind} stands in {where} as well"
            yield one.document.problem(("metadata", "name"), message, "rename or remove one of the two")


def _check(one: _Shaped, known: Known) -> Iterator[Problem]:
    match one.model:
        case EventTypeDocument():
            event = known.catalogue.events[one.model.metadata.name]
            yield from check_event(one.document, event, known)
            yield from check_derived(one.document, event, known)
        case ProcessDocument():
            process = meaning.process(one.model)
            yield from check_process(one.document, heard(process, known.catalogue), known)
            yield from check_relations(one.document, process, known)
        case LookupDocument():
            yield from check_lookup(one.document, meaning.lookup(one.model))
        case CalendarDocument():
            yield from check_calendar(one.document, meaning.calendar(one.model))
        case KpiDocument():
            kpi = known.catalogue.kpis[one.model.metadata.name]
            yield from check_kpi(one.document, kpi, known)
            yield from check_units(one.document, kpi, known)
        case SourceDocument():
            yield from check_source(one.document, meaning.source(one.model), known)


def _colliding_metrics(shaped: Sequence[_Shaped], known: Known) -> Iterator[Problem]:
    """Two KPIs of different names may still ask for one name on /metrics."""
    owners: dict[str, str] = {}
    for one in shaped:
        if isinstance(one.model, KpiDocument):
            kpi = known.catalogue.kpis[one.model.metadata.name]
            metric = metric_name(kpi.name, kpi.unit)
            if metric in TAKEN_METRICS:
                message = f"its metric would be {metric}, which tells of all KPIs"
                yield one.document.problem(("metadata", "name"), message, "rename it")
            if owners.setdefault(metric, kpi.name) != kpi.name:
                message = f"its metric {metric} is that of {owners[metric]!r}, too"
                yield one.document.problem(("metadata", "name"), message, "rename one of the two")
