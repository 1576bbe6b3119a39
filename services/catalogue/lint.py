"""How documents fit together: references, types, units, filters, names. Each finding says what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from services.catalogue.documents import EventTypeDocument, KpiDocument, ProcessDocument
from services.catalogue.problems import Problem
from services.catalogue.read import Document
from services.catalogue.shape import is_foreign, read_shape
from services.domain.catalogue import Catalogue, EventType, Kpi, Process
from services.domain.filters import Evaluator


def check(
    documents: Sequence[Document], evaluator: Evaluator | None = None
) -> tuple[Catalogue, list[Problem]]:
    """The catalogue that documents make (without those that are no good), and what is wrong."""
    problems: list[Problem] = []
    events: dict[str, EventType] = {}
    processes: dict[str, Process] = {}
    kpis: dict[str, Kpi] = {}
    for document in documents:
        if is_foreign(document):
            continue
        model, wrong = read_shape(document)
        problems += wrong
        match model:
            case EventTypeDocument():
                events[model.metadata.name] = model.to_domain()
            case ProcessDocument():
                processes[model.metadata.name] = model.to_domain()
            case KpiDocument():
                kpis[model.metadata.name] = model.to_domain()
            case None:
                pass
    return Catalogue(events, processes, kpis), problems
