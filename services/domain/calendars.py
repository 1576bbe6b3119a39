"""Local time by a calendar: which instant a time of the day is, working time between instants, shifts.

Pure: instants in epoch ms come in and go out. A time of the day that the clocks skip is read with the offset before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np

from services.domain.catalogue import Schedule
from services.domain.rows import Numbers, Places
from services.domain.windows import DAY, MINUTE, SECOND

OFF = "(none)"
"""Stands for the shift of an instant that lies in none: a scope of its own, so that it is seen."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@lru_cache(maxsize=4096)
def instant(day: date, time_ms: int, timezone: str) -> int:
    """``time_ms`` of the wall clock on ``day``; 24 h and more are the next day's."""
    day += timedelta(days=time_ms // DAY)
    wall = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)) + timedelta(
        milliseconds=time_ms % DAY
    )
    return round(wall.timestamp() * 1000)


def wall_clock(at: int, timezone: str) -> datetime:
    """What the clocks of a time zone show, to the second."""
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(ZoneInfo(timezone))


def closing(opens_ms: int, closes_ms: int) -> int:
    """When it ends, after the midnight before it begins: on the next day where it is not later."""
    return closes_ms + (DAY if closes_ms <= opens_ms else 0)


def worked(schedule: Schedule, start: Numbers, end: Numbers) -> Numbers:
    """Working time from each ``start`` to its ``end``, in ms; negative where the end comes first."""
    if not start.size:
        return start
    low, high = min(start.min(), end.min()), max(start.max(), end.max())
    hours = _hours(schedule, wall_clock(int(low), "UTC").year, wall_clock(int(high), "UTC").year)
    return _until(hours, end) - _until(hours, start)


def worked_by(schedules: Sequence[Schedule], which: Places, start: Numbers, end: Numbers) -> Numbers:
    """The same, where ``which`` says by which of ``schedules`` each is."""
    found = np.empty(start.size, np.int64)
    for number, schedule in enumerate(schedules):
        at = which == number
        found[at] = worked(schedule, start[at], end[at])
    return found


def shift_at(schedule: Schedule, at: int) -> str:
    """The shift that an instant lies in: the first whose hours the wall clock shows; ``OFF`` where there is none."""
    time = _time_of_day(at, schedule.timezone)
    for name, begins, ends in schedule.shifts:
        if begins <= time < ends if begins < ends else (time >= begins or time < ends):
            return name
    return OFF


def part_at(schedule: Schedule, part: str, at: int) -> str:
    """A part of the local time: the ``shift``, the ``weekday`` (mon, tue, …), the ``hour`` (00 to 23)."""
    if part == "shift":
        return shift_at(schedule, at)
    clock = wall_clock(at, schedule.timezone)
    return WEEKDAYS[clock.weekday()] if part == "weekday" else f"{clock.hour:02d}"


def _time_of_day(at: int, timezone: str) -> int:
    clock = wall_clock(at, timezone)
    return (clock.hour * 60 + clock.minute) * MINUTE + clock.second * SECOND + at % SECOND


_Hours = tuple[Numbers, Numbers, Numbers]
"""When working hours begin, when they end, and how much was worked before each of them."""


def _until(hours: _Hours, instants: Numbers) -> Numbers:
    """Working time up to each instant, from the first of the hours on."""
    starts, ends, before = hours
    at = np.searchsorted(starts, instants, side="right") - 1
    known = np.maximum(at, 0)
    done = before[known] + np.minimum(instants, ends[known]) - starts[known]
    found: Numbers = np.where(at < 0, 0, done)
    return found


@lru_cache(maxsize=1024)
def _hours(schedule: Schedule, first: int, last: int) -> _Hours:
    """The working hours of some calendar years, and of one before and after."""
    years = [_of_year(schedule, year) for year in range(first - 1, last + 2)]
    starts, ends = (np.concatenate([year[side] for year in years]) for side in (0, 1))
    if not starts.size:  # nobody ever works
        starts, ends = np.zeros(1, np.int64), np.zeros(1, np.int64)
    # Times that the clocks skip may be read as later than the opening that follows them.
    starts = np.maximum(starts, np.append(starts[0], np.maximum.accumulate(ends)[:-1]))
    ends = np.maximum(starts, ends)
    return starts, ends, np.concatenate([[0], np.cumsum(ends - starts)[:-1]])


@lru_cache(maxsize=4096)
def _of_year(schedule: Schedule, year: int) -> tuple[Numbers, Numbers]:
    """When the working hours of a year's local days begin and end, in order."""
    length = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    days = [date(year, 1, 1) + timedelta(days=day) for day in range(length)]
    closed = frozenset(schedule.closed)
    days = [day for day in days if day.weekday() in schedule.days and day.isoformat() not in closed]
    opens, closes = schedule.opens_ms, closing(schedule.opens_ms, schedule.closes_ms)
    starts = np.array([instant(day, opens, schedule.timezone) for day in days], np.int64)
    ends = np.array([instant(day, closes, schedule.timezone) for day in days], np.int64)
    return starts, ends
