"""What the demo's company has lived through: told by its events, and by the KPIs that the engine makes of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Any

import pytest

from services.catalogue.load import load_catalogue
from services.domain.facts import Status
from services.simulation.company import DAY, HOUR, Company
from services.simulation.service import LOST
from services.simulation.story import FAILS, FOR, HOME, OPENS, at_home, company_at_ten, lived_through
from tests.unit.simulation.lived import DEMO, NOW, lived

FIFTEEN = {
    "on_time_in_full": Status.ON_PLAN,
    "past_due_lines": Status.ON_PLAN,
    "cut_off_adherence": Status.ON_PLAN,
    "units_shipped_yesterday": Status.ON_PLAN,
    "pick_rate": Status.ON_PLAN,
    "release_to_issue_p90": Status.ON_PLAN,
    "dock_turnaround_p90": Status.ON_PLAN,
    "first_attempt_delivery": Status.OFF_PLAN,
    "expedite_share": Status.OFF_PLAN,
    "freight_cost": Status.OFF_PLAN,
    "freight_cost_24h": Status.OFF_PLAN,
    "stock_cover": Status.ON_PLAN,
    "return_rate": Status.ON_PLAN,
    "service_level": Status.ON_PLAN,
    "where_is_my_order": Status.WATCH,
    "reconciliation_gap": Status.ON_PLAN,
    "receivables": Status.ON_PLAN,
}


@pytest.mark.parametrize("hour", range(24))
def test_whenever_one_looks_it_is_between_ten_and_eleven_in_the_morning(hour: int) -> None:
    """The company's time zone is chosen by the hour at which the demo starts."""
    now = int(datetime(2026, 3, 2, hour, 40, tzinfo=UTC).timestamp()) * 1000
    company = company_at_ten(now)
    assert company.minute(now) == OPENS * 60 + 40
    assert lived_through(company, 1, now).now == company.midnight(now) - DAY


def test_the_catalogue_moves_with_the_company() -> None:
    """Every day, timetable and batch is in its time zone."""
    moved = at_home(load_catalogue(DEMO), Company(timezone="Etc/GMT+4"))
    assert HOME not in repr(moved)
    assert moved.sources["erp"].timezone == "Etc/GMT+4"
    assert moved.digest != load_catalogue(DEMO).digest


@pytest.mark.timeout(300)
def test_in_the_morning_after_on_time_is_green_and_freight_cost_is_red() -> None:
    """Customers had their goods on the day; it cost. Everything else is as on other days."""
    values = lived().values
    assert {name: values[name].status for name in FIFTEEN} == FIFTEEN
    assert all(value.value is not None for value in values.values())
    changes = [e for e in lived().events if e.type == "invoice.row" and e.data["op"] in {"u", "d"}]
    assert lived().counters["late"] <= 3 * len(
        changes
    )  # they restate the day of their invoice; nothing else is late
    assert "late_dropped" not in lived().counters


@pytest.mark.timeout(300)
def test_receivables_are_what_the_rows_of_the_table_say_in_the_end() -> None:
    """However often a row has changed: the unpaid ones of the last thirty days."""
    table: dict[str, dict[str, Any]] = {}
    for event in lived().events:
        if event.type == "invoice.row":
            assert event.data.get("before") == table.pop(event.subject, None)
            table |= {event.subject: event.data["after"]} if "after" in event.data else {}
    since = NOW - 30 * DAY
    unpaid = [
        Decimal(row["amount"])
        for row in table.values()
        if not row["paid"] and _at(row["invoiced_at"]) >= since
    ]
    assert lived().values["receivables"].value == pytest.approx(float(sum(unpaid)))


@pytest.mark.timeout(300)
def test_the_backlog_peaks_after_the_carrier_has_failed_and_is_gone_in_the_evening() -> None:
    """It is beyond its plan in the afternoon, and was not before."""
    backlog = lived().courses["past_due_lines"]
    fails, back = FAILS // HOUR, (FAILS + FOR) // HOUR
    peak = backlog.index(max(backlog))
    assert fails + 2 <= peak <= back
    assert max(backlog) > 200
    assert max(backlog[:fails]) < 60
    assert backlog[back + 4] < 60
    assert max(lived().courses["pick_ups_missed"][fails:back]) > 50


@pytest.mark.timeout(300)
def test_tickets_follow_two_hours_after_the_promises_that_were_broken() -> None:
    """Half of the lines that became past due did so about two hours before half of the customers asked."""
    start, events = lived().start, lived().events
    proved = {event.subject: event.time for event in events if event.type == "shipment.delivered"}
    tendered = [event.data for event in events if event.type == "line.tendered"]
    came = {
        data["line_id"]: proved[data["shipment_id"]] for data in tendered if data["shipment_id"] in proved
    }
    ordered = [event.data for event in events if event.type == "line.ordered"]
    due = {data["line_id"]: _at(data["promised_by"]) for data in ordered}
    yesterday = range(start + FAILS, start + DAY)
    broken = [at for line, at in due.items() if at in yesterday and came.get(line, at + 1) > at]
    asked = [e.time for e in events if e.type == "ticket.opened" and e.data["topic"] == LOST]
    assert len(asked) > 30
    assert 1.5 * HOUR <= median(asked) - median(broken) <= 2.5 * HOUR


@pytest.mark.timeout(300)
def test_effects_come_in_the_order_of_their_causes() -> None:
    """The carrier fails, the backlog leaves its plan, somebody expedites, freight becomes dear, customers ask."""
    courses = lived().courses
    backlog = next(hour for hour, lines in enumerate(courses["past_due_lines"]) if lines > 150)
    costly = next(hour for hour, cost in enumerate(courses["freight_cost"]) if cost > 0.46)
    asked = courses["tickets_opened"].index(max(courses["tickets_opened"]))
    expedited = Counter(
        (event.time - lived().start) // HOUR
        for event in lived().events
        if event.type == "shipment.picked_up" and event.data["service"] == "express"
    )
    busiest = expedited.most_common(1)[0][0]
    assert FAILS // HOUR < backlog <= busiest + 1 <= asked
    assert backlog <= costly <= asked


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
