"""What could not be mapped: which keys, how often, from when to when; by every process that takes events.

Each process tells what it has missed itself; what a look-up has missed is the sum of what all have told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from services.domain.lookups import Key

MAX_KEYS = 1000
"""Keys that are told apart per look-up; what is missed beyond them is told together."""
OTHERS: Key = ("(others)",)
KEPT_MS = 30 * 86_400_000
"""What was not missed for so long is forgotten."""


class Missed(NamedTuple):
    """A key without a row; ``day`` (``2024-05-04``) where days are told apart: of rates."""

    lookup: str
    key: Key
    day: str | None = None


@dataclass(slots=True)
class Tally:
    """How often, and the event times (epoch ms) of the first and the last; ``told`` is when the last one came."""

    count: int = 0
    first: int = 2**62
    last: int = -(2**62)
    told: int = 0

    def add(self, other: Tally) -> None:
        """Both together."""
        self.count += other.count
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.told = max(self.told, other.told)


class MissLedger:
    """See ``services.intake.enrichment.Misses``; and what other processes have told."""

    def __init__(self, now: Callable[[], int], day: Callable[[str, int], str]) -> None:
        """``day``: the calendar day of an instant as a look-up sees it."""
        self._now, self._day = now, day
        self.own: dict[Missed, Tally] = {}
        self.others: dict[bytes, tuple[Missed, Tally]] = {}
        self._keys: dict[str, int] = {}
        self._changed: set[Missed] = set()

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:
        """See ``Misses``."""
        missed = Missed(lookup, key, self._day(lookup, at) if dated else None)
        tally = self.own.get(missed)
        if tally is None:
            if self._keys.get(lookup, 0) >= MAX_KEYS:
                missed = Missed(lookup, OTHERS)
            else:
                self._keys[lookup] = self._keys.get(lookup, 0) + 1
            tally = self.own.setdefault(missed, Tally())
        tally.add(Tally(1, at, at, self._now()))
        self._changed.add(missed)

    def changed(self) -> list[tuple[Missed, Tally]]:
        """What this process has missed since it was last asked."""
        found = [(missed, self.own[missed]) for missed in self._changed]
        self._changed = set()
        return found

    def again(self, missed: list[tuple[Missed, Tally]]) -> None:
        """What could not be told is still to be told."""
        self._changed |= {one for one, _ in missed}

    def total(self) -> dict[Missed, Tally]:
        """What all have missed."""
        found: dict[Missed, Tally] = {}
        for missed, tally in self._all():
            found.setdefault(missed, Tally()).add(tally)
        return found

    def _all(self) -> Iterator[tuple[Missed, Tally]]:
        yield from self.own.items()
        yield from self.others.values()
