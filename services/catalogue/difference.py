"""What another catalogue means for one in force: decided by what the engine itself decides by at the barrier
(``domain/continuity.py``), so that what is announced is what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from services.domain.catalogue import Catalogue, EventType, Field
from services.domain.compile import references
from services.domain.continuity import cases_go_on, measures_of
from services.domain.passages import as_written
from services.domain.program import EventFeed, Measure, Program

_WORDS = frozenset(
    {"title", "owner", "description", "contact", "link", "target", "minimum_samples", "stale_ms"}
)
"""What is said of a number, not what it is."""


class Kind(StrEnum):
    """The kinds of documents, as catalogues call them."""

    KPI = "Kpi"
    PROCESS = "Process"
    EVENT = "EventType"
    LOOKUP = "Lookup"
    CALENDAR = "Calendar"
    SOURCE = "Source"


class Outcome(StrEnum):
    """What becomes of a document. ``words``: numbers stay what they are. ``meaning``: a KPI has a new version with a
    history of its own.
    """

    NEW = "new"
    UNCHANGED = "unchanged"
    WORDS = "words"
    MEANING = "meaning"
    REMOVED = "removed"


class Start(StrEnum):
    """What a KPI that is new, or means something else, starts from; of several measures the last of these holds.

    ``cells``: all that it measures is measured already. ``cases``: what the cases that are remembered say.
    ``corrections``: the correctable events that are remembered. ``nothing``: what comes from then on.
    """

    CELLS = "cells"
    CASES = "cases"
    CORRECTIONS = "corrections"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one document.

    ``fields`` are those of it that changed, as paths; ``because`` those of others that made it change. A KPI has its
    ``version`` before and after, and a ``start`` where it has no history yet. ``forgets``: a process whose cases begin
    anew, or a KPI over it that keeps its version all the same.
    """

    kind: Kind
    name: str
    outcome: Outcome
    fields: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    version: tuple[str | None, str | None] = (None, None)
    start: Start | None = None
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Of the catalogue with digest ``before`` to that with ``after``; ``changes`` holds every document of both."""

    before: str
    after: str
    changes: tuple[Change, ...]

    def of(self, *outcomes: Outcome) -> list[Change]:
        """Those changes with one of ``outcomes``."""
        return [change for change in self.changes if change.outcome in outcomes]


@dataclass(frozen=True, slots=True)
class _Path:
    """A place at which two documents differ."""

    parts: tuple[str, ...]
    words: bool

    def __str__(self) -> str:
        return ".".join(self.parts)


_Paths = Mapping[tuple[Kind, str], tuple[_Path, ...]]


def difference(before: Program, after: Program) -> Difference:
    """What it means to go from one compiled catalogue to the other."""
    old, new = as_written(before.catalogue), as_written(after.catalogue)
    paths: _Paths = {
        (kind, name): tuple(_differ(documents.get(name), _documents(new, kind).get(name)))
        for kind in Kind
        for documents in (_documents(old, kind),)
        for name in dict.fromkeys([*documents, *_documents(new, kind)])
    }
    changes = [
        _kpi(before, after, name, paths) if kind is Kind.KPI else _other(before, after, kind, name, found)
        for (kind, name), found in paths.items()
    ]
    return Difference(before.digest, after.digest, tuple(changes))


def _documents(catalogue: Catalogue, kind: Kind) -> Mapping[str, Any]:
    match kind:
        case Kind.KPI:
            return catalogue.kpis
        case Kind.PROCESS:
            return catalogue.processes
        case Kind.EVENT:
            return catalogue.events
        case Kind.LOOKUP:
            return catalogue.lookups
        case Kind.CALENDAR:
            return catalogue.calendars
        case Kind.SOURCE:
            return catalogue.sources


def _differ(old: Any, new: Any, parts: tuple[str, ...] = (), *, words: bool = False) -> Iterator[_Path]:
    """Where two values differ, as deep as both have the same shape."""
    if is_dataclass(old) and type(old) is type(new):
        for one in fields(old):
            said = words or one.name in _WORDS
            yield from _differ(getattr(old, one.name), getattr(new, one.name), (*parts, one.name), words=said)
    elif (both := (_by_name(old), _by_name(new))) != (None, None) and None not in both:
        ours, theirs = (one or {} for one in both)
        for name in dict.fromkeys([*ours, *theirs]):
            yield from _differ(ours.get(name), theirs.get(name), (*parts, name), words=words)
        if [name for name in ours if name in theirs] != [name for name in theirs if name in ours]:
            yield _Path(parts, words)
    elif old != new:
        yield _Path(parts, words)


def _by_name(value: Any) -> Mapping[str, Any] | None:
    """A mapping, or a sequence of what has names, as a mapping."""
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    if isinstance(value, tuple) and all(hasattr(each, "name") for each in value):
        return {each.name: each for each in value}
    return None


def _other(before: Program, after: Program, kind: Kind, name: str, found: tuple[_Path, ...]) -> Change:
    old, new = _documents(before.catalogue, kind), _documents(after.catalogue, kind)
    outcome = _presence(name, old, new) or _said(found)
    known = kind is Kind.PROCESS and name in old and name in new
    shown = tuple(map(str, found)) if name in old and name in new else ()
    return Change(kind, name, outcome, shown, forgets=known and not cases_go_on(before, after, name))


def _presence(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Outcome | None:
    if name not in old:
        return Outcome.NEW
    return Outcome.REMOVED if name not in new else None


def _said(found: Iterable[_Path]) -> Outcome:
    found = tuple(found)
    if not found:
        return Outcome.UNCHANGED
    return Outcome.WORDS if all(path.words for path in found) else Outcome.MEANING


def _kpi(before: Program, after: Program, name: str, paths: _Paths) -> Change:
    old, new = before.kpis.get(name), after.kpis.get(name)
    version = (old.version if old else None, new.version if new else None)
    outcome = _presence(name, before.kpis, after.kpis)
    found = paths[Kind.KPI, name] if outcome is None else ()
    if outcome is None and version[0] == version[1]:
        outcome = Outcome.WORDS if found else Outcome.UNCHANGED
    because: tuple[str, ...] = ()
    if outcome is None:
        outcome = Outcome.MEANING
        found = tuple(path for path in found if not path.words)
        because = tuple(_because(before, after, name, paths))
    begins = outcome in {Outcome.NEW, Outcome.MEANING}
    start = _start(before, after, name) if begins else None
    forgets = outcome in {Outcome.UNCHANGED, Outcome.WORDS} and _forgets(before, after, name)
    return Change(Kind.KPI, name, outcome, tuple(map(str, found)), because, version, start, forgets)


def _forgets(before: Program, after: Program, name: str) -> bool:
    """Whether cases that a KPI counts are forgotten."""
    feeds = [measure.feed for _, measure in _measured(after, name)]
    processes = {feed.process for feed in feeds if not isinstance(feed, EventFeed)}
    return not all(cases_go_on(before, after, process) for process in processes)


def _start(before: Program, after: Program, name: str) -> Start:
    kept = measures_of(before)
    order = list(Start)
    starts = [
        Start.CELLS if (cube, measure.id) in kept else _fresh(before, after, measure)
        for cube, measure in _measured(after, name)
    ]
    return max(starts, key=order.index, default=Start.CELLS)


def _fresh(before: Program, after: Program, measure: Measure) -> Start:
    """What a measure starts from that was not there before; see ``RunState.switch``."""
    feed = measure.feed
    if isinstance(feed, EventFeed):
        old, new = before.catalogue.events.get(feed.event), after.catalogue.events[feed.event]
        known = old is not None and old.correctable is not None and new.correctable is not None
        return Start.CORRECTIONS if known else Start.NOTHING
    return Start.CASES if cases_go_on(before, after, feed.process) else Start.NOTHING


def _measured(program: Program, name: str) -> list[tuple[str, Measure]]:
    """(cube, measure) of a KPI and of those that it is derived from; none for one that is not there."""
    if name not in program.kpis:
        return []
    kpi = program.kpis[name]
    ids = set(kpi.parts.values())
    own = [(cube.id, one) for cube in program.cubes for one in cube.measures if one.id in ids]
    return own + [pair for each in kpi.inputs for pair in _measured(program, each)]


def _because(before: Program, after: Program, name: str, paths: _Paths) -> Iterator[str]:
    """What other documents changed that a KPI is made of; and, failing those, that others are judged with it."""
    used: dict[tuple[Kind, str], None] = {}
    for program in (before, after):
        used |= dict.fromkeys(_used(program, name))
    read = {one for program in (before, after) for one in _read(program, name)}
    for key in used:
        found = [path for path in paths.get(key, ()) if _matters(key[0], path, read)]
        if found:
            inner = ", ".join(str(path) for path in found if path.parts)
            yield f"{key[0]} {key[1]}" + (f": {inner}" if inner else "")
    if before.kpis[name].judge != after.kpis[name].judge:
        yield f"family: judged with {after.kpis[name].family}, before with {before.kpis[name].family}"


def _matters(kind: Kind, path: _Path, read: set[str]) -> bool:
    if path.words:
        return False
    field = kind is Kind.EVENT and path.parts[:1] == ("fields",) and len(path.parts) > 1
    return path.parts[1] in read if field else True


def _used(program: Program, name: str) -> Iterator[tuple[Kind, str]]:
    """The documents that a KPI is made of."""
    catalogue, kpi = program.catalogue, program.kpis[name].kpi
    for other in references(kpi):
        yield Kind.KPI, other
    if kpi.calendar is not None:
        yield Kind.CALENDAR, kpi.calendar
    read = _read(program, name)
    for event in _events(program, name):
        if event.passed is not None:
            yield Kind.PROCESS, event.passed.sender
            continue
        yield Kind.EVENT, event.name
        for field in event.fields.values():
            yield from _sources_of(field) if field.name in read else ()
    for _, measure in _measured(program, name):
        if not isinstance(measure.feed, EventFeed):
            yield Kind.PROCESS, catalogue.processes[measure.feed.process].name


def _events(program: Program, name: str) -> Iterator[EventType]:
    """The event types that a KPI is made of, those that are passed on and what they are made of included."""
    events = program.catalogue.events
    for _, measure in _measured(program, name):
        feed = measure.feed
        told = [feed.event] if isinstance(feed, EventFeed) else _told_by(program, feed.process)
        for each in told:
            one = events[each]
            yield one
            while one.passed is not None:
                one = events[one.passed.event]
                yield one


def _told_by(program: Program, process: str) -> tuple[str, ...]:
    return program.catalogue.processes[process].told_by


def _read(program: Program, name: str) -> set[str]:
    """The fields that a KPI is made of, whichever events they are of."""
    read: set[str] = set(program.kpis[name].kpi.dimensions)
    for _, measure in _measured(program, name):
        read |= {measure.field} if measure.field else set()
        read |= measure.filter.fields if measure.filter else set()
        if not isinstance(measure.feed, EventFeed):
            process = program.catalogue.processes[measure.feed.process]
            read |= {each for step in process.steps for each in process.fields_of(step.name)}
    return read


def _sources_of(field: Field) -> Iterator[tuple[Kind, str]]:
    """What a derived field is derived by."""
    if field.lookup is not None:
        yield Kind.LOOKUP, field.lookup.name
    if field.convert is not None and field.convert.rates is not None:
        yield Kind.LOOKUP, field.convert.rates
    if field.calendar is not None:
        yield Kind.CALENDAR, field.calendar.name
