"""History read back: merging closed slots gives what one slot over all of it would have given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.catalogue import Agg, KpiType, MeasureSpec, Window, WindowKind
from services.domain.facts import ClosedWindow
from services.domain.history import combine
from services.domain.program import BASE
from services.domain.readings import reading
from services.domain.windows import DAY, HOUR, MINUTE
from tests.unit.domain.teller import Teller, catalogue
from tests.unit.domain.test_judge import NOON, SOLD, Reader, compiled, judge_of, kpi, simple

MIDNIGHT = NOON - 12 * HOUR
DAILY = Window(WindowKind.CALENDAR, period="day")
BERLIN = Window(WindowKind.CALENDAR, period="day", timezone="Europe/Berlin")


def returned() -> MeasureSpec:
    return MeasureSpec(Agg.COUNT, event="returned")


PROGRAM = compiled(
    catalogue(
        kpi("sales", measure=SOLD, window=DAILY),
        kpi("local", measure=SOLD, window=BERLIN),
        simple("median", Agg.PERCENTILE, percentile=50.0, window=DAILY),
        simple("revenue", Agg.SUM, window=DAILY),
        kpi("returned", KpiType.RATIO, numerator=returned(), denominator=SOLD, scale=100),
        kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=returned()),
        kpi("mean", KpiType.DERIVED, expr="revenue / sales", window=DAILY),
    )
)


def closed(rows: list[tuple[str, int, int, str]], name: str) -> list[ClosedWindow]:
    """The windows that JUDGE closes for events (type, minute after midnight, price, site)."""
    teller, reader = Teller(PROGRAM), Reader(judge_of(PROGRAM))
    for event, minute, price, site in rows:
        teller.row(event, MIDNIGHT + minute * MINUTE, price, site=site)
    reader.say(teller.tell(MIDNIGHT + 3 * DAY))
    return sorted((one for one in reader.windows.values() if one.kpi == name), key=lambda one: one.start)


ROWS = [("sold", 10, 100, "A"), ("sold", 20, 300, "B"), ("returned", 70, 0, "A"), ("sold", 26 * 60, 900, "A")]


def test_slots_merge_into_days_and_the_total() -> None:
    """Hours of several scopes become days of all of them."""
    points = combine(reading(PROGRAM, "sales"), closed(ROWS, "sales"), "1d")
    assert [(point.start, point.end, point.value) for point in points] == [
        (MIDNIGHT, MIDNIGHT + DAY, 2),
        (MIDNIGHT + DAY, MIDNIGHT + 2 * DAY, 1),
    ]


def test_steps_follow_the_time_zone_of_the_window() -> None:
    """In Berlin (UTC+2 in May) the first hour of the UTC day is the third."""
    points = combine(reading(PROGRAM, "local"), closed(ROWS, "local"), "1d")
    assert [(point.start, point.value) for point in points] == [
        (MIDNIGHT - 2 * HOUR, 2),
        (MIDNIGHT + 22 * HOUR, 1),
    ]


def test_ratios_and_derived_kpis_are_computed_from_merged_parts() -> None:
    """Not a mean of means: 1 of 2 came back on the first day; 4.00 from 2 sales."""
    (first, second) = combine(reading(PROGRAM, "returned"), closed(ROWS, "returned"), "1d")
    assert (first.value, second.value) == (50.0, 0.0)
    (first, second) = combine(reading(PROGRAM, "mean"), closed(ROWS, "mean"), "1d")
    assert (first.value, second.value) == (2.0, 9.0)


def test_a_level_accumulates() -> None:
    """Each step says the level at its end, at each scope and for the total."""
    windows = closed(ROWS, "stock")
    level = reading(PROGRAM, "stock")
    assert [point.value for point in combine(level, windows)] == [2, 1, 2]
    by_site = combine(level, windows, "1d", ("site",))
    assert [(point.scope["site"], point.value) for point in by_site] == [("A", 0), ("A", 1), ("B", 1)]


def test_what_is_defined_anew_over_a_level_starts_from_its_opening_balance() -> None:
    """Also where what makes up the balance has left its slots long ago: a level, and a KPI that is derived from one."""
    old = kpi("old", KpiType.LEVEL, numerator=SOLD, denominator=returned(), reopen_ms=HOUR)
    new = replace(old, name="new")
    half = kpi("half", KpiType.DERIVED, expr="new / 2", reopen_ms=HOUR)
    before, after = compiled(catalogue(old)), compiled(catalogue(old, new, half, digest="two"))
    first, reader = Teller(before), Reader(judge_of(before, after))
    for _ in range(4):
        first.row("sold", MIDNIGHT, site="A")
    (cells,) = first.cells.values()
    cells[("A",), BASE] = cells.pop((("A",), MIDNIGHT))  # as OBSERVE tells what is beyond the horizon
    reader.say(first.tell(MIDNIGHT + 5 * DAY))
    second = Teller(after, offset=first.offset, cells=first.cells)
    reader.say(second.tell(MIDNIGHT + 5 * DAY))
    second.row("returned", MIDNIGHT + 5 * DAY, site="A")
    reader.say(second.tell(MIDNIGHT + 6 * DAY))
    for name, value in (("new", 3), ("half", 1.5)):
        windows = [one for one in reader.windows.values() if one.kpi == name]
        points = combine(reading(after, name), sorted(windows, key=lambda one: one.start))
        assert (points[-1].start, points[-1].value) == (MIDNIGHT + 5 * DAY, value)


def test_what_history_does_not_hold_is_refused() -> None:
    """Finer steps than the slots, and dimensions that the KPI does not have."""
    with pytest.raises(ValueError, match="kept by 1h"):
        combine(reading(PROGRAM, "sales"), [], "15m")
    with pytest.raises(ValueError, match="no dimension 'carrier'"):
        combine(reading(PROGRAM, "sales"), [], "1h", ("carrier",))


rows = st.tuples(
    st.sampled_from(["sold", "returned"]),
    st.integers(0, 47 * 60),
    st.integers(1, 10_000),
    st.sampled_from("ABC"),
)


@settings(deadline=None, max_examples=40)  # each example judges; machines differ
@given(st.lists(rows, max_size=30), st.sampled_from(["sales", "median", "revenue", "returned", "mean"]))
def test_merging_slots_is_as_good_as_one_slot(content: list[Any], name: str) -> None:
    """All slots in one step at the total equal all events in one slot at one scope."""
    together = combine(reading(PROGRAM, name), closed(content, name), "1mo")
    at_once = closed([(event, 0, price, "A") for event, _, price, _ in content], name)
    assert [(point.value, point.samples) for point in together] == [
        (one.value, one.samples) for one in at_once
    ]
