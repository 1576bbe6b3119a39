"""Which events are late, and which too late, as the log orders them.

An event is late where a pane that it belongs to was closed before its frame came: the pane's end and the allowed
lateness lie at or before the watermark. It is too late where history could no longer be amended for that pane, in a
cube that does not carry. What a cube depends on follows from the program: events that it measures, by the time that it
counts them by, and those that are steps of its process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.domain.cells import counts_late, oldest_behind
from services.domain.program import Cube, EventFeed, Feed, Program
from services.domain.rows import Mask, Numbers


class Dependent(NamedTuple):
    """A cube that depends on events; ``counts``: those that are too late count in it when they come."""

    cube: Cube
    counts: bool


class Late(NamedTuple):
    """Per event: whether it is late; whether it was too late for some cube, and is ``counted`` or ``dropped`` there."""

    late: Mask
    counted: Mask
    dropped: Mask

    def joined(self, other: Late) -> Late:
        """What is so by either."""
        return Late(*(mine | theirs for mine, theirs in zip(self, other, strict=True)))

    def without(self, other: Late) -> Late:
        """What is not so by ``other`` already."""
        return Late(*(mine & ~theirs for mine, theirs in zip(self, other, strict=True)))


def dependents(program: Program) -> Mapping[EventFeed, Sequence[Dependent]]:
    """Events by a time → cubes whose panes they belong to, one for each different way of closing and leaving."""
    steps = {name: process.told_by for name, process in program.catalogue.processes.items()}
    found: dict[EventFeed, dict[tuple[int, int, int, bool, bool], Dependent]] = {}
    for cube in program.cubes:
        for measure in cube.measures:
            one = Dependent(cube, counts_late(measure))
            for event in _events(measure.feed, steps):
                way = (cube.pane_ms, cube.reach_ms, cube.lateness_ms, cube.carry, one.counts)
                found.setdefault(event, {})[way] = one
    return {event: tuple(ways.values()) for event, ways in found.items()}


def may_be_late(dependent: Sequence[Dependent], earliest: int, watermark: int) -> bool:
    """Whether any event, the ``earliest`` first, can be late where ``watermark`` is the highest before their frames."""
    return any(earliest + each.cube.lateness_ms < watermark for each in dependent)


def lateness(dependent: Sequence[Dependent], time: Numbers, watermark: Numbers, expected: Numbers) -> Late:
    """Which events at ``time`` are late, with the ``watermark`` before their frames, where they were ``expected``
    (a watermark too) at the latest.
    """
    found = Late(*(np.zeros(time.size, np.bool_) for _ in Late._fields))
    for cube, counts in dependent:
        pane = time - time % cube.pane_ms
        found.late[:] |= pane + cube.pane_ms + cube.lateness_ms <= expected
        if not cube.carry:
            too_late = pane < oldest_behind(cube, watermark)
            (found.counted if counts else found.dropped)[:] |= too_late
    found.late[:] |= found.counted | found.dropped
    return found


def _events(feed: Feed, steps: Mapping[str, Iterable[str]]) -> Iterable[EventFeed]:
    return (feed,) if isinstance(feed, EventFeed) else map(EventFeed, steps.get(feed.process, ()))
