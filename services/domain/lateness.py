"""Which events are late, and which too late, as the log orders them.

An event is late where a pane that it belongs to was closed before its frame came: the pane's end and the allowed
lateness lie at or before the watermark. It is too late where that pane had already left a cube that does not carry.
What a cube depends on follows from the program: events that it measures, by the time that it counts them by, and those
that are steps of its process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.domain.cells import floor_behind
from services.domain.program import Cube, EventFeed, Feed, Program
from services.domain.rows import Mask, Numbers


class Late(NamedTuple):
    """Which rows are late, and which of these too late."""

    late: Mask
    too_late: Mask

    def joined(self, other: Late) -> Late:
        """What is so by either."""
        return Late(self.late | other.late, self.too_late | other.too_late)

    def without(self, other: Late) -> Late:
        """What is not so by ``other`` already."""
        return Late(self.late & ~other.late, self.too_late & ~other.too_late)


def dependents(program: Program) -> Mapping[EventFeed, Sequence[Cube]]:
    """Events by a time → cubes whose panes they belong to, one for each different way of closing and leaving."""
    steps = {name: process.told_by for name, process in program.catalogue.processes.items()}
    found: dict[EventFeed, dict[tuple[int, int, int, bool], Cube]] = {}
    for cube in program.cubes:
        for event in {event for measure in cube.measures for event in _events(measure.feed, steps)}:
            ways = found.setdefault(event, {})
            ways[cube.pane_ms, cube.horizon_ms, cube.lateness_ms, cube.carry] = cube
    return {event: tuple(ways.values()) for event, ways in found.items()}


def may_be_late(cubes: Sequence[Cube], earliest: int, watermark: int) -> bool:
    """Whether any event, the ``earliest`` first, can be late where ``watermark`` is the highest before their frames."""
    return any(earliest + cube.lateness_ms < watermark for cube in cubes)


def lateness(cubes: Sequence[Cube], time: Numbers, watermark: Numbers) -> Late:
    """Per event at ``time``, with the ``watermark`` before its frame."""
    is_late = np.zeros(time.size, np.bool_)
    too_late = np.zeros(time.size, np.bool_)
    for cube in cubes:
        pane = time - time % cube.pane_ms
        is_late |= pane + cube.pane_ms + cube.lateness_ms <= watermark
        if not cube.carry:
            too_late |= pane < floor_behind(cube, watermark)
    return Late(is_late | too_late, too_late)


def _events(feed: Feed, steps: Mapping[str, Iterable[str]]) -> Iterable[EventFeed]:
    return (feed,) if isinstance(feed, EventFeed) else map(EventFeed, steps.get(feed.process, ()))
