"""What a case table must say, as plainly as it can be said: dicts, loops, one case at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.domain.catalogue import Due, Process
from services.domain.program import (
    ConversionFeed,
    DueFeed,
    DurationFeed,
    Feed,
    OpenFeed,
    OverdueFeed,
    StepFeed,
    WaitingFeed,
)

Fact = tuple[Any, ...]
"""(feed, case, time, number, attributes)."""


@dataclass(frozen=True)
class NaiveEvent:
    """``values``: field → str, int, bool or None."""

    type: str
    case: str
    time: int
    identity: int
    values: Mapping[str, Any]


@dataclass
class NaiveCase:
    steps: dict[str, NaiveEvent] = field(default_factory=dict)
    items: dict[str, dict[Any, NaiveEvent]] = field(default_factory=dict)
    last: int = -(2**62)

    def time(self, step: str) -> int | None:
        return self.steps[step].time if step in self.steps else None


class NaiveTable:
    """``predicates``: step → which events count; a step without one takes all of its type."""

    def __init__(
        self, process: Process, feeds: Sequence[Feed], predicates: Mapping[str, Callable[[NaiveEvent], bool]]
    ) -> None:
        self.process, self.feeds, self.predicates = process, feeds, predicates
        self.cases: dict[str, NaiveCase] = {}
        self.gone: Counter[Fact] = Counter()
        self.now = -(2**62)

    def update(self, event: NaiveEvent) -> None:
        for step in self.process.steps:
            counts = self.predicates.get(step.name)
            if step.event != event.type or (counts is not None and not counts(event)):
                continue
            case = self.cases.setdefault(event.case, NaiveCase())
            case.last = max(case.last, event.time)
            case.steps[step.name] = _first(case.steps.get(step.name), event)
            for due in self.process.dues:
                if due.item is not None and due.step == step.name and event.values.get(due.item) is not None:
                    items = case.items.setdefault(due.name, {})
                    item = event.values[due.item]
                    items[item] = _first(items.get(item), event)

    def advance(self, now: int) -> None:
        if now <= self.now:
            return
        self.now = now
        for name, case in list(self.cases.items()):
            done = self.ended(case) is not None or case.time(self.process.opens) is None
            if done and case.last + self.process.grace_ms <= self.now:
                self.gone.update(self.facts_of(name, case))  # adds; += would drop what is negative
                del self.cases[name]

    def facts(self) -> Counter[Fact]:
        total = Counter(self.gone)
        for name, case in self.cases.items():
            for fact, weight in self.facts_of(name, case).items():
                total[fact] += weight
        return Counter({fact: weight for fact, weight in total.items() if weight})

    def ended(self, case: NaiveCase) -> int | None:
        return min((case.steps[end].time for end in self.process.ends if end in case.steps), default=None)

    def attributes(self, case: NaiveCase) -> tuple[tuple[str, Any], ...]:
        return tuple(
            (name, case.steps[step].values.get(field_))
            for name, (step, field_) in sorted(self.process.attributes.items())
            if step in case.steps and case.steps[step].values.get(field_) is not None
        )

    def facts_of(self, name: str, case: NaiveCase) -> Counter[Fact]:
        facts: Counter[Fact] = Counter()
        attributes = self.attributes(case)
        for feed in self.feeds:
            for time, weight, number in self.lines(feed, case):
                facts[feed, name, time, number, attributes] += weight
        return facts

    def lines(  # noqa: C901  # one case per feed
        self, feed: Feed, case: NaiveCase
    ) -> Iterator[tuple[int, int, int | None]]:
        opened, ended = case.time(self.process.opens), self.ended(case)
        match feed:
            case StepFeed(_, step):
                if (time := case.time(step)) is not None:
                    yield time, 1, None
            case DurationFeed(_, start, end):
                a, b = case.time(start), case.time(end)
                if a is not None and b is not None:
                    yield max(a, b), 1, b - a
            case ConversionFeed(_, start, end, within):
                a, b = case.time(start), case.time(end)
                if a is not None:
                    yield a, 1, int(b is not None and 0 <= b - a <= within)
            case OpenFeed():
                if opened is not None:
                    yield opened, 1, None
                    if ended is not None:
                        yield max(opened, ended), -1, None
            case WaitingFeed(_, step):
                yield from self.waiting(step, case, opened, ended)
            case DueFeed() | OverdueFeed():
                due = next(due for due in self.process.dues if due.name == feed.due)
                for time in self.due_times(due, case):
                    yield from self.promise(feed, time, case.time(due.until), opened, ended)

    def waiting(
        self, step: str, case: NaiveCase, opened: int | None, ended: int | None
    ) -> Iterator[tuple[int, int, None]]:
        since = case.time(step)
        if since is None or opened is None:
            return
        names = [each.name for each in self.process.steps]
        later = [case.steps[name].time for name in names[names.index(step) + 1 :] if name in case.steps]
        if ended is not None:
            later.append(ended)
        yield since, 1, None
        if later:
            yield max(since, min(later)), -1, None

    def due_times(self, due: Due, case: NaiveCase) -> Iterator[int]:
        if due.item is not None:
            events = list(case.items.get(due.name, {}).values())
        else:
            events = [case.steps[due.step]] if due.step in case.steps else []
        for event in events:
            if due.within_ms is not None:
                yield event.time + due.within_ms
            elif due.field is not None and event.values.get(due.field) is not None:
                yield event.values[due.field]

    def promise(
        self, feed: DueFeed | OverdueFeed, due: int, until: int | None, opened: int | None, ended: int | None
    ) -> Iterator[tuple[int, int, int | None]]:
        stops = [time for time in (until, ended) if time is not None]
        missed = due <= self.now and not any(stop <= due for stop in stops)
        if isinstance(feed, OverdueFeed):
            if missed and opened is not None:
                yield due, 1, None
                if stops:
                    yield min(stops), -1, None
        elif feed.outcome == "missed":
            if missed:
                yield due, 1, None
        elif until is not None:
            wanted = {"met": True, "on_time": until <= due, "late": until > due}[feed.outcome]
            if wanted:
                yield until, 1, until - due


def _first(one: NaiveEvent | None, other: NaiveEvent) -> NaiveEvent:
    if one is None:
        return other
    return min(one, other, key=lambda event: (event.time, event.identity >> 33))
