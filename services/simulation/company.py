"""What the simulated company looks like: sites, carriers, goods, its timetable, and its rhythm over the day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

HOUR = 3_600_000
DAY = 24 * HOUR
MINUTE = 60_000
SECOND = 1_000

CATEGORIES: Mapping[str, tuple[int, ...]] = {
    "DRI": (6, 12, 24, 12),
    "GRO": (12, 24, 6, 12),
    "HOU": (8, 12, 6, 4),
    "CAR": (12, 6, 10, 24),
}
"""Category → pieces per case of each of its items, as ``examples/demo/packing.csv`` has them."""
FRANC = Decimal("1.07")
"""What it is worth in euros, as ``examples/demo/exchange.csv`` has it."""
LANES: Mapping[str, int] = {
    "North": 150 * MINUTE,
    "East": 180 * MINUTE,
    "South": 210 * MINUTE,
    "West": 240 * MINUTE,
    "Alps": 270 * MINUTE,
}
"""Lane → how long after the departure a customer there is promised the goods."""
_ABROAD = "Alps"
_PACE = (
    *(0.3, 0.25, 0.25, 0.25, 0.3, 0.5, 0.9, 1.3, 1.6, 1.8, 1.9, 1.9),
    *(1.7, 1.6, 1.6, 1.5, 1.4, 1.2, 1.0, 0.9, 0.8, 0.7, 0.5, 0.4),
)
"""How busy each hour of the local day is, as a multiple of the mean."""
_OPENS, _CLOSES = 8, 19


@dataclass(frozen=True, slots=True)
class Company:
    """Sizes and habits; rates are means over the day. Names are ordered from busy to quiet. ``departures`` are hours
    of the local day at which the first site's trucks leave; the others' leave a little later, each at its own time.
    """

    sites: tuple[str, ...] = ("Hamburg", "Leipzig", "Munich")
    carriers: tuple[str, ...] = ("Northway", "Parcelio", "Swiftline")
    channels: tuple[str, ...] = ("trade", "retail", "web")
    zones: tuple[str, ...] = ("ambient", "chilled", "bulk")
    queues: tuple[str, ...] = ("orders", "deliveries", "returns")
    customers: int = 900
    orders_per_hour: float = 38.0
    trucks_per_hour: float = 8.0
    calls_per_hour: float = 40.0
    departures: tuple[float, ...] = (7.5, 10.5, 13.5, 16.5, 19.5)
    timezone: str = "Europe/Berlin"
    lanes: Mapping[str, int] = field(default_factory=lambda: LANES)

    def pace(self, at: int) -> float:
        """How busy the company is at ``at`` (epoch ms), as a multiple of its mean."""
        return _PACE[self.minute(at) // 60]

    def serving(self, at: int) -> bool:
        """Whether customer service answers at ``at``."""
        return _OPENS <= self.minute(at) // 60 < _CLOSES

    def minute(self, at: int) -> int:
        """The minute of the local day."""
        return (at - self.midnight(at)) // MINUTE

    def day(self, at: int) -> date:
        """The local day."""
        return _local(self.timezone, at // (15 * MINUTE))

    def midnight(self, at: int, days: int = 0) -> int:
        """When the local day of ``at`` begins, or one so many ``days`` later."""
        return _begins(self.timezone, self.day(at) + timedelta(days))

    def departs(self, site: str, at: int) -> int:
        """When the next truck of ``site`` leaves whose wave has not been released at ``at``."""
        own = int(3 * HOUR * self.sites.index(site) / len(self.sites)) // (5 * MINUTE) * 5 * MINUTE
        return next(
            leaves
            for days in range(-1, 3)
            for hour in self.departures
            if (leaves := self.midnight(at, days) + int(hour * HOUR) + own) - RELEASED > at
        )

    def promised(self, lane: str, departs: int) -> int:
        """By when goods that leave at ``departs`` are promised: on that day, or in the morning of the next."""
        by = departs + self.lanes[lane]
        if self.minute(by) <= 22 * 60 and self.day(by) == self.day(departs):
            return by
        return self.midnight(departs, 1) + 8 * HOUR + self.lanes[lane] // 2

    @staticmethod
    def currency(lane: str) -> str:
        """What one pays in at its end."""
        return "CHF" if lane == _ABROAD else "EUR"


RELEASED = 150 * MINUTE
"""A wave is released so long before its truck leaves; that is the cut-off."""


@lru_cache(maxsize=1024)
def _local(timezone: str, quarter: int) -> date:
    return datetime.fromtimestamp(quarter * 900, UTC).astimezone(ZoneInfo(timezone)).date()


@lru_cache(maxsize=256)
def _begins(timezone: str, day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp()) * 1000


def many(company_sites: int, carriers: int, channels: int, orders_per_hour: float) -> Company:
    """A larger company with numbered names that works around the clock: for benchmarks."""
    return Company(
        sites=tuple(f"W{i:03d}" for i in range(company_sites)),
        carriers=tuple(f"carrier-{i:02d}" for i in range(carriers)),
        channels=tuple(f"channel-{i:02d}" for i in range(channels)),
        customers=200_000,
        orders_per_hour=orders_per_hour,
        trucks_per_hour=orders_per_hour / 10,
        calls_per_hour=orders_per_hour / 2,
        departures=tuple(range(0, 24, 3)),
    )
