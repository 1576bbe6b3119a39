"""Inbound: trucks come and go, what some of them bring is received; stock is what is left of it."""

from __future__ import annotations

from services.simulation.company import CATEGORIES, MINUTE, Company
from services.simulation.orders import CASES
from services.simulation.world import SKEW, World

_BRINGS = 0.4
_LINES_PER_ORDER = 2.17
_PIECES_PER_CASE = 1.99
_PIECES = 17.5
_OPENING_DAYS = 11.0


class Yard:
    """The yard and the receiving docks."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.often(world.company.trucks_per_hour, self._arrive)

    def _arrive(self, now: int) -> None:
        world = self._world
        visit, site = world.number("V"), world.one_of(world.company.sites)
        brings = world.likely(_BRINGS)
        purpose = "inbound" if brings else "outbound"
        world.send(now, "yard", "truck.arrived", visit, visit_id=visit, site=site, purpose=purpose)
        stay = int(world.about(60 * MINUTE) * world.weather.stay_factor(site, now))
        world.at(
            now + stay, lambda at: world.send(at, "yard", "truck.left", visit, visit_id=visit, site=site)
        )
        if brings:
            world.at(now + min(stay, 15 * MINUTE), lambda at: self._unload(at, visit, site))

    def _unload(self, now: int, visit: str, site: str) -> None:
        world = self._world
        receipt, category = world.number("RC"), world.chance.choice(tuple(CATEGORIES))
        world.send(
            now, "wms", "receipt.arrived", receipt, receipt_id=receipt, visit_id=visit, site=site, category=category
        )  # fmt: skip
        company = world.company
        trucks = company.trucks_per_hour * 24 * _BRINGS / len(CATEGORIES)
        pieces = daily_pieces(company, category) / trucks * world.chance.uniform(0.7, 1.3)
        later = now + world.about(110 * MINUTE)
        world.at(later, lambda at: receive(world, at, receipt, site, category, pieces=pieces))


def receive(world: World, now: int, receipt: str, site: str, category: str, *, pieces: float) -> None:
    """Goods are put away, in whole cases."""
    size = CATEGORIES[category][0]
    world.send(
        now, "wms", "goods.received", receipt,
        receipt_id=receipt, site=site, category=category, item=f"{category}-1",
        quantity=max(1, round(pieces / size)), uom=CASES,
    )  # fmt: skip


def open_stock(world: World, now: int) -> None:
    """What lies in the warehouses at ``now``."""
    for site in world.company.sites:
        for category in CATEGORIES:
            pieces = daily_pieces(world.company, category, site) * _OPENING_DAYS
            receive(world, now, f"opening-{site}-{category}", site, category, pieces=pieces)


def daily_pieces(company: Company, category: str, site: str | None = None) -> float:
    """What is needed of a category on a day in the mean, at one site or at all."""
    sizes = CATEGORIES[category]
    per_line = 0.7 * _PIECES_PER_CASE * sum(sizes) / len(sizes) + 0.3 * _PIECES
    whole = company.orders_per_hour * 24 * _LINES_PER_ORDER / len(CATEGORIES) * per_line
    if site is None:
        return whole
    place, count = company.sites.index(site), len(company.sites)
    return whole * float(((place + 1) / count) ** (1 / SKEW) - (place / count) ** (1 / SKEW))
