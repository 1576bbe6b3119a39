"""The numbers of a source's events that have come, as ranges: what lies between them is missing.

Which numbers are missing depends on the numbers alone, not on their order; since when they are, on the log.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

MOST = 1_000
"""Ranges kept; beyond, the oldest gap is given up."""


class Gap(NamedTuple):
    """Numbers ``first`` to ``last`` are missing ``since`` (engine time); the event before them was of ``after``
    (event time): up to there the source is complete.
    """

    first: int
    last: int
    since: int
    after: int


class _Range(NamedTuple):
    """Numbers that came: the event of ``last`` happened at ``time``; the gap before is known ``since``."""

    first: int
    last: int
    time: int
    since: int


class Sequences:
    """Numbers of one source; at most ``most`` ranges of them."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ranges: list[_Range] = []
        self.given_up = 0

    @property
    def highest(self) -> int | None:
        """The highest number that came."""
        return self._ranges[-1].last if self._ranges else None

    def hear(self, first: int, last: int, time: int, now: int) -> None:
        """Numbers ``first`` to ``last`` came at engine time ``now``; the event of ``last`` happened at ``time``."""
        ranges = self._ranges
        low = bisect_left(ranges, first - 1, key=attrgetter("last"))
        high = bisect_right(ranges, last + 1, key=attrgetter("first"))
        # The gap before what comes after was known already; before the first range there is none.
        since = ranges[low].since if 0 < low < len(ranges) else now
        if low == high == 0 and ranges:
            ranges[0] = ranges[0]._replace(since=now)
        touched = ranges[low:high]
        if touched:
            first = min(first, touched[0].first)
            if touched[-1].last >= last:
                last, time = touched[-1].last, touched[-1].time
        ranges[low:high] = [_Range(first, last, time, since)]
        if len(ranges) > self._most:
            self.given_up += ranges[1].first - ranges[0].last - 1
            ranges[:2] = [ranges[1]._replace(first=ranges[0].first)]

    def gaps(self) -> list[Gap]:
        """What is missing between the lowest and the highest number, lowest first."""
        pairs = zip(self._ranges, self._ranges[1:], strict=False)
        return [Gap(one.last + 1, next_.first - 1, next_.since, one.time) for one, next_ in pairs]

    def state(self) -> list[Any]:
        """A copy, in JSON values."""
        return [self.given_up, [list(one) for one in self._ranges]]

    @classmethod
    def of(cls, state: Sequence[Any]) -> Sequences:
        """What ``state()`` was taken from."""
        found = cls()
        found.given_up, ranges = state
        found._ranges = [_Range(*one) for one in ranges]
        return found
