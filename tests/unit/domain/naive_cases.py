"""What a case table must say, as plainly as it can be said: dicts, loops, one case at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from services.domain.catalogue import Due, Process
from services.domain.program import (
    CohortFeed,
    ConversionFeed,
    DueFeed,
    DurationFeed,
    Feed,
    OpenFeed,
    OverdueFeed,
    QuantityFeed,
    StepFeed,
    WaitingFeed,
    WorkedFeed,
)
from tests.naive.calendar import worked

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
    told: list[tuple[str, NaiveEvent]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    last: int = -(2**62)

    def time(self, step: str) -> int | None:
        return self.steps[step].time if step in self.steps else self.done.get(step)

    def of(self, steps: Collection[str]) -> list[NaiveEvent]:
        """All events of some steps, each once, in order."""
        events = {event.identity: event for step, event in self.told if step in steps}
        return sorted(events.values(), key=lambda event: (event.time, event.identity >> 33))


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
            case.told.append((step.name, event))
            self.finish(case)
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
            awaited = [time for feed in self.feeds for time in self.awaited(feed, case)]
            if done and max(case.last + self.process.grace_ms, *awaited, -(2**62)) <= self.now:
                self.gone.update(self.facts_of(name, case))  # adds; += would drop what is negative
                del self.cases[name]

    def facts(self) -> Counter[Fact]:
        total = Counter(self.gone)
        for name, case in self.cases.items():
            for fact, weight in self.facts_of(name, case).items():
                total[fact] += weight
        return Counter({fact: weight for fact, weight in total.items() if weight})

    def awaited(self, feed: Feed, case: NaiveCase) -> Iterator[int]:
        """Times that must have passed before a case leaves."""
        if isinstance(feed, ConversionFeed | CohortFeed) and (since := case.time(feed.start)) is not None:
            yield since + feed.within_ms
        if isinstance(feed, DueFeed) and feed.outcome in {"due", "kept"}:
            yield from self.due_times(self.due(feed), case, feed.promise)

    def ended(self, case: NaiveCase) -> int | None:
        return min((time for end in self.process.ends if (time := case.time(end)) is not None), default=None)

    def unsure(self, case: NaiveCase) -> bool:
        """It has ended, and none of its ends has a moment."""
        timeless = {step.name for step in self.process.steps if step.timeless}
        known = [end for end in self.process.ends if case.time(end) is not None]
        return bool(known) and timeless.issuperset(known)

    def movements(self, case: NaiveCase, remainder: str) -> list[tuple[int, int, bool]]:
        """(time, change, whether it is asked for) of all that moves a remainder, in order."""
        words = self.process.remainders[remainder].split()
        signs = dict(zip(words[::2], [1, *(1 if word == "+" else -1 for word in words[1::2])], strict=True))
        found = [
            (
                event.time,
                event.identity >> 33,
                number,
                signs[name] * event.values[quantity.field],
                signs[name] > 0,
            )
            for number, (name, quantity) in enumerate(self.process.quantities.items())
            if name in signs
            for event in case.of({quantity.step})
            if event.values.get(quantity.field) is not None
        ]
        return [(time, change, asked) for time, _, _, change, asked in sorted(found)]

    def finish(self, case: NaiveCase) -> None:
        """Steps that are reached when nothing is left."""
        case.done = {}
        opened = case.time(self.process.opens)
        for step in self.process.steps:
            if step.done is None or opened is None:
                continue
            moved = self.movements(case, step.done)
            asked = [time for time, _, wanted in moved if wanted]
            total, since = 0, None
            for time, same in groupby(moved, key=lambda one: one[0]):
                total += sum(change for _, change, _ in same)
                since = None if total > 0 else time if since is None else since
            if asked and since is not None:
                case.done[step.name] = max(since, opened, asked[0])

    def due(self, feed: DueFeed | OverdueFeed) -> Due:
        return next(due for due in self.process.dues if due.name == feed.due)

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

    def lines(  # noqa: C901, PLR0912  # one case per feed
        self, feed: Feed, case: NaiveCase
    ) -> Iterator[tuple[int, int, int | None]]:
        opened, ended = case.time(self.process.opens), self.ended(case)
        match feed:
            case StepFeed(_, step):
                if (time := case.time(step)) is not None:
                    yield time, 1, None
            case DurationFeed():
                a, b = case.time(feed.start), case.time(feed.end)
                if a is not None and b is not None:
                    yield max(a, b), 1, self.taken(feed, case, a, b)
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
            case QuantityFeed():
                yield from self.quantity(feed, case)
            case CohortFeed(_, start, name, within):
                quantity, since = self.process.quantities[name], case.time(start)
                for event in case.of({quantity.step}) if since is not None else ():
                    amount = event.values.get(quantity.field)
                    if since is not None and amount and event.time - since <= within:
                        yield since, 1, amount
            case DueFeed() | OverdueFeed():
                due = self.due(feed)
                for time in self.due_times(due, case, feed.promise):
                    unsure = self.unsure(case)
                    yield from self.promise(feed, time, case.time(due.until), opened, ended, unsure=unsure)

    def taken(self, feed: DurationFeed, case: NaiveCase, start: int, end: int) -> int:
        if not isinstance(feed, WorkedFeed):
            return end - start
        value = str(dict(self.attributes(case)).get(feed.by or "", ""))
        return worked(dict(feed.each).get(value, feed.usual), start, end)

    def waiting(
        self, step: str, case: NaiveCase, opened: int | None, ended: int | None
    ) -> Iterator[tuple[int, int, None]]:
        since = case.time(step)
        if since is None or opened is None:
            return
        names = [each.name for each in self.process.steps]
        after = [case.time(name) for name in names[names.index(step) + 1 :]]
        later = [time for time in after if time is not None]
        if ended is not None:
            later.append(ended)
        yield since, 1, None
        if later:
            yield max(since, min(later)), -1, None

    def quantity(self, feed: QuantityFeed, case: NaiveCase) -> Iterator[tuple[int, int, int]]:
        """Between the start and the end of the level: the case counts, with what is left, as long as something is."""
        level = [(time, sign) for time, sign, _ in self.lines(feed.level, case)]
        since = next((time for time, sign in level if sign > 0), None)
        until = next((time for time, sign in level if sign < 0), 2**62)
        price = dict(self.attributes(case)).get(feed.price) if feed.price else 1
        if since is None or since >= until or price is None:
            return
        total = stands = 0
        for time, change, _ in self.movements(case, feed.remainder):
            if max(time, since) >= until:
                break
            total += change
            before, stands = stands, max(0, total) * price
            if before:
                yield max(time, since), -1, before
            if stands:
                yield max(time, since), 1, stands
        if stands and until < 2**62:
            yield until, -1, stands

    def due_times(self, due: Due, case: NaiveCase, promise: str = "first") -> Iterator[int]:
        if due.renewed_by:
            yield from self.promised(due, case, promise)
            return
        if due.item is not None:
            events = list(case.items.get(due.name, {}).values())
        else:
            events = [case.steps[due.step]] if due.step in case.steps else []
        for event in events:
            if due.within_ms is not None:
                yield event.time + due.within_ms
            elif due.field is not None and event.values.get(due.field) is not None:
                yield event.values[due.field]

    def promised(self, due: Due, case: NaiveCase, promise: str) -> Iterator[int]:
        told = case.of({due.step, *due.renewed_by})
        events = [event for event in told if event.values.get(due.field or "") is not None]
        until = case.time(due.until)
        current = [event for event in events if until is None or event.time <= until]
        if promise == "current" and current:
            yield current[-1].values[due.field or ""]
        elif events:
            yield events[0].values[due.field or ""]

    def promise(
        self,
        feed: DueFeed | OverdueFeed,
        due: int,
        until: int | None,
        opened: int | None,
        ended: int | None,
        *,
        unsure: bool,
    ) -> Iterator[tuple[int, int, int | None]]:
        stops = [time for time in (until, ended) if time is not None]
        missed = due <= self.now and not any(stop <= due for stop in stops)
        doubtful = missed and unsure and until is None
        kept = due <= self.now and until is not None and until <= due
        if isinstance(feed, OverdueFeed):
            if missed and opened is not None:
                yield due, 1, None
                if stops:
                    yield min(stops), -1, None
        elif feed.outcome in {"due", "kept", "missed", "unknown"}:
            clear = missed and not doubtful
            holds = {"due": kept or clear, "kept": kept, "missed": clear, "unknown": doubtful}
            if holds[feed.outcome]:
                yield due, 1, None
        elif until is not None:
            wanted = {"met": True, "on_time": until <= due, "late": until > due}[feed.outcome]
            if wanted:
                yield until, 1, until - due


def _first(one: NaiveEvent | None, other: NaiveEvent) -> NaiveEvent:
    if one is None:
        return other
    return min(one, other, key=lambda event: (event.time, event.identity >> 33))
