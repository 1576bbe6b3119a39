"""What the simulated company looks like: sites, carriers, channels, and its rhythm over the day and the week."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR = 3_600_000
DAY = 24 * HOUR
MINUTE = 60_000


@dataclass(frozen=True, slots=True)
class Company:
    """Sizes and habits. ``orders_per_hour`` is the mean over a week; ``noon`` is some instant (epoch ms) at which it
    is noon for the company. Weights order the names from busy to quiet.
    """

    sites: tuple[str, ...] = ("Hamburg", "Leipzig", "Munich")
    carriers: tuple[str, ...] = ("Northway", "Parcelio", "Swiftline")
    channels: tuple[str, ...] = ("web", "marketplace", "store", "b2b")
    customers: int = 5_000
    orders_per_hour: float = 170.0
    trucks_per_hour: float = 9.0
    noon: int = 12 * HOUR

    def pace(self, at: int) -> float:
        """How busy the company is at ``at`` (epoch ms), as a multiple of its mean: low at night and on Sundays."""
        hours = ((at - self.noon) / HOUR + 12) % 24
        day = 1 + 0.75 * math.cos((hours - 14) / 24 * 2 * math.pi)
        weekday = ((at - self.noon) // DAY) % 7
        return day * (0.55 if weekday == 6 else 1.05)


def many(company_sites: int, carriers: int, channels: int, orders_per_hour: float) -> Company:
    """A larger company with numbered sites, carriers and channels: for benchmarks."""
    return Company(
        sites=tuple(f"W{i:03d}" for i in range(company_sites)),
        carriers=tuple(f"carrier-{i:02d}" for i in range(carriers)),
        channels=tuple(f"channel-{i:02d}" for i in range(channels)),
        customers=200_000,
        orders_per_hour=orders_per_hour,
        trucks_per_hour=orders_per_hour / 20,
    )
