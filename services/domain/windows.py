"""Spans of event time: the windows of KPIs, the slots of history, the panes that both are cut from.

Pure arithmetic on epoch milliseconds; spans are half open, [start, end). Calendar periods follow the local calendar
of a time zone, so days last 23, 24 or 25 hours (or stranger: a zone may skip a date). Slots shorter than a day are
counted from the start of the local day; the last one of a day is cut where the day ends.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from services.domain.catalogue import Kpi, Window, WindowKind
from services.domain.rows import Numbers

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

# Every time zone in use is a multiple of this away from UTC.
QUARTER_HOUR = 15 * MINUTE

SHORT_GRAINS = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": QUARTER_HOUR, "1h": HOUR}
LONG_GRAINS = {"1d": "day", "1w": "week", "1mo": "month"}
GRAINS = (*SHORT_GRAINS, *LONG_GRAINS)

# The longest that each period can last, a change of the clock included.
PERIODS = {
    "hour": HOUR,
    "day": DAY + HOUR,
    "week": WEEK + HOUR,
    "month": 31 * DAY + HOUR,
    "quarter": 92 * DAY + HOUR,
    "year": 366 * DAY + HOUR,
}

_PANES = (HOUR, QUARTER_HOUR, 5 * MINUTE, MINUTE, 15 * SECOND, 5 * SECOND, SECOND)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


class Span(NamedTuple):
    """[start, end) in epoch ms."""

    start: int
    end: int


def window_span(window: Window, now: int, pane_ms: int) -> Span:
    """What ``window`` covers at ``now``. Where it ends with the present, it ends with the pane that holds it.

    All time starts at the epoch by convention; what came before belongs to it as well.
    """
    present = now - now % pane_ms + pane_ms
    if window.kind is WindowKind.ROLLING:
        return Span(present - (window.length_ms or 0), present)
    if window.kind is WindowKind.ALL_TIME:
        return Span(0, present)
    whole = period_span(window.period or "day", window.timezone, now)
    if window.kind is WindowKind.PREVIOUS:
        return period_span(window.period or "day", window.timezone, whole.start - 1)
    return whole if window.kind is WindowKind.CALENDAR else Span(whole.start, min(present, whole.end))


def current_span(kpi: Kpi, now: int, pane_ms: int) -> Span:
    """The window of a KPI's current value at ``now``. Where it is to be mature it is the latest that is: a whole
    period, or what ends with the last pane of which all have had their time.
    """
    window, ripe = _ripe_window(kpi), now - kpi.ripens_ms
    if kpi.ripens_ms and window.kind is not WindowKind.PREVIOUS:
        ripe -= pane_ms
    return window_span(window, ripe, pane_ms)


def current_reach(kpi: Kpi) -> int:
    """How far back from the present that window can start."""
    return reach(_ripe_window(kpi)) + kpi.ripens_ms


def _ripe_window(kpi: Kpi) -> Window:
    """The period that now is in is never mature: the one before is meant."""
    if kpi.ripens_ms and kpi.window.kind is WindowKind.CALENDAR:
        return replace(kpi.window, kind=WindowKind.PREVIOUS)
    return kpi.window


def reach(window: Window) -> int:
    """How far back from the present a window can start, in ms; 0 for all time, whose past is carried."""
    if window.kind is WindowKind.ROLLING:
        return window.length_ms or 0
    if window.kind is WindowKind.ALL_TIME:
        return 0
    return PERIODS[window.period or "day"] * (2 if window.kind is WindowKind.PREVIOUS else 1)


def pane_length(window: Window, grain: str) -> int:
    """The longest pane that divides the window, the slots of ``grain`` and, where one matters, the zone's offset.

    A rolling window has at least twelve panes, for it moves by one at a time.
    """
    step = SHORT_GRAINS.get(grain, HOUR)
    if window.timezone != "UTC":
        step = math.gcd(step, QUARTER_HOUR)
    if window.kind is not WindowKind.ROLLING:
        return step
    length = window.length_ms or HOUR
    step = math.gcd(step, length)
    return next((pane for pane in _PANES if step % pane == 0 and pane * 12 <= length), step)


def slot(grain: str, timezone: str, at: int) -> Span:
    """The slot of ``grain`` that holds ``at``."""
    period = LONG_GRAINS.get(grain)
    return period_span(period, timezone, at) if period else _cut(SHORT_GRAINS[grain], timezone, at)


def slots(grain: str, timezone: str, instants: Numbers) -> tuple[Numbers, Numbers]:
    """Starts and ends of the slots that hold ``instants``: ``slot`` for many."""
    if instants.size == 0:
        return instants, instants
    if instants[0] == instants[-1] and (instants == instants[0]).all():  # as live events mostly are
        start, end = slot(grain, timezone, int(instants[0]))
        return np.full(instants.size, start), np.full(instants.size, end)
    edges = _edges(LONG_GRAINS.get(grain, "day"), timezone, int(instants.min()), int(instants.max()))
    index = np.searchsorted(edges, instants, side="right")
    starts, ends = edges[index - 1], edges[index]
    length = SHORT_GRAINS.get(grain)
    if length is None:
        return starts, ends
    starts = instants - (instants - starts) % length
    return starts, np.minimum(starts + length, ends)


def period_span(period: str, timezone: str, at: int) -> Span:
    """The period (hour, day, week, month, quarter, year) of ``timezone`` that holds ``at``."""
    if period == "hour":
        return _cut(HOUR, timezone, at)
    first = _first(period, _local_date(timezone, at))
    start, after = midnight(first, timezone), _next(period, first)
    # Where the clock goes back across midnight, a date comes twice: it starts once, the first time.
    while (end := midnight(after, timezone)) <= at:
        start, after = end, _next(period, after)
    return Span(start, end)


def _cut(length: int, timezone: str, at: int) -> Span:
    day = period_span("day", timezone, at)
    start = at - (at - day.start) % length
    return Span(start, min(start + length, day.end))


def _local_date(timezone: str, at: int) -> date:
    return (datetime.fromtimestamp(at // SECOND, UTC)).astimezone(ZoneInfo(timezone)).date()


@lru_cache(maxsize=4096)
def midnight(day: date, timezone: str) -> int:
    """When ``day`` starts; where the clock skips its midnight, the moment of the skip."""
    moment = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    return int(moment.timestamp()) * SECOND


def _first(period: str, day: date) -> date:
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[period]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _next(period: str, first: date) -> date:
    if period in _MONTHS:
        month = first.month - 1 + _MONTHS[period]
        return date(first.year + month // 12, month % 12 + 1, 1)
    return first + timedelta(days=7 if period == "week" else 1)


def _edges(period: str, timezone: str, low: int, high: int) -> Numbers:
    """The starts of all periods from the one that holds ``low`` to the one after that of ``high``."""
    first, last = (_local_date(timezone, at).year for at in (low, high))
    return _edges_of_years(period, timezone, first - 1, last + 1)


@lru_cache(maxsize=512)
def _edges_of_years(period: str, timezone: str, first: int, last: int) -> Numbers:
    years = range(first, last + 1)
    return np.unique(np.concatenate([_edges_of_year(period, timezone, year) for year in years]))


@lru_cache(maxsize=512)
def _edges_of_year(period: str, timezone: str, year: int) -> Numbers:
    """The starts of the periods that begin in a year (ISO weeks: whose Monday falls in it)."""
    day = _first(period, date(year, 1, 1))
    starts = []
    while day.year <= year:
        if day.year == year:
            starts.append(midnight(day, timezone))
        day = _next(period, day)
    return np.array(starts, np.int64)
