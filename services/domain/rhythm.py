"""When a source is expected, by the calendar of its time zone. Pure: instants in epoch ms come in and go out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.domain.calendars import closing, instant
from services.domain.catalogue import Rhythm
from services.domain.windows import DAY, Span

_LOOK_DAYS = 15
"""No two expected days are further apart than a week; twice that, and one for time zones."""


def silent(rhythm: Rhythm, timezone: str, last: int, now: int) -> bool:
    """Whether a stream that was last heard at ``last`` should have been heard again by ``now``."""
    limit = (rhythm.every_ms or 0) + rhythm.tolerance_ms
    return now - last > limit and _worked(rhythm, timezone, last, now) > limit


def stream_due(rhythm: Rhythm, timezone: str, last: int) -> int:
    """When a stream that was last heard at ``last`` is expected at the latest."""
    left = rhythm.every_ms or 0
    for span in _open(rhythm, timezone, last):
        start = max(span.start, last)
        if span.end - start >= left:
            return start + left
        left -= span.end - start
    return last + left  # not reached: working days come back every week


def batch_due(rhythm: Rhythm, timezone: str, now: int) -> Span:
    """The latest batch that should be there at ``now``, tolerance included: [midnight before it, when it was due)."""
    for day in _days(timezone, now - rhythm.tolerance_ms, -1):
        at = instant(day, rhythm.at_ms or 0, timezone)
        if day.weekday() in rhythm.days and at + rhythm.tolerance_ms <= now:
            return Span(instant(day, 0, timezone), at)
    raise ValueError("a batch without a day to come on")


def next_batch(rhythm: Rhythm, timezone: str, now: int) -> int:
    """When the next batch after ``now`` is due."""
    for day in _days(timezone, now, 1):
        at = instant(day, rhythm.at_ms or 0, timezone)
        if day.weekday() in rhythm.days and at > now:
            return at
    raise ValueError("a batch without a day to come on")


def _worked(rhythm: Rhythm, timezone: str, start: int, end: int) -> int:
    """Working time between two instants, as far as it matters."""
    limit = (rhythm.every_ms or 0) + rhythm.tolerance_ms
    total = 0
    for span in _open(rhythm, timezone, start):
        if span.start >= end or total > limit:
            break
        total += max(0, min(span.end, end) - max(span.start, start))
    return total


def _open(rhythm: Rhythm, timezone: str, since: int) -> Iterator[Span]:
    """The working hours that end after ``since``, one by one without end."""
    closes = closing(rhythm.opens_ms, rhythm.closes_ms)
    for day in _days(timezone, since - DAY, 1, endless=True):
        if day.weekday() in rhythm.days:
            start = instant(day, rhythm.opens_ms, timezone)
            end = instant(day, closes, timezone)
            if end > since:
                yield Span(start, end)


def _days(timezone: str, at: int, step: int, *, endless: bool = False) -> Iterator[date]:
    day = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(timezone)).date()
    count = 0
    while endless or count < _LOOK_DAYS:
        yield day
        day += timedelta(days=step)
        count += 1
