"""When a source is expected, by its calendar."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.domain.catalogue import Rhythm
from services.domain.rhythm import batch_due, next_batch, silent, stream_due

BERLIN = "Europe/Berlin"
MINUTE, HOUR = 60_000, 3_600_000
WEEKDAYS = (0, 1, 2, 3, 4)
SHIFT = Rhythm(
    every_ms=15 * MINUTE, days=WEEKDAYS, opens_ms=6 * HOUR, closes_ms=22 * HOUR, tolerance_ms=5 * MINUTE
)
NIGHT = Rhythm(at_ms=2 * HOUR, tolerance_ms=HOUR)


def at(text: str) -> int:
    """A wall clock of Berlin in epoch ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        ("2026-03-02T10:00", "2026-03-02T10:20", False),  # within interval and tolerance
        ("2026-03-02T10:00", "2026-03-02T10:21", True),
        ("2026-03-02T21:55", "2026-03-03T05:59", False),  # nobody is at work at night
        ("2026-03-02T21:55", "2026-03-03T06:15", False),  # 5 minutes of the evening, 15 of the morning
        ("2026-03-02T21:55", "2026-03-03T06:16", True),
        ("2026-03-06T21:55", "2026-03-09T05:00", False),  # nor at the weekend
    ],
)
def test_a_stream_is_silent_after_its_interval_in_working_time(
    last: str, now: str, *, expected: bool
) -> None:
    """No alarm at night and at weekends."""
    assert silent(SHIFT, BERLIN, at(last), at(now)) is expected


def test_a_stream_is_expected_after_its_interval_in_working_time() -> None:
    """What is left of it at the end of a day is expected on the next."""
    assert stream_due(SHIFT, BERLIN, at("2026-03-02T10:00")) == at("2026-03-02T10:15")
    assert stream_due(SHIFT, BERLIN, at("2026-03-06T21:55")) == at("2026-03-09T06:10")


def test_hours_may_go_over_midnight() -> None:
    """A night shift belongs to the day on which it begins."""
    night = Rhythm(every_ms=HOUR, days=(4,), opens_ms=22 * HOUR, closes_ms=6 * HOUR)
    assert silent(night, BERLIN, at("2026-03-06T23:30"), at("2026-03-07T00:31"))
    assert not silent(night, BERLIN, at("2026-03-07T05:30"), at("2026-03-08T12:00"))


def test_a_batch_is_due_by_the_wall_clock_and_covers_the_days_before_it() -> None:
    """Within its tolerance the batch of the day before is enough; a day of 23 hours changes nothing."""
    before = (at("2026-03-28T00:00"), at("2026-03-28T02:00"))
    assert batch_due(NIGHT, BERLIN, at("2026-03-28T12:00")) == before
    assert batch_due(NIGHT, BERLIN, at("2026-03-29T02:59")) == before
    assert batch_due(NIGHT, BERLIN, at("2026-03-29T12:00")).start == at("2026-03-29T00:00")
    assert next_batch(NIGHT, BERLIN, at("2026-03-28T12:00")) == at("2026-03-29T02:00")


def test_a_batch_that_comes_on_some_days_is_due_on_those_alone() -> None:
    """Monday's is the latest until Friday's."""
    twice = Rhythm(at_ms=2 * HOUR, days=(0, 4))
    assert batch_due(twice, BERLIN, at("2026-03-05T12:00")).end == at("2026-03-02T02:00")
    assert next_batch(twice, BERLIN, at("2026-03-05T12:00")) == at("2026-03-06T02:00")
