"""Local time by a calendar: working time between instants, shifts, where clocks change as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.calendars import OFF, part_at, shift_at, worked, worked_by
from services.domain.catalogue import Schedule, Shift
from tests.naive import calendar

BERLIN, CHICAGO = "Europe/Berlin", "America/Chicago"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEEK = (0, 1, 2, 3, 4)
OFFICE = Schedule(BERLIN, WEEK, 8 * HOUR, 17 * HOUR, ("2024-12-25", "2024-12-26"))
NIGHT = Schedule(BERLIN, opens_ms=22 * HOUR, closes_ms=6 * HOUR)
SHIFTS = (
    Shift("early", 6 * HOUR, 14 * HOUR),
    Shift("late", 14 * HOUR, 22 * HOUR),
    Shift("night", 22 * HOUR, 6 * HOUR),
)


def at(text: str, zone: str = BERLIN) -> int:
    """A wall clock in epoch ms."""
    found = datetime.fromisoformat(text)
    return round((found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))).timestamp() * 1000)


def taken(schedule: Schedule, start: int, end: int) -> int:
    [found] = worked(schedule, np.array([start]), np.array([end])).tolist()
    return int(found)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2024-12-23T09:00", "2024-12-23T11:30", 2.5),  # within a day
        ("2024-12-23T16:00", "2024-12-24T09:00", 2),  # the night does not count
        ("2024-12-20T16:00", "2024-12-23T09:00", 2),  # nor does the weekend
        ("2024-12-24T16:00", "2024-12-27T09:00", 2),  # nor do holidays
        ("2024-12-21T10:00", "2024-12-22T10:00", 0),
        ("2024-12-23T03:00", "2024-12-23T23:00", 9),
        ("2024-12-24T09:00", "2024-12-23T16:00", -2),  # the other way round
        ("2023-12-29T16:00", "2025-01-02T09:00", 1 + 261 * 9 + 1),  # over two ends of a year
    ],
)
def test_only_working_hours_count(start: str, end: str, hours: float) -> None:
    """On working days, between opening and closing."""
    assert taken(OFFICE, at(start), at(end)) == hours * HOUR


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2024-03-30T20:00", "2024-03-31T12:00", 7),  # 02:00 to 03:00 does not exist
        ("2024-10-26T20:00", "2024-10-27T12:00", 9),  # and exists twice
        ("2024-10-27T02:30+02:00", "2024-10-27T02:30+01:00", 1),
        ("2024-05-06T20:00", "2024-05-07T12:00", 8),
    ],
)
def test_hours_over_midnight_are_as_long_as_the_night_is(start: str, end: str, hours: float) -> None:
    """A night in which the clocks change has an hour less, or more."""
    assert taken(NIGHT, at(start), at(end)) == hours * HOUR


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    """Friday's night is worked until Saturday morning, Sunday's is not."""
    friday = Schedule(BERLIN, (4,), 22 * HOUR, 6 * HOUR)
    assert taken(friday, at("2024-05-10T00:00"), at("2024-05-13T00:00")) == 8 * HOUR
    assert taken(friday, at("2024-05-11T00:00"), at("2024-05-13T00:00")) == 6 * HOUR


def test_hours_that_the_clocks_skip_are_not_worked() -> None:
    """What opens at 02:30 opens at 03:30 on that night, after it has closed."""
    gone = Schedule(BERLIN, opens_ms=150 * MINUTE, closes_ms=195 * MINUTE)
    assert taken(gone, at("2024-03-31T00:00"), at("2024-04-01T00:00")) == 0
    assert taken(gone, at("2024-04-01T00:00"), at("2024-04-02T00:00")) == 45 * MINUTE


def test_hours_that_the_clocks_push_into_the_next_ones_count_once() -> None:
    """What closes at 02:45 closes at 03:45 on that night, when it has opened again at 03:10."""
    long = Schedule(BERLIN, opens_ms=190 * MINUTE, closes_ms=165 * MINUTE)
    assert taken(long, at("2024-03-31T00:00"), at("2024-03-31T12:00")) == 11 * HOUR
    assert taken(long, at("2024-03-31T03:20"), at("2024-03-31T03:30")) == 10 * MINUTE


def test_where_nobody_ever_works_no_time_passes() -> None:
    """Every day of the calendar is closed."""
    days = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(1200)]
    closed = Schedule("UTC", closed=tuple(f"{day:%Y-%m-%d}" for day in days))
    assert taken(closed, at("2024-05-06T00:00", "UTC"), at("2024-05-08T00:00", "UTC")) == 0


zones = st.sampled_from(
    ["UTC", BERLIN, CHICAGO, "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
clocks = st.integers(0, 24 * 12).map(lambda fives: fives * 5 * MINUTE)
schedules = st.builds(
    Schedule,
    zones,
    st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    st.integers(0, 24 * 12 - 1).map(lambda fives: fives * 5 * MINUTE),
    clocks,
    st.sets(st.sampled_from(["2018-11-04", "2024-03-31", "2024-10-27", "2024-12-31"])).map(tuple),
)
instants = st.one_of(
    st.sampled_from(["2018-11-03", "2024-03-09", "2024-03-30", "2024-10-26", "2024-12-31"]).flatmap(
        lambda day: st.integers(0, 3 * DAY).map(lambda ms: at(day, "UTC") + ms)
    ),
    st.integers(at("2024-03-01", "UTC"), at("2024-04-20", "UTC")),
)


@given(schedules, instants, st.integers(-40 * DAY, 40 * DAY))
def test_working_time_is_what_counting_day_by_day_gives(schedule: Schedule, start: int, length: int) -> None:
    """In any zone, whichever hours, over changes of the clocks, forwards and backwards."""
    assert taken(schedule, start, start + length) == calendar.worked(schedule, start, start + length)


@given(schedules, st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_working_time_adds_up(schedule: Schedule, times: list[int]) -> None:
    """From the first to the last it is that to the middle and from there on, and never more than all time."""
    first, middle, last = times
    whole = taken(schedule, first, last)
    assert whole == taken(schedule, first, middle) + taken(schedule, middle, last)
    assert 0 <= whole <= last - first


@given(
    st.lists(schedules, min_size=1, max_size=3),
    st.lists(st.tuples(instants, instants), max_size=8),
    st.data(),
)
def test_each_is_counted_by_its_own_schedule(
    each: list[Schedule], spans: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Many at once are what they are one by one."""
    which = [data.draw(st.integers(0, len(each) - 1)) for _ in spans]
    start, end = (np.array([span[side] for span in spans], np.int64) for side in (0, 1))
    found = worked_by(each, np.array(which, np.intp), start, end).tolist()
    assert found == [taken(each[number], *span) for number, span in zip(which, spans, strict=True)]


@pytest.mark.parametrize(
    ("time", "shift"),
    [
        ("2024-05-06T05:59:59.999", "night"),
        ("2024-05-06T06:00", "early"),
        ("2024-05-06T14:00", "late"),
        ("2024-05-06T22:00", "night"),
        ("2024-05-07T00:00", "night"),
        ("2024-03-31T03:00", "night"),  # the clocks have just skipped an hour
        ("2024-10-27T02:30+02:00", "night"),
        ("2024-10-27T02:30+01:00", "night"),
        ("2024-10-27T06:00", "early"),
    ],
)
def test_a_shift_is_by_the_wall_clock_of_its_zone(time: str, shift: str) -> None:
    """Also where it goes over midnight, and where the clocks change."""
    assert shift_at(Schedule(BERLIN, shifts=SHIFTS), at(time)) == shift


def test_what_lies_in_no_shift_is_a_scope_of_its_own() -> None:
    """It is seen, not dropped."""
    assert shift_at(Schedule(BERLIN, shifts=SHIFTS[:1]), at("2024-05-06T14:00")) == OFF


def test_the_first_shift_that_fits_counts() -> None:
    """Where they overlap at the handover."""
    both = (Shift("day", 6 * HOUR, 15 * HOUR), Shift("night", 14 * HOUR, 6 * HOUR))
    assert shift_at(Schedule("UTC", shifts=both), at("2024-05-06T14:30", "UTC")) == "day"
    whole = (Shift("all", 6 * HOUR, 6 * HOUR),)
    assert shift_at(Schedule("UTC", shifts=whole), at("2024-05-06T03:00", "UTC")) == "all"


def test_weekday_and_hour_are_local() -> None:
    """Half past eleven at night in Berlin is the afternoon in Chicago."""
    time = at("2024-05-06T23:30")
    assert [part_at(Schedule(BERLIN), part, time) for part in ("weekday", "hour")] == ["mon", "23"]
    assert [part_at(Schedule(CHICAGO), part, time) for part in ("weekday", "hour")] == ["mon", "16"]
    assert part_at(Schedule("Asia/Kathmandu"), "weekday", time) == "tue"


@given(schedules, instants)
def test_three_shifts_cover_the_day(schedule: Schedule, time: int) -> None:
    """Every instant lies in exactly the one whose hours its clock shows."""
    local = datetime.fromtimestamp(time // 1000, UTC).astimezone(ZoneInfo(schedule.timezone))
    expected = "early" if 6 <= local.hour < 14 else "late" if 14 <= local.hour < 22 else "night"
    assert shift_at(Schedule(schedule.timezone, shifts=SHIFTS), time) == expected
