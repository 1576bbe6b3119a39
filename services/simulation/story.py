"""The day that the demo has lived through when one opens it: yesterday the largest carrier failed.

At noon it stops: what is on the road is not delivered, what stands on the dock is not picked up. The past-due backlog
grows; two hours later customers ask where their orders are. In the afternoon somebody sends what is stranded again by
express. By midnight nearly everything is where it was promised to be: on-time is green, freight cost is red.
"""

from __future__ import annotations

from datetime import UTC, datetime

from services.catalogue.canonical import from_text, to_text, with_digest
from services.domain.catalogue import Catalogue
from services.simulation.company import HOUR, Company
from services.simulation.scenarios import Scenario
from services.simulation.simulator import Simulator

HOME = "Europe/Berlin"
"""The time zone that the demo's catalogue names."""
OPENS = 10
"""The hour of the local day at which one looks at the company."""
FAILS = 12 * HOUR
"""When the carrier fails, after yesterday's midnight, and for how long."""
FOR = int(5.5 * HOUR)


def company_at_ten(now: int) -> Company:
    """The company in the time zone in which it is between ten and eleven in the morning at ``now`` (epoch ms)."""
    ahead = (OPENS - datetime.fromtimestamp(now / 1000, UTC).hour + 12) % 24 - 12
    return Company(timezone=f"Etc/GMT{-ahead:+d}")  # these names count the hours west of Greenwich


def at_home(catalogue: Catalogue, company: Company) -> Catalogue:
    """The demo's catalogue in the time zone of ``company``."""
    return with_digest(from_text(to_text(catalogue).replace(f'"{HOME}"', f'"{company.timezone}"')))


def lived_through(company: Company, seed: int, now: int) -> Simulator:
    """The company from yesterday's midnight on, with the story to come."""
    start = company.midnight(now, -1)
    simulator = Simulator(company, seed, start)
    simulator.tell_past()
    simulator.start_at(Scenario.CARRIER_OUTAGE, start + FAILS, FOR)
    return simulator
