"""Due times by the calendar: ends of days and cut-offs, where clocks change as well."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.case_columns import NEVER
from services.domain.catalogue import CutOffs
from services.domain.dues import end_of_day, next_cut_offs

BERLIN, SAO_PAULO = "Europe/Berlin", "America/Sao_Paulo"
WEEK = (0, 1, 2, 3, 4)


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def numbers(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        ("2024-05-06", "UTC", "2024-05-06T23:59:59.999+00:00"),
        ("2024-05-06", BERLIN, "2024-05-06T23:59:59.999+02:00"),
        ("2024-03-31", BERLIN, "2024-03-31T23:59:59.999+02:00"),
        ("2024-10-27", BERLIN, "2024-10-27T23:59:59.999+01:00"),
        # On 2018-11-04 the clocks of São Paulo skip midnight: the day before ends an hour "early".
        ("2018-11-03", SAO_PAULO, "2018-11-03T23:59:59.999-03:00"),
        ("2018-11-04", SAO_PAULO, "2018-11-04T23:59:59.999-02:00"),
    ],
)
def test_a_date_ends_with_its_last_millisecond_in_its_zone(day: str, zone: str, end: str) -> None:
    """Whether it is written as a date or as an instant of that day."""
    assert end_of_day(numbers(at(f"{day}T00:00:00+00:00")), zone, dates=True).tolist() == [at(end)]
    assert end_of_day(numbers(at(end), at(end) - 3_600_000), zone, dates=False).tolist() == [at(end)] * 2


@given(
    st.dates(date(1999, 1, 1), date(2037, 1, 1)),
    st.sampled_from(["UTC", BERLIN, SAO_PAULO, "Asia/Kathmandu"]),
)
def test_the_end_of_any_day_is_a_millisecond_before_the_next(day: date, zone: str) -> None:
    """And belongs to the day itself."""
    midnight = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    [end] = end_of_day(numbers(midnight), zone, dates=True).tolist()
    local = [
        datetime.fromtimestamp(one // 1000, UTC).astimezone(ZoneInfo(zone)).date() for one in (end, end + 1)
    ]
    assert local == [day, day + timedelta(days=1)]


CARRIERS = CutOffs(
    times=(16 * 60,),
    weekdays=WEEK,
    timezone=BERLIN,
    closed=("2024-12-25",),
    by="carrier",
    each={"DHL": (660, 1110)},
)


@pytest.mark.parametrize(
    ("time", "carrier", "due"),
    [
        ("2024-12-23T15:59:59+01:00", "GLS", "2024-12-23T16:00:00+01:00"),
        ("2024-12-23T16:00:00+01:00", "GLS", "2024-12-23T16:00:00+01:00"),
        ("2024-12-24T16:00:01+01:00", None, "2024-12-26T16:00:00+01:00"),
        ("2024-12-23T11:00:01+01:00", "DHL", "2024-12-23T18:30:00+01:00"),
        ("2024-12-27T18:30:01+01:00", "DHL", "2024-12-30T11:00:00+01:00"),
        ("2024-03-29T16:00:01+01:00", "GLS", "2024-04-01T16:00:00+02:00"),
    ],
)
def test_the_next_cut_off_is_that_of_the_carrier_on_a_day_that_counts(
    time: str, carrier: str | None, due: str
) -> None:
    """At the cut-off itself one is still in time; weekends, closed dates and changes of the clock are seen to."""
    assert next_cut_offs(CARRIERS, numbers(at(time)), [carrier]).tolist() == [at(due)]


def test_cut_offs_of_many_carriers_are_found_at_once() -> None:
    """Each row its own; over the turn of the year, too."""
    times = numbers(at("2024-12-31T17:00:00+01:00"), at("2024-12-31T17:00:00+01:00"))
    found = next_cut_offs(CARRIERS, times, ["GLS", "DHL"]).tolist()
    assert found == [at("2025-01-01T16:00:00+01:00"), at("2024-12-31T18:30:00+01:00")]


def test_where_nothing_ever_leaves_nothing_is_due() -> None:
    """A calendar without days."""
    assert next_cut_offs(CutOffs((60,), ()), numbers(0), []).tolist() == [NEVER]
