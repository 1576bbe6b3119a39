"""Windows, slots and panes: local calendars, changes of the clock, and that slots tile time."""

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.domain.catalogue import Window, WindowKind
from services.domain.windows import (
    DAY,
    GRAINS,
    HOUR,
    MINUTE,
    PERIODS,
    QUARTER_HOUR,
    Span,
    pane_length,
    period_span,
    reach,
    slot,
    slots,
    window_span,
)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",  # skipped its midnights until 2018
    "Asia/Kathmandu",  # UTC+5:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # skipped 30 December 2011
    "America/St_Johns",  # went back at a minute past midnight until 2011
]
zones = st.sampled_from(ZONES)
instants = st.integers(631_152_000_000, 2_051_222_400_000)  # 1990 to 2034


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "zone", "at", "start", "end"),
    [
        ("day", "UTC", "2024-05-05T13:00Z", "2024-05-05T00:00Z", "2024-05-06T00:00Z"),
        (
            "day",
            "Europe/Berlin",
            "2024-03-31T12:00+02:00",
            "2024-03-31T00:00+01:00",
            "2024-04-01T00:00+02:00",
        ),
        (
            "day",
            "Europe/Berlin",
            "2024-10-27T12:00+01:00",
            "2024-10-27T00:00+02:00",
            "2024-10-28T00:00+01:00",
        ),
        (
            "day",
            "America/Sao_Paulo",
            "2017-10-15T12:00-02:00",
            "2017-10-15T01:00-02:00",
            "2017-10-16T00:00-02:00",
        ),
        (
            "hour",
            "Asia/Kathmandu",
            "2024-05-05T13:20+05:45",
            "2024-05-05T13:00+05:45",
            "2024-05-05T14:00+05:45",
        ),
        ("week", "UTC", "2021-01-01T00:00Z", "2020-12-28T00:00Z", "2021-01-04T00:00Z"),
        (
            "month",
            "America/Sao_Paulo",
            "2018-02-28T23:59-03:00",
            "2018-02-01T00:00-02:00",
            "2018-03-01T00:00-03:00",
        ),
        ("quarter", "UTC", "2024-12-31T23:59Z", "2024-10-01T00:00Z", "2025-01-01T00:00Z"),
        (
            "year",
            "Europe/Berlin",
            "2024-07-01T00:00+02:00",
            "2024-01-01T00:00+01:00",
            "2025-01-01T00:00+01:00",
        ),
    ],
)
def test_a_period_follows_the_local_calendar(period: str, zone: str, at: str, start: str, end: str) -> None:
    """Days of 23 and 25 hours, a skipped midnight, ISO weeks, months and quarters begin where the clock says."""
    assert period_span(period, zone, ms(at)) == Span(ms(start), ms(end))


@given(st.sampled_from(list(PERIODS)), zones, instants)
@example("day", "America/St_Johns", ms("2010-11-07T00:30-03:30"))
@example("day", "Pacific/Apia", ms("2011-12-30T09:59Z"))
def test_periods_tile_time(period: str, zone: str, at: int) -> None:
    """Each instant lies in exactly one period, and the next begins where it ends."""
    span = period_span(period, zone, at)
    assert span.start <= at < span.end
    assert span.end - span.start <= PERIODS[period]
    assert period_span(period, zone, span.start) == span
    assert period_span(period, zone, span.end).start == span.end
    assert period_span(period, zone, span.start - 1).end == span.start


@given(st.sampled_from(GRAINS), zones, st.lists(instants, max_size=8))
def test_slots_of_many_instants_are_those_of_each(grain: str, zone: str, times: list[int]) -> None:
    """The vectorised form agrees with the single one."""
    starts, ends = slots(grain, zone, np.array(times, np.int64))
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [slot(grain, zone, at) for at in times]


windows = st.one_of(
    st.builds(
        lambda n, unit, zone: Window(WindowKind.ROLLING, length_ms=n * unit, timezone=zone),
        st.integers(1, 90),
        st.sampled_from([MINUTE, HOUR, DAY]),
        zones,
    ),
    st.builds(
        lambda kind, period, zone: Window(kind, period=period, timezone=zone),
        st.sampled_from([WindowKind.CALENDAR, WindowKind.TO_DATE]),
        st.sampled_from(list(PERIODS)),
        zones,
    ),
    st.builds(lambda zone: Window(WindowKind.ALL_TIME, timezone=zone), zones),
)


@given(windows, st.sampled_from(GRAINS), instants)
def test_panes_divide_windows_slots_and_offsets(window: Window, grain: str, now: int) -> None:
    """No pane lies across an edge of a window or of a slot, whatever the time zone."""
    pane = pane_length(window, grain)
    window_ = window_span(window, now, pane)
    slot_ = slot(grain, window.timezone, now)
    assert [edge % pane for edge in (*window_, *slot_)] == [0, 0, 0, 0]
    assert window_.start <= now < window_.end


@given(windows, st.sampled_from(GRAINS), instants)
def test_a_window_starts_no_further_back_than_its_reach(window: Window, grain: str, now: int) -> None:
    """What is kept for the reach of a window is enough to compute it."""
    if window.kind is not WindowKind.ALL_TIME:
        assert now - window_span(window, now, pane_length(window, grain)).start <= reach(window)


@given(windows, st.sampled_from(GRAINS), st.lists(instants, min_size=2, max_size=9))
def test_windows_only_move_forward(window: Window, grain: str, times: list[int]) -> None:
    """As time passes neither end of a window goes back."""
    pane = pane_length(window, grain)
    spans = [window_span(window, now, pane) for now in sorted(times)]
    assert all(a.start <= b.start and a.end <= b.end for a, b in pairwise(spans))


def test_the_pane_of_a_day_is_an_hour_in_utc_and_a_quarter_elsewhere() -> None:
    """Zones lie a multiple of 15 minutes from UTC, not of an hour; a short rolling window moves in short steps."""
    day = Window(WindowKind.CALENDAR, period="day")
    kathmandu = Window(WindowKind.CALENDAR, period="day", timezone="Asia/Kathmandu")
    assert pane_length(day, "1h") == HOUR
    assert pane_length(kathmandu, "1d") == QUARTER_HOUR
    assert pane_length(Window(WindowKind.ROLLING, length_ms=DAY), "1h") == HOUR
    assert pane_length(Window(WindowKind.ROLLING, length_ms=HOUR), "1h") == 5 * MINUTE


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        (WindowKind.CALENDAR, "2024-05-01T00:00Z", "2024-06-01T00:00Z"),
        (WindowKind.TO_DATE, "2024-05-01T00:00Z", "2024-05-05T14:00Z"),
        (WindowKind.ALL_TIME, "1970-01-01T00:00Z", "2024-05-05T14:00Z"),
    ],
)
def test_windows_at_a_time(kind: WindowKind, start: str, end: str) -> None:
    """A calendar window is the whole period, one to date ends with the present pane."""
    window = Window(kind, period="month")
    assert window_span(window, ms("2024-05-05T13:20Z"), HOUR) == Span(ms(start), ms(end))
