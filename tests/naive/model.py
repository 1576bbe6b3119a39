"""The whole engine as plainly as it can be said: lists of events, loops, no panes, no sketches, no increments.

It takes the catalogue's values (data), and shares no code with the engine. It keeps everything: so it says what
holds as long as nothing has left a horizon or a case table.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import xxhash

from services.domain.catalogue import Catalogue, Due, Kpi, KpiType, MeasureSpec, Process
from tests.naive import calendar

Filters = Mapping[str, Callable[[Mapping[str, Any]], bool]]
Scope = tuple[tuple[str, str], ...]
Told = tuple[float | None, int]
"""Value and samples."""

IDLE, BUCKET, KEPT = 60_000, 900_000, 4_500_000


@dataclass(frozen=True)
class Event:
    """``data`` holds str, int, Decimal or None."""

    id: str
    source: str
    type: str
    time: int
    subject: str
    data: Mapping[str, Any]

    @property
    def identity(self) -> int:
        return xxhash.xxh3_64_intdigest(f"{self.source}\0{self.id}".encode())


@dataclass(frozen=True)
class Fact:
    """Something that counts, at ``time``; ``weight`` -1 takes back."""

    time: int
    values: Mapping[str, Any]
    number: Any = None
    weight: int = 1
    identity: int = 0
    case: str = ""


@dataclass
class Partition:
    """What decides about duplicates and lateness: the order in one partition of the log."""

    time: int = -(2**62)
    watermark: int = -(2**62)
    heard: dict[str, list[int]] = field(default_factory=dict)
    seen: dict[int, set[tuple[str, str, str]]] = field(default_factory=dict)

    def pass_time(self, now: int) -> None:
        self.time = max(self.time, now)

    def fresh(self, key: tuple[str, str, str]) -> bool:
        start = self.time // BUCKET * BUCKET
        self.seen = {at: keys for at, keys in self.seen.items() if at == start or at + KEPT > self.time}
        if any(key in keys for keys in self.seen.values()):
            return False
        self.seen.setdefault(start, set()).add(key)
        return True

    def hear(self, events: Iterable[Event], expected: frozenset[str]) -> None:
        for event in events:
            known = self.heard.setdefault(event.source, [self.time, event.time])
            known[0], known[1] = self.time, max(known[1], event.time)
        holding = [
            top
            for source, (last, top) in self.heard.items()
            if self.time - last <= IDLE and (not expected or source in expected)
        ]
        self.watermark = max(self.watermark, min(holding, default=self.time - IDLE))


class Engine:
    """``filters`` gives the meaning of each CEL expression that the catalogue uses."""

    def __init__(self, catalogue: Catalogue, filters: Filters, partitions: int) -> None:
        self.catalogue, self.filters = catalogue, filters
        self.partitions = [Partition() for _ in range(partitions)]
        self.primaries: list[tuple[Event, int]] = []
        self.cases: dict[tuple[str, str], list[Event]] = {}
        self.counters: Counter[str] = Counter()
        self.now = 0

    def frame(self, ingest: int, events: Sequence[Event]) -> None:
        """Events arrive together at engine time ``ingest``; partitions without any hear the time."""
        arriving: list[list[tuple[Event, str, str, bool]]] = [[] for _ in self.partitions]
        for event in events:
            for number, (process, key) in enumerate(self.copies(event)):
                route = f"{process}\0{key}" if process else key
                at = xxhash.xxh3_64_intdigest(route.encode()) % len(self.partitions)
                arriving[at].append((event, process, key, number == 0))
        for partition, copies in zip(self.partitions, arriving, strict=True):
            partition.pass_time(ingest)
            kept = [copy for copy in copies if self.keep(partition, ingest, *copy)]
            partition.hear([event for event, _, _, _ in kept], self.catalogue.expected_sources)

    def keep(
        self,
        partition: Partition,
        ingest: int,
        event: Event,
        process: str,
        key: str,
        primary: bool,  # noqa: FBT001  # as in the tuple
    ) -> bool:
        if not partition.fresh((event.source, event.id, process)):
            self.counters["duplicates"] += primary
            return False
        self.counters["events"] += primary
        if primary:
            self.primaries.append((event, ingest))
            self.counters["late"] += self.is_late(event, ingest, partition.watermark)
        if process:
            self.cases.setdefault((process, key), []).append(event)
        return True

    def finish(self, now: int) -> None:
        """The run is complete as of ``now``, the last moment of a pane."""
        self.now = now

    def copies(self, event: Event) -> list[tuple[str, str]]:
        """(process, case) of each copy; the first is primary."""
        objects = self.catalogue.events[event.type].objects
        found = []
        for process in self.catalogue.processes.values():
            if process.object in objects:
                name = objects[process.object]
                key = event.subject if name == "subject" else event.data.get(name)
                if key is not None:
                    found.append((process.name, str(key)))
        return found or [("", event.subject)]

    def counts_at(self, event: Event, ingest: int, kpi: Kpi) -> int:
        """The time of an event that a KPI counts by."""
        if kpi.time == "occurred":
            return event.time
        told = event.data.get(self.catalogue.events[event.type].times.get(kpi.time, ""))
        return told if told is not None else ingest if kpi.time == "recorded" else event.time

    def is_late(self, event: Event, ingest: int, watermark: int) -> bool:
        for kpi in self.catalogue.kpis.values():
            pane = calendar.pane(kpi)
            end = self.counts_at(event, ingest, kpi) // pane * pane + pane
            if event.type in self.reads(kpi) and end + kpi.lateness_ms + ripens(kpi) <= watermark:
                return True
        return False

    def reads(self, kpi: Kpi) -> set[str]:
        """Event types that a KPI measures."""
        types: set[str] = set()
        for spec in (kpi.measure, kpi.numerator, kpi.denominator):
            if isinstance(spec, MeasureSpec):
                types |= {spec.event} if spec.event else self.steps(spec.process or "")
        return types | (self.steps(kpi.process) if kpi.process else set())

    def steps(self, process: str) -> set[str]:
        return {step.event for step in self.catalogue.processes[process].steps}

    # Values.

    def current(self, kpi: Kpi) -> dict[Scope, Told]:
        """Every scope of the total, each dimension and all dimensions → what the KPI is now."""
        present = self.now + 1
        found: dict[Scope, Told] = {}
        for dimensions in {(), *((name,) for name in kpi.dimensions), kpi.dimensions}:
            for scope in {(): None, **dict.fromkeys(self.scopes(kpi, dimensions))}:
                if len(scope) == len(dimensions):
                    found[scope] = self.at(kpi, scope, present)
        return found

    def at(self, kpi: Kpi, scope: Scope, present: int) -> Told:
        if kpi.type is KpiType.DERIVED:
            return self.derived(kpi, [self.at(one, scope, present) for one in self.inputs(kpi)])

        def wanted(fact: Fact) -> bool:
            if kpi.mature:
                inside = calendar.ripe(kpi, fact.time, present - 1)
            else:
                inside = (
                    fact.time < present if is_level(kpi) else calendar.covers(kpi.window, fact.time, present)
                )
            return inside and matches(fact, scope)

        return self.read(kpi, wanted)

    def history(self, kpi: Kpi) -> dict[tuple[Scope, int], Told]:
        """(full scope, start of slot) → what the closed slot says, for slots in which something happened."""
        bases = self.inputs(kpi) if kpi.type is KpiType.DERIVED else [kpi]
        facts = [fact for base in bases for _, fact in self.facts(base)]
        places = {(scope_of(fact, kpi.dimensions), calendar.slot(kpi, fact.time)) for fact in facts}
        found = {}
        for scope, (start, end) in places:
            if kpi.mature and end + ripens(kpi) > self.now:
                continue

            def wanted(fact: Fact, scope: Scope = scope, start: int = start, end: int = end) -> bool:
                return (is_level(kpi) or start <= fact.time) and fact.time < end and matches(fact, scope)

            told = [self.read(base, wanted) for base in bases]
            found[scope, start] = self.derived(kpi, told) if kpi.type is KpiType.DERIVED else told[0]
        return found

    def scopes(self, kpi: Kpi, dimensions: Sequence[str]) -> Iterator[Scope]:
        for base in self.inputs(kpi) if kpi.type is KpiType.DERIVED else [kpi]:
            for _, fact in self.facts(base):
                yield scope_of(fact, dimensions)

    def inputs(self, kpi: Kpi) -> list[Kpi]:
        """A derived KPI here is one name, an operator, another name."""
        words = (kpi.expr or "").split()
        return [self.catalogue.kpis[name] for name in (words[0], words[2])]

    def derived(self, kpi: Kpi, told: Sequence[Told]) -> Told:
        (one, n), (other, m) = told
        if one is None or other is None:
            return None, min(n, m)
        operator = (kpi.expr or "").split()[1]
        if operator == "/":
            return (one / other if other else None), min(n, m)
        return (one + other if operator == "+" else one - other), min(n, m)

    def read(self, kpi: Kpi, wanted: Callable[[Fact], bool]) -> Told:
        by_role: dict[str, list[Fact]] = {}
        for role, fact in self.facts(kpi):
            held = by_role.setdefault(role, [])
            if wanted(fact):
                held.append(fact)
        if kpi.type in (KpiType.RATIO, KpiType.CONVERSION):
            return self.ratio(kpi, by_role.get("numerator", []), by_role.get("denominator", []))
        if kpi.type is KpiType.LEVEL:
            plus, minus = (total(by_role.get(role, [])) for role in ("plus", "minus"))
            if kpi.quantity:
                left, unpriced = Counter[str](), Counter[str]()
                for role, sign in (("plus", 1), ("minus", -1)):
                    for fact in by_role.get(role, []):
                        lacks = kpi.price and fact.values.get(kpi.price) is None
                        (unpriced if lacks else left)[fact.case] += sign * fact.number
                samples = sum(1 for amount in left.values() if amount)
                return None if any(unpriced.values()) else float(sum(left.values())), samples
            return float(plus - minus), max(0, plus - minus if kpi.of else plus + minus)
        spec = kpi.measure or MeasureSpec(kpi.agg, percentile=kpi.percentile)  # type: ignore[arg-type]  # a duration has one
        facts = by_role.get("value", [])
        unit = {"min": 60_000, "h": 3_600_000}.get(kpi.unit, 1)
        value = aggregate(spec, facts)
        return (None if value is None else value / unit), max(0, total(facts))

    def ratio(self, kpi: Kpi, above: list[Fact], below: list[Fact]) -> Told:
        if kpi.type is KpiType.CONVERSION:
            over, under = float(sum(fact.number * fact.weight for fact in above)), float(total(below))
            if kpi.per:
                under = float(sum(fact.number for fact in below))
        else:
            assert isinstance(kpi.numerator, MeasureSpec)
            assert isinstance(kpi.denominator, MeasureSpec)
            over, under = aggregate(kpi.numerator, above) or 0.0, aggregate(kpi.denominator, below) or 0.0
        samples = total(below) if total(below) > 0 else max(0, total(above))
        return (over / under * kpi.scale if under else None), samples

    # Facts.

    def facts(self, kpi: Kpi) -> Iterator[tuple[str, Fact]]:
        """(role, fact) of all that a KPI is made of."""
        chosen = self.filters[kpi.filter] if kpi.filter else None
        for role, fact in self.unfiltered(kpi):
            if chosen is None or chosen(fact.values):
                yield role, fact

    def unfiltered(self, kpi: Kpi) -> Iterator[tuple[str, Fact]]:
        if kpi.measure is not None:
            yield from (("value", fact) for fact in self.measured(kpi.measure, kpi))
        elif isinstance(kpi.numerator, MeasureSpec) and isinstance(kpi.denominator, MeasureSpec):
            names = ("plus", "minus") if kpi.type is KpiType.LEVEL else ("numerator", "denominator")
            for role, spec in zip(names, (kpi.numerator, kpi.denominator), strict=True):
                yield from ((role, fact) for fact in self.measured(spec, kpi))
        elif kpi.process:
            process = self.catalogue.processes[kpi.process]
            for name, events in self.cases_of(process):
                yield from self.told_by(kpi, process, Case(process, name, events, self.now))

    def cases_of(self, process: Process) -> Iterator[tuple[str, list[Event]]]:
        return ((key, events) for (name, key), events in self.cases.items() if name == process.name)

    def told_by(self, kpi: Kpi, process: Process, case: Case) -> Iterator[tuple[str, Fact]]:
        start, end = (case.time(step) if step else None for step in (kpi.start, kpi.end))
        if kpi.type is KpiType.DURATION:
            if start is not None and end is not None:
                yield "value", case.fact(max(start, end), self.taken(kpi, case, start, end))
        elif kpi.type is KpiType.CONVERSION and kpi.per:
            yield from case.cohort(kpi, start)
        elif kpi.type is KpiType.CONVERSION:
            if start is not None:
                done = end is not None and 0 <= end - start <= (kpi.within_ms or 0)
                yield "numerator", case.fact(start, int(done))
                yield "denominator", case.fact(start)
        elif case.opened is not None:
            for since, until in case.stays(kpi, process):
                for time, number in case.left(kpi, since, until) if kpi.quantity else [(since, None)]:
                    yield "plus", case.fact(time, number)
                    if until is not None:
                        yield "minus", case.fact(until, number)

    def taken(self, kpi: Kpi, case: Case, start: int, end: int) -> int:
        """The time from one instant to another, as the KPI counts it."""
        if kpi.calendar is None:
            return end - start
        known = self.catalogue.calendars[kpi.calendar]
        schedule = known.each.get(case.values.get(known.by or "") or "", known.usual)
        return calendar.worked(schedule, start, end)

    def measured(self, spec: MeasureSpec, kpi: Kpi) -> Iterator[Fact]:
        chosen = self.filters[spec.filter] if spec.filter else None
        for fact in self.of_events(spec, kpi) if spec.event else self.of_cases(spec):
            if chosen is not None and not chosen(fact.values):
                continue
            if spec.agg != "count" and spec.field and fact.number is None:
                continue
            yield fact

    def of_events(self, spec: MeasureSpec, kpi: Kpi) -> Iterator[Fact]:
        for event, ingest in self.primaries:
            if event.type == spec.event:
                values = {**event.data, "source": event.source}
                number = values.get(spec.field) if spec.field else None
                yield Fact(self.counts_at(event, ingest, kpi), values, number, 1, event.identity)

    def of_cases(self, spec: MeasureSpec) -> Iterator[Fact]:
        process = self.catalogue.processes[spec.process or ""]
        for name, events in self.cases_of(process):
            case = Case(process, name, events, self.now)
            if spec.step:
                if (time := case.time(spec.step)) is not None:
                    yield case.fact(time)
                continue
            due = next(each for each in process.dues if each.name == spec.due)
            yield from case.resolved(due, spec.outcome, spec.promise)


class Case:
    """One case, from all its events, as of ``now``."""

    def __init__(self, process: Process, name: str, events: Sequence[Event], now: int) -> None:
        self.process, self.now, self.events, self.name = process, now, events, name
        self.first: dict[str, Event] = {}
        for step in process.steps:
            of_step = [event for event in events if event.type == step.event]
            if of_step:
                self.first[step.name] = min(of_step, key=lambda event: (event.time, event.identity >> 33))
        self.values = {
            name: self.first[step].data.get(source)
            for name, (step, source) in process.attributes.items()
            if step in self.first
        }
        self.opened = self.time(process.opens)
        ends = {step: event.time for step, event in self.first.items() if step in process.ends}
        self.ended = min(ends.values(), default=None)
        timeless = {step.name for step in process.steps if step.timeless}
        self.unsure = bool(ends) and timeless.issuperset(ends)

    def time(self, step: str) -> int | None:
        return self.first[step].time if step in self.first else None

    def fact(self, time: int, number: int | None = None) -> Fact:
        return Fact(time, self.values, number, case=self.name)

    def due(self, due: Due, promise: str = "first") -> int | None:
        if due.renewed_by:
            return self.promised(due, promise)
        if due.step not in self.first:
            return None
        event = self.first[due.step]
        if due.within_ms is not None:
            return event.time + due.within_ms
        found = event.data.get(due.field or "")
        return None if found is None else int(found)

    def promised(self, due: Due, promise: str) -> int | None:
        """The earliest promise, or the latest that was made before it was met."""
        types = {step.event for step in self.process.steps if step.name in {due.step, *due.renewed_by}}
        told = [event for event in self.events if event.type in types and event.data.get(due.field or "")]
        told.sort(key=lambda event: (event.time, event.identity >> 33))
        met = self.time(due.until)
        current = [event for event in told if met is None or event.time <= met]
        chosen = current[-1:] if promise == "current" and current else told[:1]
        return int(chosen[0].data[due.field or ""]) if chosen else None

    def missed(self, due: Due, promise: str = "first") -> int | None:
        """When it passed unmet, if it did."""
        at, met = self.due(due, promise), self.time(due.until)
        stops = [time for time in (met, self.ended) if time is not None]
        return at if at is not None and at <= self.now and all(at < stop for stop in stops) else None

    def resolved(self, due: Due, outcome: str, promise: str) -> Iterator[Fact]:
        at, met = self.due(due, promise), self.time(due.until)
        if outcome in {"due", "kept", "missed", "unknown"}:
            passed = self.missed(due, promise) is not None
            doubtful = passed and self.unsure and met is None
            missed = passed and not doubtful
            kept = at is not None and at <= self.now and met is not None and met <= at
            holds = {"due": kept or missed, "kept": kept, "missed": missed, "unknown": doubtful}
            if at is not None and holds[outcome]:
                yield self.fact(at)
        elif (
            at is not None
            and met is not None
            and {"met": True, "on_time": met <= at, "late": met > at}[outcome]
        ):
            yield self.fact(met, met - at)

    def moved(self, quantity: str) -> Iterator[tuple[int, Any]]:
        """When how much of a quantity moved, each event once."""
        counted = self.process.quantities[quantity]
        [type_] = [step.event for step in self.process.steps if step.name == counted.step]
        for event in {event.identity: event for event in self.events}.values():
            if event.type == type_ and event.data.get(counted.field) is not None:
                yield event.time, event.data[counted.field]

    def cohort(self, kpi: Kpi, start: int | None) -> Iterator[tuple[str, Fact]]:
        """What has moved of both quantities of a conversion in time, at its start."""
        for role, name in (("numerator", kpi.quantity or ""), ("denominator", kpi.per or "")):
            for time, amount in self.moved(name):
                if amount and start is not None and time - start <= (kpi.within_ms or 0):
                    yield role, self.fact(start, amount)

    def left(self, kpi: Kpi, since: int, until: int | None) -> Iterator[tuple[int, Any]]:
        """What is left of a remainder when a stay begins, and each change of it until it ends; times the price where it
        is known. An event counts once, even where it comes again after the horizon of duplicates.
        """
        words = self.process.remainders[kpi.quantity or ""].split()
        signs = dict(zip(words[::2], [1, *(1 if word == "+" else -1 for word in words[1::2])], strict=True))
        price = self.values.get(kpi.price) if kpi.price else None
        moved = []
        events = {event.identity: event for event in self.events}.values()
        for track, (name, quantity) in enumerate(self.process.quantities.items()):
            [type_] = [step.event for step in self.process.steps if step.name == quantity.step]
            moved += [
                (event.time, event.identity >> 33, track, signs.get(name, 0) * event.data[quantity.field])
                for event in events
                if event.type == type_ and event.data.get(quantity.field) is not None
            ]
        total = Decimal(0)
        for time, _, _, change in sorted(moved):
            before, total = max(Decimal(0), total), total + change
            changed = max(Decimal(0), total) - before
            if changed and (until is None or max(time, since) < until):
                yield max(time, since), changed * (1 if price is None else price)

    def stays(self, kpi: Kpi, process: Process) -> Iterator[tuple[int, int | None]]:
        """From when until when it counts in a level."""
        since, stops = self.opened, [self.ended]
        if kpi.of == "waiting":
            names = [step.name for step in process.steps]
            since = self.time(kpi.step or "")
            stops += [self.time(name) for name in names[names.index(kpi.step or "") + 1 :]]
        elif kpi.of == "overdue":
            due = next(each for each in process.dues if each.name == kpi.due)
            since = self.missed(due, kpi.promise)
            stops += [self.time(due.until)]
        if since is not None:
            until = min((stop for stop in stops if stop is not None), default=None)
            yield since, None if until is None else max(since, until)


def is_level(kpi: Kpi) -> bool:
    return kpi.type is KpiType.LEVEL


def ripens(kpi: Kpi) -> int:
    """How long a window takes until it can be judged."""
    return (kpi.within_ms or 0) if kpi.mature else 0


def scope_of(fact: Fact, dimensions: Sequence[str]) -> Scope:
    return tuple((name, fact.values.get(name) or "") for name in dimensions)


def matches(fact: Fact, scope: Scope) -> bool:
    return all((fact.values.get(name) or "") == value for name, value in scope)


def total(facts: Sequence[Fact]) -> int:
    return sum(fact.weight for fact in facts)


def aggregate(spec: MeasureSpec, facts: Sequence[Fact]) -> float | None:  # noqa: PLR0911  # one line per aggregate
    """The plain meaning of each aggregate; None of nothing, but for counts and sums."""
    numbers = [fact.number for fact in facts]
    if spec.agg == "count":
        return float(len(facts))
    if spec.agg == "distinct":
        return float(len(set(numbers)))
    if spec.agg == "sum":
        return float(sum(numbers, Decimal(0)))
    if not numbers:
        return None
    if spec.agg == "avg":
        return float(sum(numbers, Decimal(0)) / len(numbers))
    if spec.agg == "last":
        return float(max(facts, key=lambda fact: (fact.time, fact.identity)).number)
    if spec.agg == "percentile":
        rank = max(1, math.ceil(round((spec.percentile or 50.0) / 100 * len(numbers), 9)))
        return float(sorted(numbers)[rank - 1])
    return float(min(numbers) if spec.agg == "min" else max(numbers))
