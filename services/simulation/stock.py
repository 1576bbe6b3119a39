"""Stock: a list says what there is when the books begin; one site after the other is counted, one each evening."""

from __future__ import annotations

from collections import Counter

from services.simulation.company import CATEGORIES, HOUR, Company
from services.simulation.world import SKEW, World

_LINES_PER_ORDER = 2.17
_PIECES_PER_CASE = 1.99
_PIECES = 17.5
_OPENING_DAYS = 11.0
_COUNTED = 20 * HOUR
_FOUND = 0.998
"""Of what the books say, so much is found."""


class Stock:
    """What the books say, in pieces by site and category."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pieces: Counter[tuple[str, str]] = Counter()
        self._next_count(world.now)

    def open(self, now: int) -> None:
        """Say what lies in the warehouses at ``now``, and that this is all."""
        for site in self._world.company.sites:
            for category in CATEGORIES:
                pieces = int(daily_pieces(self._world.company, category, site) * _OPENING_DAYS)
                self._say(now, site, category, "opening", pieces)
        self._world.send(now, "wms", "sightline.opening", "stock", process="stock")

    def moved(self, site: str, category: str, pieces: int) -> str:
        """Goods have come, or gone where that is negative; the id of the stock."""
        self._pieces[site, category] += pieces
        return f"{site}/{category}"

    def _next_count(self, now: int) -> None:
        evenings = (self._world.company.midnight(now, days) + _COUNTED for days in (0, 1))
        self._world.at(next(evening for evening in evenings if evening > now), self._count)

    def _count(self, now: int) -> None:
        self._next_count(now)
        company = self._world.company
        site = company.sites[company.day(now).toordinal() % len(company.sites)]
        for category in CATEGORIES:
            self._say(now, site, category, "count", int(self._pieces[site, category] * _FOUND))

    def _say(self, now: int, site: str, category: str, what: str, pieces: int) -> None:
        self._pieces[site, category] = pieces
        self._world.send(
            now, "wms", "stock.counted", f"{site}/{category}",
            stock_id=f"{site}/{category}", site=site, category=category, what=what, pieces=pieces,
        )  # fmt: skip


def daily_pieces(company: Company, category: str, site: str | None = None) -> float:
    """What is needed of a category on a day in the mean, at one site or at all."""
    sizes = CATEGORIES[category]
    per_line = 0.7 * _PIECES_PER_CASE * sum(sizes) / len(sizes) + 0.3 * _PIECES
    whole = company.orders_per_hour * 24 * _LINES_PER_ORDER / len(CATEGORIES) * per_line
    if site is None:
        return whole
    place, count = company.sites.index(site), len(company.sites)
    return whole * float(((place + 1) / count) ** (1 / SKEW) - (place / count) ** (1 / SKEW))
