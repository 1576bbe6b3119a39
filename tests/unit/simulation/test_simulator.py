"""The simulated company is repeatable, its systems send what the catalogue describes, and its scenarios show."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from msgspec.json import encode

from services.catalogue.load import load_catalogue
from services.intake.events import Event, Validator
from services.simulation.company import CATEGORIES, DAY, FRANC, HOUR, MINUTE, Company, many
from services.simulation.events import SimulatedEvent, rfc3339
from services.simulation.scenarios import Scenario
from services.simulation.simulator import Simulator

COMPANY = Company(timezone="UTC")
MIDNIGHT = 1_790_000_000_000 // DAY * DAY
NOON = MIDNIGHT + 12 * HOUR
DEMO = Path(__file__).parents[3] / "examples" / "demo"
FIRST = COMPANY.carriers[0]


def hours(count: int, *, seed: int = 1, steps: int = 1) -> list[SimulatedEvent]:
    """From midnight on."""
    simulator = Simulator(COMPANY, seed, MIDNIGHT)
    simulator.tell_past()
    length = count * HOUR // steps
    return [event for step in range(steps) for event in simulator.advance(MIDNIGHT + (step + 1) * length)]


def of(events: list[SimulatedEvent], kind: str) -> list[SimulatedEvent]:
    """Those of a type."""
    return [event for event in events if event.type == kind]


def test_the_same_seed_and_clock_give_the_same_events() -> None:
    """However the time is cut."""
    assert hours(12) == hours(12, steps=24)
    assert hours(8) != hours(8, seed=2)


def test_events_come_in_the_order_in_which_they_are_sent() -> None:
    """All but the ERP say at once what happens; it says so at night."""
    events = hours(27)
    assert [event.sent for event in events] == sorted(event.sent for event in events)
    delayed = [event for event in events if event.sent > event.time > MIDNIGHT]
    assert {event.type for event in delayed} == {
        "cohort.shipped",
        "demand.planned",
        "refund.paid",
        "sightline.totals",
    }
    assert {event.sent for event in delayed} == {MIDNIGHT + DAY + 2 * HOUR}


def test_every_event_fits_the_demo_catalogue() -> None:
    """The intake refuses none of them, and a day has all types, as long as no carrier fails."""
    catalogue = load_catalogue(DEMO)
    validator = Validator(catalogue, max_event_bytes=1 << 17)
    events = hours(27)
    outcomes = [validator.validate(encode(event.cloudevent()), 0) for event in events]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Event)] == []
    assert {event.type for event in events} == catalogue.events.keys() - {"shipment.recalled"}


def test_cases_are_as_large_as_the_packing_file_says() -> None:
    """The simulation and the catalogue's look-up speak of the same goods."""
    with (DEMO / "packing.csv").open() as file:
        told = {row["item"]: int(row["pieces"]) for row in csv.DictReader(file)}
    assert told == {
        f"{category}-{number}": size
        for category, sizes in CATEGORIES.items()
        for number, size in enumerate(sizes, 1)
    }


def test_a_franc_is_worth_what_the_exchange_file_says() -> None:
    """Its last row."""
    with (DEMO / "exchange.csv").open() as file:
        assert Decimal([row["rate"] for row in csv.DictReader(file)][-1]) == FRANC


def test_goods_leave_in_parts_and_what_is_missing_is_promised_anew_or_cut() -> None:
    """No line is issued beyond its quantity, and two units are in use."""
    events = hours(27)
    ordered = {event.data["line_id"]: event.data for event in of(events, "line.ordered")}
    assert {data["uom"] for data in ordered.values()} == {"cases", "pieces"}
    reversed_ = {event.data["document"] for event in of(events, "goods.issue_reversed")}
    parts: dict[str, list[int]] = defaultdict(list)
    for event in of(events, "goods.issued"):
        if event.data["document"] not in reversed_:
            parts[event.data["line_id"]].append(event.data["quantity"])
    assert all(sum(issued) <= ordered[line]["quantity"] for line, issued in parts.items())
    assert any(len(issued) > 1 for issued in parts.values())
    again = {event.data["line_id"]: event.data["promised_by"] for event in of(events, "line.promised")}
    assert again
    assert all(at > ordered[line]["promised_by"] for line, at in again.items())
    assert {event.data["reason"] for event in of(events, "line.cancelled")} == {"customer", "out of stock"}


def test_a_reversed_goods_issue_is_posted_anew() -> None:
    """Under another document, for the same quantity of the same line."""
    issued = {event.data["document"]: event for event in of(hours(24), "goods.issued")}
    taken_back = of(hours(24), "goods.issue_reversed")
    assert len(taken_back) > 5
    for event in taken_back:
        wrong = issued[event.data["document"]]
        assert any(
            other.time == event.time + MINUTE and other.data["quantity"] == wrong.data["quantity"]
            for other in issued.values()
            if other.data["line_id"] == wrong.data["line_id"]
        )


def test_the_night_ends_with_a_marker_that_counts_what_was_in_it() -> None:
    """First what came before the simulation, then the day; totals follow for refunds and goods issues."""
    events = hours(27)
    first, second = of(events, "sightline.batch")
    assert (first.time, second.time) == (MIDNIGHT, MIDNIGHT + DAY + 2 * HOUR)
    assert second.data["complete_until"] == rfc3339(MIDNIGHT + DAY)
    night = [event for event in events if event.source == "erp" and event.sent == second.sent]
    counted = [event for event in night if not event.type.startswith("sightline.")]
    assert second.data["records"] == len(counted)
    assert {event.data["event"] for event in of(events, "sightline.totals")} == {
        "refund.paid",
        "goods.issued",
    }


def test_money_is_in_two_currencies() -> None:
    """Orders and freight of one lane, and some refunds, are in francs."""
    events = hours(27)
    for kind in ("order.placed", "shipment.picked_up", "refund.paid"):
        assert {event.data["currency"] for event in of(events, kind)} == {"EUR", "CHF"}


def after(scenario: Scenario, length: int) -> tuple[list[SimulatedEvent], list[SimulatedEvent]]:
    """Events of the same time with and without a scenario that begins at noon."""
    told = []
    for wrong in (True, False):
        simulator = Simulator(COMPANY, 1, MIDNIGHT)
        list(simulator.advance(NOON))
        if wrong:
            simulator.start(scenario, length)
        told.append(list(simulator.advance(NOON + length)))
    return told[0], told[1]


def test_a_carrier_that_fails_reports_shipments_within_a_minute_and_moves_none() -> None:
    """What it has is not delivered, what waits for it is not picked up."""
    wrong, _ = after(Scenario.CARRIER_OUTAGE, 2 * HOUR)
    attempts = of(wrong, "shipment.attempted")
    failed = [event for event in attempts if event.data["outcome"] == "failed"]
    assert sum(event.time <= NOON + MINUTE for event in failed) >= 10
    its_own = [event for event in wrong if event.data.get("carrier") == FIRST]
    assert not [e for e in its_own if e.type == "shipment.picked_up"]
    assert not [e for e in attempts if e.data["carrier"] == FIRST and e.data["outcome"] == "delivered"]


def test_what_a_failed_carrier_has_is_sent_again_by_express() -> None:
    """Once it has been waited for long enough, by another carrier."""
    wrong, right = after(Scenario.CARRIER_OUTAGE, 5 * HOUR)
    recalled = of(wrong, "shipment.recalled")
    assert len(recalled) > 50
    assert {event.data["carrier"] for event in recalled} == {FIRST}
    assert min(event.time for event in recalled) >= NOON + 2 * HOUR
    express = [
        Counter(e.data["service"] for e in of(events, "shipment.picked_up")) for events in (wrong, right)
    ]
    assert express[0]["express"] > 10 * express[1]["express"]


def test_a_congested_dock_holds_its_trucks() -> None:
    """Fewer leave the largest site."""
    wrong, right = after(Scenario.DOCK_CONGESTION, 3 * HOUR)
    site = COMPANY.sites[0]
    left = [Counter(e.data["site"] for e in of(events, "truck.left"))[site] for events in (wrong, right)]
    assert left[0] < left[1]


def test_a_stock_out_makes_lines_come_up_short() -> None:
    """About half of them, at the largest site."""
    wrong, right = after(Scenario.STOCK_OUT, 3 * HOUR)
    short = [sum(e.data["short"] for e in of(events, "pick.completed")) for events in (wrong, right)]
    assert short[0] > 5 * max(1, short[1])


def test_an_expedite_spree_makes_shipments_express() -> None:
    """At the second site."""
    wrong, _ = after(Scenario.EXPEDITE_SPREE, 4 * HOUR)
    later = [e for e in of(wrong, "shipment.tendered") if e.data["site"] == COMPANY.sites[1]]
    assert sum(e.data["service"] == "express" for e in later) > len(later) / 2


def test_a_silent_source_sends_nothing_and_later_everything() -> None:
    """No event is lost: what happened meanwhile is sent when it is over."""
    wrong, _ = after(Scenario.SILENT_SOURCE, HOUR)
    assert not [event for event in wrong[:-1] if event.source == "crm" and event.sent < NOON + HOUR]
    late = [event for event in wrong if event.source == "crm" and event.sent > event.time]
    assert late
    assert {event.sent for event in late} == {NOON + HOUR}


def test_a_larger_company_has_numbered_names() -> None:
    """For benchmarks: as many sites, carriers and channels as asked for."""
    company = many(40, 8, 5, 60_000.0)
    assert (len(company.sites), len(company.carriers), len(company.channels)) == (40, 8, 5)


def test_trucks_leave_by_the_timetable_of_the_catalogue() -> None:
    """Each at a time of its own site; the departure of a wave is the next one after its release."""
    fields = load_catalogue(DEMO).events["wave.released"].fields
    timetable = fields["departure"].cut_offs
    assert timetable is not None
    waves = of(hours(24), "wave.released")
    assert len(waves) > 10
    for wave in waves:
        times = timetable.each.get(wave.data["site"], timetable.times)
        leaves = datetime.fromisoformat(wave.data["departs_at"])
        told, minute = COMPANY.minute(wave.time), leaves.hour * 60 + leaves.minute
        assert minute == next((time for time in times if time > told), times[0])


def test_one_site_after_the_other_is_counted_in_the_evening_and_little_is_missing() -> None:
    """After the list that stock begins with: what the list, receipts and issues come to, less a bit."""
    events = hours(27)
    counted = [event for event in of(events, "stock.counted") if event.data["what"] == "count"]
    assert len({event.data["site"] for event in counted}) == 1
    assert {event.time for event in counted} == {MIDNIGHT + 20 * HOUR}
    for count in counted:
        own = [e for e in events if e.data.get("stock_id") == count.subject and e.time <= count.time]
        reversed_ = {e.data["document"] for e in own if e.type == "goods.issue_reversed"}
        book = next(e.data["pieces"] for e in own if e.type == "stock.counted")
        for event in own:
            if (
                event.type in {"goods.received", "goods.issued"}
                and event.data.get("document") not in reversed_
            ):
                pieces = event.data["quantity"] * (_size(event) if event.data["uom"] == "cases" else 1)
                book += pieces if event.type == "goods.received" else -pieces
        assert 0.997 * book <= count.data["pieces"] <= book


def _size(event: SimulatedEvent) -> int:
    category, _, number = event.data["item"].partition("-")
    return CATEGORIES[category][int(number) - 1]
