"""What can go wrong in the simulated company, by name; each changes a few of its habits while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from services.simulation.company import HOUR, MINUTE, Company


class Scenario(StrEnum):
    """Names as the command line takes them."""

    CARRIER_OUTAGE = "carrier-outage"
    DOCK_CONGESTION = "dock-congestion"
    STOCK_OUT = "stock-out"
    EXPEDITE_SPREE = "expedite-spree"
    SILENT_SOURCE = "silent-source"


DESCRIPTIONS = {
    Scenario.CARRIER_OUTAGE: "the largest carrier fails: it picks nothing up, and what is on its way is not delivered",
    Scenario.DOCK_CONGESTION: "trucks stay four times as long at the largest site",
    Scenario.STOCK_OUT: "half of the lines at the largest site come up short",
    Scenario.EXPEDITE_SPREE: "most shipments of the second site go express",
    Scenario.SILENT_SOURCE: "customer service sends nothing; its events come when it is over",
}
DEFAULT_LENGTH = 2 * HOUR
NOTICE = 60 * MINUTE
"""A carrier that fails reports soon after what it would have delivered within this time."""
ENDURED = 150 * MINUTE
"""For so long a carrier that fails is waited for; then what it has is sent again by express."""


@dataclass
class Weather:
    """Which scenarios are on at which time: [start, end) in epoch ms."""

    company: Company
    spans: list[tuple[Scenario, int, int]] = field(default_factory=list)

    def start(self, scenario: Scenario, at: int, length: int = DEFAULT_LENGTH) -> None:
        """Let ``scenario`` begin at ``at`` for ``length`` ms."""
        self.spans.append((scenario, at, at + length))

    def until(self, scenario: Scenario, at: int) -> int | None:
        """When ``scenario``, on at ``at``, ends; None where it is not on."""
        return max(
            (end for name, start, end in self.spans if name is scenario and start <= at < end), default=None
        )

    def short_share(self, site: str, at: int) -> float:
        """The share of lines of which something is missing on the shelf."""
        stricken = site == self.company.sites[0] and self.until(Scenario.STOCK_OUT, at)
        return 0.5 if stricken else 0.012

    def express_share(self, site: str, at: int) -> float:
        """The share of shipments that go express."""
        stricken = site == self.company.sites[1 % len(self.company.sites)]
        return 0.8 if stricken and self.until(Scenario.EXPEDITE_SPREE, at) else 0.012

    def stay_factor(self, site: str, at: int) -> float:
        """How much longer than usual a truck stays."""
        stricken = site == self.company.sites[0] and self.until(Scenario.DOCK_CONGESTION, at)
        return 4.0 if stricken else 1.0

    def carrier_back(self, carrier: str, at: int) -> int | None:
        """When a carrier that is down at ``at`` works again; None where it works."""
        if carrier != self.company.carriers[0]:
            return None
        return self.until(Scenario.CARRIER_OUTAGE, at)

    def silent_until(self, source: str, at: int) -> int | None:
        """When a source that is silent at ``at`` speaks again; None where it speaks."""
        return self.until(Scenario.SILENT_SOURCE, at) if source == "crm" else None
