"""What all processes of the company share: a heap of things to come, chance, ids, and a mailbox of what is sent."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Any

from services.simulation.company import HOUR, Company
from services.simulation.events import SimulatedEvent
from services.simulation.scenarios import Weather

Action = Callable[[int], None]
SKEW = 1.4
"""How much the first of several is preferred to the last."""


class World:
    """A discrete-event simulation. Deterministic: a seed and a start give the same events."""

    def __init__(self, company: Company, seed: int, start: int) -> None:
        self.company = company
        self.weather = Weather(company)
        self.now = start
        self.chance = Random(seed)  # noqa: S311  # a simulation wants repeatable, not secret
        self._seed = seed
        self._heap: list[tuple[int, int, Action]] = []
        self._out: list[tuple[int, int, SimulatedEvent]] = []
        self._tie = count()
        self._ids = count(1)

    def advance(self, until: int) -> Iterator[SimulatedEvent]:
        """Let everything happen that is due up to ``until``; what was sent by then, in order."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heapq.heappop(self._heap)
            action(self.now)
        self.now = until
        while self._out and self._out[0][0] <= until:
            yield heapq.heappop(self._out)[2]

    def at(self, when: int, action: Action) -> None:
        """Let ``action`` happen at ``when``."""
        heapq.heappush(self._heap, (when, next(self._tie), action))

    def often(self, per_hour: float, action: Action) -> None:
        """Let ``action`` happen again and again, ``per_hour`` times on the mean, as busy as the hour is."""

        def again(now: int) -> None:
            self.at(now + self._gap(now, per_hour), again)
            action(now)

        self.at(self.now + self._gap(self.now, per_hour), again)

    def chance_of(self, what: str) -> Random:
        """A chance of its own: what draws from it changes nothing else."""
        return Random(f"{self._seed}/{what}")  # noqa: S311  # as above

    def send(
        self, now: int, source: str, kind: str, subject: str, *, sent: int | None = None, **data: Any
    ) -> None:
        """Have ``source`` say that something happened at ``now``; it says so at once, or at ``sent``."""
        told = max(sent or now, self.weather.silent_until(source, now) or now)
        tie = next(self._tie)
        event = SimulatedEvent(f"{source}-{self._seed}-{tie}", source, kind, subject, now, told, data)
        heapq.heappush(self._out, (told, tie, event))

    def number(self, kind: str) -> str:
        """A new id: ``kind`` and a number."""
        return f"{kind}-{self._seed:02d}{next(self._ids):07d}"

    def likely(self, share: float) -> bool:
        """True in ``share`` of all cases."""
        return self.chance.random() < share

    def about(self, median: int, spread: float = 0.3) -> int:
        """A duration around ``median`` ms with a tail to the long side (log-normal, as real lead times are)."""
        return max(1000, int(median * math.exp(self.chance.gauss(0, spread))))

    def within(self, length: int) -> int:
        """A duration of up to ``length`` ms, each as likely."""
        return int(self.chance.random() * length)

    def one_of(self, names: Sequence[str]) -> str:
        """One of ``names``; the first is about twice as likely as the last."""
        return names[int(len(names) * self.chance.random() ** SKEW)]

    def _gap(self, now: int, per_hour: float) -> int:
        return max(1, int(self.chance.expovariate(per_hour * self.company.pace(now)) * HOUR))
