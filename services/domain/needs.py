"""Which event types a KPI is computed from, and so which systems must be complete for it."""

from __future__ import annotations

from collections.abc import Iterable

from services.domain.catalogue import Process
from services.domain.program import (
    CohortFeed,
    ConversionFeed,
    DueFeed,
    DurationFeed,
    EventFeed,
    Feed,
    OpenFeed,
    OverdueFeed,
    Program,
    StepFeed,
)
from services.domain.readings import Reading


def needed_sources(program: Program, reading: Reading) -> frozenset[str]:
    """The systems that send what a KPI is computed from; of a reconciliation the one that it compares with."""
    if reading.kpi.source is not None:
        return frozenset({reading.kpi.source})
    catalogue = program.catalogue
    events: set[str] = set()
    for part in reading.parts:
        feed = program.measure(part.measure).feed
        if isinstance(feed, EventFeed):
            events.add(feed.event)
        else:
            process = catalogue.processes[feed.process]
            events |= _events(process, _steps(feed, process, reading.kpi.dimensions))
    return frozenset(source for event in events for source in catalogue.events[event].sources)


def _events(process: Process, steps: set[str]) -> set[str]:
    """The event types that report some steps; what is reached when nothing is left is told by all of them."""
    told_by = {step.event for step in process.steps if step.name in steps}
    return set(process.told_by) if "" in told_by else told_by


def _steps(feed: Feed, process: Process, dimensions: Iterable[str]) -> set[str]:
    """The steps that decide what a feed tells of a case, and where it is counted."""
    where = {process.attributes[name][0] for name in dimensions if name in process.attributes}
    match feed:
        case StepFeed():
            return {feed.step} | where
        case DurationFeed() | ConversionFeed():
            return {feed.start, feed.end} | where
        case CohortFeed():
            return {feed.start, process.quantities[feed.quantity].step} | where
        case DueFeed() | OverdueFeed():
            [due] = [one for one in process.dues if one.name == feed.due]
            return {due.step, due.until, *due.renewed_by, *process.ends} | where
        case OpenFeed():
            return {process.opens, *process.ends} | where
        case _:
            return {step.name for step in process.steps}
