"""From a number to its cases: exactly those events or cases that make a KPI's value, or make it miss.

Which they are is found by folding the log again (``refolding.py``); what is known of them is read for one page
(``contributor_details.py``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.catalogue.problems import did_you_mean
from services.contributor_details import Contributor, Counted, Details
from services.domain.compile import fields_of
from services.domain.contributors import (
    ROLES,
    Part,
    RowArray,
    choose,
    current_window,
    gathered,
    label_of,
    number_of,
    parts_of,
    reach,
    value_of,
)
from services.domain.facts import Scope
from services.domain.program import QUANTITY, EventFeed, Measure, Program
from services.domain.readings import Part as Measured
from services.domain.readings import Reading, reading
from services.domain.rows import NULL
from services.domain.windows import Span
from services.errors import InvalidInput, NotFound
from services.ports import Log
from services.refolding import SECONDS, Asked, Folded, Refolding
from services.topics import Topics

KEPT = 2
"""How many lists are kept for those who ask for their next page."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is to be opened: a KPI's value at ``scope``, now or in the window [start, end); one part of it."""

    kpi: str
    scope: Scope
    start: int | None = None
    end: int | None = None
    part: Part | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Contributors:
    """One page of those that make ``value`` (from ``samples``) in ``window``.

    ``count`` says how many the ``part`` has in all, ``sum`` what their numbers (``number``, in ``unit``) come to.
    ``missing`` says why some may not be listed (None: it is complete). A derived KPI has ``inputs`` and nothing else.
    """

    window: Span
    value: float | None = None
    samples: int = 0
    part: Part | None = None
    parts: Sequence[Part] = ()
    inputs: Sequence[str] = ()
    count: int = 0
    sum: float | None = None
    number: str | None = None
    unit: str | None = None
    items: Sequence[Contributor] = ()
    next: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class _Opened:
    """The rows of a value by role, and where each role's came from."""

    rows: Mapping[str, RowArray]
    scopes: Mapping[str, Sequence[tuple[str, ...]]]
    folded: Mapping[str, Folded]
    chosen: dict[Part, RowArray] = field(default_factory=dict)

    @property
    def missing(self) -> str | None:
        """Why rows may be missing."""
        return next((one.missing for one in self.folded.values() if one.missing), None)


class ContributorLists:
    """``programs`` gives the compiled catalogue of a run, ``load`` compiles a catalogue's text; what takes more
    than ``seconds`` is given up, and said to be incomplete.
    """

    def __init__(
        self,
        log: Log,
        topics: Topics,
        programs: Callable[[str, str], Awaitable[Program]],
        load: Callable[[str], Program],
        seconds: float = SECONDS,
    ) -> None:
        self._details = Details(log, topics.events.name)
        self._programs = programs
        self._refolding = Refolding(log, topics, load, seconds)
        self._opened: dict[tuple[object, ...], _Opened] = {}

    async def of(self, tenant: str, run: str, query: Query, now: int) -> Contributors:
        """A page; ``now`` is the run's engine time. ``NotFound`` for an unknown run or KPI, ``InvalidInput`` for a
        dimension, part or cursor that the KPI does not have.
        """
        program = await self._programs(tenant, run)
        if query.kpi not in program.kpis:
            raise NotFound(
                f"no KPI is called {query.kpi!r}",
                field="name",
                value=query.kpi,
                remedy=did_you_mean(query.kpi, program.catalogue.kpis),
            )
        read = reading(program, query.kpi)
        window, position = _place(query, program, read, now)
        parts = parts_of(read, program)
        _check_scope(query, read)
        if not parts:
            return Contributors(window, inputs=tuple(read.inputs))
        part = _chosen(query, read, parts)
        span = reach(read.kpi, window)
        asked = Asked(tenant, run, program, frozenset(), *span, query.scope, now)
        opened = await self._open(asked, read, again=query.cursor is not None)
        if part not in opened.chosen:
            opened.chosen[part] = choose(read, program, part, opened.rows)
        rows = opened.chosen[part]
        after = position + query.limit
        role = _role(read, part)
        measure = program.measure(role.measure)
        value, samples = value_of(read, program, opened.rows)
        unit, factor = _unit(read, role, measure, program)
        numbers = rows["number"][rows["number"] != NULL]
        return Contributors(
            window,
            value,
            samples,
            part,
            parts,
            count=int(rows["weight"].sum()),
            sum=int(numbers.sum()) / factor if numbers.size else None,
            number=label_of(measure),
            unit=unit,
            items=await self._items(program, opened, role, rows[position:after], factor),
            next=_cursor(window, after) if after < rows.size else None,
            missing=opened.missing,
        )

    async def _open(self, asked: Asked, read: Reading, *, again: bool) -> _Opened:
        """The rows of a value; ``again``: those of a page before, where they are still there."""
        scope = tuple(sorted(asked.scope.items()))
        key = (*asked.key, read.program.version, scope, asked.start, asked.end)
        if again and key in self._opened:
            return self._opened[key]
        by_kind: dict[bool, set[str]] = {}
        for part in read.parts:
            of_events = isinstance(asked.program.measure(part.measure).feed, EventFeed)
            by_kind.setdefault(of_events, set()).add(part.measure)
        folded: dict[str, Folded] = {}
        for measures in by_kind.values():
            found = await self._refolding.fold(replace(asked, measures=frozenset(measures)))
            folded |= dict.fromkeys(measures, found)
        rows = {part.role: gathered(folded[part.measure].taps, part.measure) for part in read.parts}
        opened = _Opened(
            {role: found for role, (found, _) in rows.items()},
            {role: scopes for role, (_, scopes) in rows.items()},
            {part.role: folded[part.measure] for part in read.parts},
        )
        self._opened.pop(key, None)
        self._opened[key] = opened
        while len(self._opened) > KEPT:
            self._opened.pop(next(iter(self._opened)))
        return opened

    async def _items(
        self, program: Program, opened: _Opened, role: Measured, page: RowArray, factor: float
    ) -> list[Contributor]:
        scopes = opened.scopes[role.role]
        dimensions = next(cube.dimensions for cube in program.cubes if cube.id == role.cube)
        counted = [
            Counted(
                time,
                None if number == NULL else number / factor,
                dict(zip(dimensions, scopes[scope], strict=True)),
            )
            for time, number, scope in page[["time", "number", "scope"]].tolist()
        ]
        feed = program.measure(role.measure).feed
        if isinstance(feed, EventFeed):
            return await self._details.of_events(program.catalogue.events[feed.event], page, counted)
        folded = opened.folded[role.role]
        return await self._details.of_cases(folded, program, feed.process, page, counted=counted)


def _place(query: Query, program: Program, read: Reading, now: int) -> tuple[Span, int]:
    """The window, and the position in the list."""
    if query.cursor is not None:
        return _at(query.cursor)
    if query.start is not None and query.end is not None:
        return Span(query.start, query.end), 0
    if query.start is not None or query.end is not None:
        raise InvalidInput(
            "a window has both from and to",
            field="from" if query.start is None else "to",
            remedy="give both, or neither for the current window",
        )
    return current_window(program, read, now), 0


def _cursor(window: Span, position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([*window, position]).encode()).decode()


def _at(cursor: str) -> tuple[Span, int]:
    try:
        start, end, position = map(int, json.loads(base64.urlsafe_b64decode(cursor)))
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"no page gave the cursor {cursor!r}",
            field="cursor",
            value=cursor,
            remedy="use `next` of the page before, or leave it out for the first page",
        ) from error
    return Span(start, end), max(0, position)


def _check_scope(query: Query, read: Reading) -> None:
    """Raises ``InvalidInput`` for a dimension that the KPI does not have."""
    for dimension in query.scope:
        if dimension not in read.kpi.dimensions:
            raise InvalidInput(
                f"{read.kpi.name} has no dimension {dimension!r}",
                field="scope",
                value=dimension,
                remedy=did_you_mean(dimension, read.kpi.dimensions) or "it has none: leave the scope out",
            )


def _chosen(query: Query, read: Reading, parts: Sequence[Part]) -> Part:
    """The part asked for, or else the first; ``InvalidInput`` where the KPI has no such part."""
    if query.part is not None and query.part not in parts:
        apart = query.part is Part.MISSES and Part.DENOMINATOR in parts
        why = ": its numerator is no part of its denominator" if apart else ""
        raise InvalidInput(
            f"{read.kpi.name} has no {query.part.value}{why}",
            field="part",
            value=query.part.value,
            remedy=f"it has: {', '.join(parts)}",
        )
    return query.part or parts[0]


def _role(read: Reading, part: Part) -> Measured:
    """The measure whose rows a part lists."""
    listed = Part.DENOMINATOR if part is Part.MISSES else part
    return next(one for one in read.parts if ROLES.get(one.role) is listed)


def _unit(read: Reading, role: Measured, measure: Measure, program: Program) -> tuple[str | None, float]:
    """The unit of a row's number, and what its fixed-point value is divided by."""
    name = number_of(measure)
    if name in {"lateness", "duration"} and not isinstance(measure.feed, EventFeed):
        return (read.kpi.unit, role.unit) if measure.field == name else ("ms", 1.0)
    if name is None or name == "converted":
        return None, 1.0
    if name == QUANTITY:
        return read.kpi.unit, 10.0**measure.scale
    return fields_of(program.catalogue, measure.feed)[name].unit, 10.0**measure.scale
