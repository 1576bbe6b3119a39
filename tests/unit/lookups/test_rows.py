"""Texts become rows, or one is told what is wrong with them."""

from __future__ import annotations

import pytest

from services.domain.lookups import EVER, FOREVER, LookupRow
from services.lookups.rows import WrongRowError
from tests.unit.lookups.given import RATE_ROWS, SITE_ROWS

MAY = 1_714_514_400_000  # 2024-05-01T00:00:00 in Berlin
DAY = 86_400_000


def test_a_date_begins_with_its_day_and_ends_with_it() -> None:
    """In the look-up's time zone; an instant is what it says."""
    row = SITE_ROWS.read({"site": "W01", "region": "North", "since": "2024-05-01", "until": "2024-05-02"})
    assert row == LookupRow(("W01",), MAY, MAY + 2 * DAY, ("North", None), closed=True)
    row = SITE_ROWS.read({"site": "W01", "region": "North", "until": "2024-05-01T12:00:00Z"})
    assert (row.start, row.end) == (EVER, MAY + 14 * 3_600_000)


def test_a_row_is_too_old_after_whole_days_of_the_calendar() -> None:
    """Four days from the day before clocks change are 97 hours later or 95, and midnight all the same."""
    row = RATE_ROWS.read({"from": "USD", "to": "EUR", "rate": "0.9", "day": "2024-03-29"})
    assert row.end - row.start == 4 * DAY - 3_600_000
    assert RATE_ROWS.read({"from": "USD", "to": "EUR", "rate": "0.9"}).end == FOREVER


def test_what_is_written_is_read_as_the_same_row() -> None:
    """Through the log and back."""
    cells = {
        "site": "W01", "region": "North", "docks": "12", "since": "2024-05-01", "until": "2024-06-30", "also": "HAM|H1",
    }  # fmt: skip
    row = SITE_ROWS.read(cells)
    assert row.aliases == ("HAM", "H1")
    assert SITE_ROWS.read(SITE_ROWS.written(row)) == row


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"region": "North"}, [("site", "", "the key is empty")]),
        ({"site": "W01"}, [("region", "", "the value is missing")]),
        ({"site": "W01", "region": "N", "docks": "a few"}, [("docks", "a few", "this is no integer")]),
        ({"site": "W01", "region": "N", "since": "May"}, [("since", "May", "this is no time")]),
        ({"site": "W01", "region": "N", "regoin": "S"}, [("regoin", "S", "there is no such column")]),
        (
            {"site": "W01", "region": "N", "since": "2024-05-02", "until": "2024-05-01"},
            [("until", "2024-05-01", "the row ends before it begins")],
        ),
        (
            {"docks": "?", "region": ""},
            [
                ("site", "", "the key is empty"),
                ("region", "", "the value is missing"),
                ("docks", "?", "this is no integer"),
            ],
        ),
    ],
)
def test_everything_that_is_wrong_with_a_row_is_told(
    cells: dict[str, str], said: list[tuple[str, str, str]]
) -> None:
    """Column, value and reason; all of them at once."""
    with pytest.raises(WrongRowError) as caught:
        SITE_ROWS.read(cells)
    assert [each[:3] for each in caught.value.problems] == said


def test_nothing_is_rounded_away() -> None:
    """A rate with more digits than are kept is refused."""
    with pytest.raises(WrongRowError, match="more than 4 decimal digits"):
        RATE_ROWS.read({"from": "USD", "to": "EUR", "rate": "0.92905"})
