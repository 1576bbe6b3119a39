"""Windows and slots, said with dates: for zones whose clock changes by whole hours, never across midnight."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from services.domain.catalogue import Kpi, Schedule, Window

HOUR = 3_600_000
SHORT = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": HOUR}
LONG = {"1d": "day", "1w": "week", "1mo": "month"}


def period(name: str, zone: str, at: int) -> tuple[int, int]:
    """The local period that holds ``at``: [start, end)."""
    local = datetime.fromtimestamp(at // 1000, ZoneInfo(zone))
    if name == "hour":
        return short(HOUR, zone, at)
    day = datetime(local.year, local.month, local.day)  # noqa: DTZ001  # a date on the wall, the zone comes below
    if name == "day":
        first, after = day, day + timedelta(days=1)
    elif name == "week":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
    return _instant(first, zone), _instant(after, zone)


def short(length: int, zone: str, at: int) -> tuple[int, int]:
    """The slot of less than a day, cut on the local clock."""
    shift = datetime.fromtimestamp(at // 1000, ZoneInfo(zone)).utcoffset()
    assert shift is not None
    offset = int(shift.total_seconds()) * 1000
    start = (at + offset) // length * length - offset
    return start, start + length


def slot(kpi: Kpi, at: int) -> tuple[int, int]:
    """The slot of history that holds ``at``."""
    zone = kpi.window.timezone
    return period(LONG[kpi.grain], zone, at) if kpi.grain in LONG else short(SHORT[kpi.grain], zone, at)


def covers(window: Window, at: int, present: int) -> bool:
    """Whether ``at`` lies in the window when the present pane ends at ``present``."""
    if window.kind == "rolling":
        assert window.length_ms is not None
        return present - window.length_ms <= at < present
    if window.kind == "all_time":
        return at < present
    start, end = period(window.period or "day", window.timezone, present - 1)
    return start <= at < (end if window.kind == "calendar" else min(present, end))


def ripe(kpi: Kpi, at: int, now: int) -> bool:
    """Whether ``at`` lies in the latest window of a KPI of which all have had their time at ``now``."""
    until = now - (kpi.within_ms or 0)
    window, last = kpi.window, until // pane(kpi) * pane(kpi)
    if window.kind in {"calendar", "previous"}:
        start, end = period(window.period or "day", window.timezone, now)
        while end > until:
            start, end = period(window.period or "day", window.timezone, start - 1)
        return start <= at < end
    return covers(window, at, last)


def pane(kpi: Kpi) -> int:
    """How finely time is cut for a KPI; what is late depends on it."""
    step = SHORT.get(kpi.grain, HOUR)
    if kpi.window.timezone != "UTC":
        step = math.gcd(step, 900_000)
    if kpi.window.kind != "rolling":
        return step
    assert kpi.window.length_ms is not None
    step = math.gcd(step, kpi.window.length_ms)
    fitting = [
        nice
        for nice in (HOUR, 900_000, 300_000, 60_000, 15_000, 5_000, 1_000)
        if step % nice == 0 and nice * 12 <= kpi.window.length_ms
    ]
    return fitting[0] if fitting else step


def worked(schedule: Schedule, start: int, end: int) -> int:
    """Working time between two instants, day by day; negative where the second comes first."""
    if end < start:
        return -worked(schedule, end, start)
    zone = ZoneInfo(schedule.timezone)
    day = datetime.fromtimestamp(start // 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    day = day.replace(tzinfo=None) - timedelta(days=2)
    total, until = 0, 0
    while _instant(day, schedule.timezone) < end:
        if day.weekday() in schedule.days and f"{day:%Y-%m-%d}" not in schedule.closed:
            opens, closes = (timedelta(milliseconds=ms) for ms in (schedule.opens_ms, schedule.closes_ms))
            after = closes if closes > opens else closes + timedelta(days=1)
            begins, ends = (_instant(day + time, schedule.timezone) for time in (opens, after))
            total += max(0, min(ends, end) - max(begins, start, until))
            until = max(until, ends)
        day += timedelta(days=1)
    return total


def _instant(wall: datetime, zone: str) -> int:
    return round(wall.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
