"""Uploads add; the past changes only when that is asked for."""

from __future__ import annotations

from services.domain.lookups import LookupTable
from services.lookups.changes import Manner, changes
from services.lookups.rows import RowReader
from tests.unit.lookups.given import MANAGER_ROWS, SITE_ROWS

NOW = 1_714_900_000_000  # 2024-05-05T09:06:40Z
ADD, ALL = Manner(), Manner(whole=True)


def table_of(reader: RowReader, *rows: dict[str, str]) -> LookupTable:
    table = LookupTable(reader.lookup)
    for row in rows:
        table.put(reader.read(row))
    return table


NORTH = {"site": "W01", "region": "North", "since": "2024-01-01"}
SOUTH = {"site": "W02", "region": "South", "since": "2024-06-01"}


def test_new_rows_are_added_and_known_ones_change_nothing() -> None:
    """Sending the same again is safe."""
    table = table_of(SITE_ROWS, NORTH)
    found = changes(SITE_ROWS, table, [NORTH, SOUTH, SOUTH], ADD, NOW)
    assert [row.key for row in found.put] == [("W02",)]
    assert (found.unchanged, found.corrected, found.backdated, found.problems) == (1, 0, 0, [])


def test_another_value_since_the_same_day_is_refused_unless_it_corrects() -> None:
    """With what to do instead."""
    table = table_of(SITE_ROWS, NORTH)
    other = {**NORTH, "region": "East"}
    found = changes(SITE_ROWS, table, [other], ADD, NOW)
    assert [(one.row, one.message) for one in found.problems] == [
        (1, "W01 from 2023-12-31T23:00:00Z says something else already")
    ]
    assert "correct=true" in found.problems[0].remedy
    found = changes(SITE_ROWS, table, [other], Manner(correct=True), NOW)
    assert (found.corrected, found.problems) == (1, [])


def test_a_row_that_begins_in_the_past_of_a_key_is_taken_and_told() -> None:
    """A first row of a key, and one that begins tomorrow, are nothing special."""
    table = table_of(SITE_ROWS, NORTH)
    rows = [
        {"site": "W01", "region": "East", "since": "2024-03-01"},
        {"site": "W01", "region": "West", "since": "2024-07-01"},
        {"site": "W03", "region": "West", "since": "2024-03-01"},
    ]
    found = changes(SITE_ROWS, table, rows, ADD, NOW)
    assert (len(found.put), found.backdated, found.problems) == (3, 1, [])


def test_rows_that_hold_at_the_same_time_are_refused() -> None:
    """Against those that are there, and among themselves."""
    table = table_of(SITE_ROWS, {**NORTH, "until": "2024-03-31"})
    found = changes(SITE_ROWS, table, [{"site": "W01", "region": "East", "since": "2024-03-01"}], ADD, NOW)
    assert [(one.row, one.message) for one in found.problems] == [
        (1, "W01 from 2023-12-31T23:00:00Z ends after W01 from 2024-02-29T23:00:00Z begins")
    ]


def test_replacing_takes_out_what_has_not_begun_and_refuses_the_rest() -> None:
    """What has held was counted by."""
    table = table_of(SITE_ROWS, NORTH, SOUTH)
    found = changes(SITE_ROWS, table, [NORTH], ALL, NOW)
    assert ([row.key for row in found.removed], found.problems) == ([("W02",)], [])
    found = changes(SITE_ROWS, table, [SOUTH], ALL, NOW)
    assert [one.row for one in found.problems] == [0]


def test_without_validity_a_new_value_replaces_the_old_one() -> None:
    """It holds for events that come from now on."""
    table = table_of(MANAGER_ROWS, {"region": "North", "manager": "Ada"})
    found = changes(MANAGER_ROWS, table, [{"region": "North", "manager": "Ben"}], ALL, NOW)
    assert (len(found.put), found.corrected, found.problems) == (1, 1, [])


def test_wrong_rows_are_named_by_number_and_two_that_differ_too() -> None:
    """And nothing else is looked at."""
    rows = [{"region": "North", "manager": "Ada"}, {"region": ""}, {"region": "North", "manager": "Ben"}]
    found = changes(MANAGER_ROWS, table_of(MANAGER_ROWS), rows, ADD, NOW)
    assert [(one.row, one.message) for one in found.problems] == [
        (2, "the key is empty"),
        (3, "row 1 says something else of North"),
    ]
