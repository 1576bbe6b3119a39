"""What must come of the events: the company's numbers, each said by hand, from lists of events, in one go.

It shares nothing with the engine, not even the catalogue: no panes, no increments, no merging, no order. Amounts are
Decimals, times epoch milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from chaos.events import FAR, MINUTE, SECOND, Event

Scope = tuple[tuple[str, str], ...]
DIMENSIONS = {
    "orders": ("site",),
    "revenue": ("site", "channel"),
    "large_orders": ("channel",),
    "mean_weight": ("site",),
    "scans": ("site",),
    "late_share": ("site",),
    "delivery_time": ("site",),
    "open_orders": ("site",),
    "overdue_orders": ("site",),
}
LEVELS = frozenset({"open_orders", "overdue_orders"})
ROLLING, ROLLING_MS, ROLLING_PANE = "scans", 3 * MINUTE, 15 * SECOND
"""The one KPI over a rolling window; how it moves is part of what it means."""


class Number(NamedTuple):
    """A value and what it is made of; None: there is none."""

    value: float | None
    samples: int


class Fact(NamedTuple):
    """Something that counts: ``n`` of it (levels: -1 takes back), ``amount`` of whatever is added up."""

    time: int
    scope: Scope
    amount: Decimal | int = 1
    n: int = 1


@dataclass(frozen=True)
class Case:
    """An order as its events tell it."""

    order: str
    placed: Event | None
    shipped: Event | None
    delivered: Event | None

    @property
    def is_open(self) -> bool:
        """It was placed and has not been delivered."""
        return self.placed is not None and self.delivered is None

    @property
    def step(self) -> str | None:
        """The furthest that it has come."""
        reached = [name for name, event in self.events() if event is not None]
        return reached[-1] if reached else None

    def events(self) -> list[tuple[str, Event | None]]:
        """Its steps."""
        return [("placed", self.placed), ("shipped", self.shipped), ("delivered", self.delivered)]

    def scope(self, *dimensions: str) -> Scope:
        """Its part of the business."""
        return _scope(self.placed, dimensions)

    def overdue(self) -> tuple[int, int | None] | None:
        """From when until when (None: still) it was overdue; whatever was not promised for a far day has passed."""
        if self.placed is None or self.placed.data["promised_at"] >= self.placed.time + FAR:
            return None
        promised = self.placed.data["promised_at"]
        if self.delivered is None:
            return promised, None
        return (promised, self.delivered.time) if promised < self.delivered.time else None


class Oracle:
    """Of ``events``, each of which counts once, in whatever order they are given."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self.cases = _cases(self.events)
        self._facts: dict[str, list[Fact]] = defaultdict(list)
        self._courses: dict[tuple[str, Scope], tuple[list[int], list[int]]] = {}
        for event in self.events:
            self._count(event)
        for case in self.cases.values():
            self._follow(case)

    def current(self, time: int) -> dict[tuple[str, Scope], Number]:
        """What is so at engine time ``time``: (KPI, scope) → number."""
        found = {}
        for kpi in DIMENSIONS:
            pane = ROLLING_PANE if kpi == ROLLING else MINUTE
            end = time // pane * pane + pane
            start = end - ROLLING_MS if kpi == ROLLING else 0
            for scope, facts in self._by_scope(kpi).items():
                counted = [fact for fact in facts if start <= fact.time < end]
                found[kpi, scope] = self._number(kpi, counted)
        return found

    def history(self) -> dict[tuple[str, Scope, int], Number]:
        """The minutes in which something happened: (KPI, full scope, start) → number."""
        found = {}
        for kpi in DIMENSIONS:
            slots: dict[tuple[Scope, int], list[Fact]] = defaultdict(list)
            for fact in self._facts[kpi]:
                slots[fact.scope, fact.time // MINUTE * MINUTE].append(fact)
            for (scope, start), facts in slots.items():
                told = self.level(kpi, scope, start) if kpi in LEVELS else self._number(kpi, facts)
                found[kpi, scope, start] = told
        return found

    def level(self, kpi: str, scope: Scope, start: int) -> Number:
        """What a level was at the end of the minute that begins at ``start``."""
        times, sums = self._course(kpi, scope)
        n = sums[bisect_left(times, start + MINUTE)]
        return Number(float(n), max(0, n))

    def _course(self, kpi: str, scope: Scope) -> tuple[list[int], list[int]]:
        """When a level changed, and what it was before each change and after the last."""
        if (kpi, scope) not in self._courses:
            facts = sorted(fact for fact in self._facts[kpi] if fact.scope == scope)
            sums = [0, *accumulate(fact.n for fact in facts)]
            self._courses[kpi, scope] = [fact.time for fact in facts], sums
        return self._courses[kpi, scope]

    def _by_scope(self, kpi: str) -> dict[Scope, list[Fact]]:
        """The facts of the total, of each dimension alone and of all of them together."""
        names = DIMENSIONS[kpi]
        found: dict[Scope, list[Fact]] = defaultdict(list)
        found[()] = []
        for fact in self._facts[kpi]:
            for chosen in {(), *((name,) for name in names), names}:
                found[tuple(one for one in fact.scope if one[0] in chosen)].append(fact)
        return found

    def _number(self, kpi: str, facts: Sequence[Fact]) -> Number:
        n = sum(fact.n for fact in facts)
        amount = sum((Decimal(fact.amount) for fact in facts), Decimal(0))
        if kpi in LEVELS:
            return Number(float(n), max(0, n))
        if kpi in {"mean_weight", "delivery_time"}:
            return Number(float(amount / n) if n else None, n)
        if kpi == "late_share":
            return Number(float(100 * amount / n) if n else None, n)
        return Number(float(amount), n)

    def _count(self, event: Event) -> None:
        if event.type == "order.placed":
            amount = event.data["amount"]
            self._add("orders", event.time, _scope(event, ("site",)))
            self._add("revenue", event.time, _scope(event, ("site", "channel")), amount)
            if amount >= 100:
                self._add("large_orders", event.time, _scope(event, ("channel",)))
        elif event.type == "parcel.scanned":
            self._add("scans", event.time, _scope(event, ("site",)))
            self._add("mean_weight", event.time, _scope(event, ("site",)), event.data["weight"])

    def _follow(self, case: Case) -> None:
        if case.placed is None:
            return
        scope, placed, done = case.scope("site"), case.placed.time, case.delivered
        self._add("open_orders", placed, scope)
        if done is not None:
            late = done.time > case.placed.data["promised_at"]
            self._add("late_share", done.time, scope, int(late))
            minutes = Decimal(done.time - placed) / MINUTE
            self._add("delivery_time", max(placed, done.time), scope, minutes)
            self._add("open_orders", max(placed, done.time), scope, n=-1)
        if (overdue := case.overdue()) is not None:
            since, until = overdue
            self._add("overdue_orders", since, scope)
            if until is not None:
                self._add("overdue_orders", until, scope, n=-1)

    def _add(self, kpi: str, time: int, scope: Scope, amount: Decimal | int = 1, n: int = 1) -> None:
        self._facts[kpi].append(Fact(time, scope, amount, n))


def _cases(events: Iterable[Event]) -> dict[str, Case]:
    steps: dict[str, dict[str, Event]] = defaultdict(dict)
    for event in events:
        if "order_id" in event.data:
            steps[event.data["order_id"]][event.type.removeprefix("order.")] = event
    return {
        order: Case(order, found.get("placed"), found.get("shipped"), found.get("delivered"))
        for order, found in steps.items()
    }


def _scope(event: Event | None, dimensions: Iterable[str]) -> Scope:
    return tuple(_named(event, dimensions))


def _named(event: Event | None, dimensions: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in dimensions:
        yield name, (event.data.get(name) if event is not None else None) or ""
