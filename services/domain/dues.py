"""When something is due, where that takes a calendar: the end of a day, or the next cut-off of a carrier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.domain.calendars import instant, wall_clock
from services.domain.case_columns import NEVER
from services.domain.catalogue import CutOffs, Due, FieldType
from services.domain.rows import NULL, Numbers
from services.domain.windows import DAY, MINUTE, SECOND, slots

_AHEAD = 1
"""Calendar years after an instant in which its cut-off is looked for."""

_Rule = tuple[tuple[int, ...], tuple[int, ...], str, tuple[str, ...]]
"""Times of the day, weekdays, time zone, closed dates."""


def due_times(
    due: Due, type_: FieldType, values: Numbers, time: Numbers, by: Sequence[str | None]
) -> Numbers:
    """When ``due`` is due by events at ``time`` that carry ``values`` of its field (of ``type_``; ``NULL``: none) and
    ``by`` of its cut-offs' field (empty where they have none); ``NEVER`` where that is not known.
    """
    if due.cut_offs is not None:
        return next_cut_offs(due.cut_offs, time, by)
    found = time + due.within_ms if due.within_ms is not None else values
    known = found != NULL
    if due.timezone is not None:
        ends = np.full(found.size, NEVER)
        ends[known] = end_of_day(found[known], due.timezone, dates=type_ is FieldType.DATE)
        return ends
    return np.where(known, found, NEVER)


def end_of_day(instants: Numbers, timezone: str, *, dates: bool) -> Numbers:
    """The last millisecond of the local day that each instant (or, ``dates``: 00:00 UTC of a date) falls on."""
    if not dates:
        return slots("1d", timezone, instants)[1] - 1
    days, which = np.unique(instants // DAY, return_inverse=True)
    ends = [instant(date(1970, 1, 1) + timedelta(days=day + 1), 0, timezone) - 1 for day in days.tolist()]
    return np.array(ends, np.int64)[which]


def next_cut_offs(cut_offs: CutOffs, instants: Numbers, by: Sequence[str | None]) -> Numbers:
    """The first cut-off at or after each instant; ``NEVER`` where none comes until the end of the next year."""
    if not by:
        return _next(cut_offs, cut_offs.times, instants)
    found = np.full(instants.size, NEVER)
    times = [cut_offs.each.get(value or "", cut_offs.times) for value in by]
    for own in dict.fromkeys(times):
        at = np.array([one == own for one in times], np.bool_)
        found[at] = _next(cut_offs, own, instants[at])
    return found


def cut_off_clock(cut_offs: CutOffs, at: int, by: str | None) -> str | None:
    """What the clock shows at the first cut-off at or after an instant, ``16:30``; None where none comes."""
    edges = _edges(cut_offs, cut_offs.each.get(by or "", cut_offs.times), at, at)
    found = int(edges[edges.searchsorted(at)])
    return None if found == NEVER else _shown(found, cut_offs.timezone)


@lru_cache(maxsize=4096)
def _shown(at: int, timezone: str) -> str:
    return f"{wall_clock(at, timezone):%H:%M}"


def _next(cut_offs: CutOffs, times: tuple[int, ...], instants: Numbers) -> Numbers:
    if not instants.size:
        return instants
    edges = _edges(cut_offs, times, int(instants.min()), int(instants.max()))
    return edges[edges.searchsorted(instants)]


def _edges(cut_offs: CutOffs, times: tuple[int, ...], low: int, high: int) -> Numbers:
    """All that may come next after an instant from ``low`` to ``high``, in order; behind them ``NEVER``."""
    rule = times, cut_offs.weekdays, cut_offs.timezone, cut_offs.closed
    first, last = (datetime.fromtimestamp(at // SECOND, UTC).year for at in (low - DAY, high))
    found = _of_years(rule, first, last)
    if found.size > 1 and found[-2] >= high:
        return found
    return _of_years(rule, first, last + _AHEAD)


@lru_cache(maxsize=512)
def _of_years(rule: _Rule, first: int, last: int) -> Numbers:
    years = [_of_year(rule, year) for year in range(first, last + 1)]
    return np.append(np.concatenate(years), NEVER)


@lru_cache(maxsize=512)
def _of_year(rule: _Rule, year: int) -> NDArray[np.int64]:
    """All cut-offs of the local days of a year, in order."""
    times, weekdays, timezone, closed = rule
    days = (
        date(year, 1, 1) + timedelta(days=day)
        for day in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)
    )
    open_days = [day for day in days if day.weekday() in weekdays and day.isoformat() not in closed]
    moments = [instant(day, minute * MINUTE, timezone) for day in open_days for minute in times]
    return np.unique(np.array(moments, np.int64))
