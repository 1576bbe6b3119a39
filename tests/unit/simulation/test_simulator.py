"""The simulated company is repeatable, and its scenarios show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from msgspec.json import encode

from services.catalogue.load import load_catalogue
from services.intake.events import Event, Validator
from services.simulation.company import HOUR, MINUTE, Company, many
from services.simulation.scenarios import Scenario
from services.simulation.simulator import SimulatedEvent, Simulator

START = 1_790_000_000_000
DEMO = Path(__file__).parents[3] / "examples" / "demo"


def hours(count: int, *, seed: int = 1, steps: int = 1) -> list[SimulatedEvent]:
    simulator = Simulator(Company(noon=START), seed, START)
    length = count * HOUR // steps
    return [event for step in range(steps) for event in simulator.advance(START + (step + 1) * length)]


def test_the_same_seed_and_clock_give_the_same_events() -> None:
    """However the time is cut."""
    assert hours(6) == hours(6, steps=12)
    assert hours(2) != hours(2, seed=2)


def test_events_come_in_the_order_in_which_they_are_sent() -> None:
    """Their time is when they were sent, unless their source was silent."""
    events = hours(6)
    assert [event.sent for event in events] == sorted(event.sent for event in events)
    assert all(event.sent == event.time for event in events)


def test_every_event_fits_the_demo_catalogue() -> None:
    """The intake refuses none of them."""
    catalogue = load_catalogue(DEMO)
    validator = Validator(catalogue, max_event_bytes=1 << 17)
    outcomes = [validator.validate(encode(event.cloudevent()), 0) for event in hours(12)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Event)] == []
    assert {event.type for event in hours(24)} == catalogue.events.keys() - {"delivery.failed"}


def after(scenario: Scenario, length: int) -> tuple[list[SimulatedEvent], list[SimulatedEvent]]:
    """Events of the same time with and without a scenario that begins after eight hours."""
    told = []
    for wrong in (True, False):
        simulator = Simulator(Company(noon=START), 1, START)
        list(simulator.advance(START + 8 * HOUR))
        if wrong:
            simulator.start(scenario)
        told.append(list(simulator.advance(START + 8 * HOUR + length)))
    return told[0], told[1]


def test_a_carrier_that_fails_reports_parcels_within_a_minute_and_delivers_none() -> None:
    """Its parcels come when it is back."""
    wrong, _ = after(Scenario.CARRIER_OUTAGE, HOUR)
    carrier = Company().carriers[0]
    failed = [event for event in wrong if event.type == "delivery.failed"]
    assert sum(event.time <= START + 8 * HOUR + MINUTE for event in failed) >= 10
    assert not [e for e in wrong if e.type == "shipment.delivered" and e.data["carrier"] == carrier]


def test_a_congested_dock_holds_its_trucks() -> None:
    """Fewer leave the largest site."""
    wrong, right = after(Scenario.DOCK_CONGESTION, 2 * HOUR)
    site = Company().sites[0]
    left = [
        Counter(e.data["site"] for e in events if e.type == "truck.left")[site] for events in (wrong, right)
    ]
    assert left[0] < left[1]


def test_a_stock_out_makes_picks_come_up_short() -> None:
    """About half of them, at the largest site."""
    wrong, right = after(Scenario.STOCK_OUT, 2 * HOUR)
    short = [sum(e.data.get("short", False) for e in events) for events in (wrong, right)]
    assert short[0] > 5 * max(1, short[1])


def test_an_expedite_spree_makes_parcels_express() -> None:
    """At the second site."""
    wrong, _ = after(Scenario.EXPEDITE_SPREE, 2 * HOUR)
    shipped = [e for e in wrong if e.type == "shipment.shipped" and e.data["site"] == Company().sites[1]]
    assert sum(e.data["service"] == "express" for e in shipped) > len(shipped) / 2


def test_a_silent_source_sends_nothing_and_later_everything() -> None:
    """No event is lost: what happened meanwhile is sent when it is over."""
    wrong, _ = after(Scenario.SILENT_SOURCE, HOUR)
    assert not [event for event in wrong if event.source == "crm"]
    caught_up, _ = after(Scenario.SILENT_SOURCE, 3 * HOUR)
    late = [event for event in caught_up if event.sent > event.time]
    assert late
    assert {event.source for event in late} == {"crm"}


def test_a_larger_company_has_numbered_names() -> None:
    """For benchmarks: as many sites, carriers and channels as asked for."""
    company = many(40, 8, 5, 60_000.0)
    assert (len(company.sites), len(company.carriers), len(company.channels)) == (40, 8, 5)
