"""Inbound: trucks come and go, what some of them bring is received; stock is what is left of it."""

from __future__ import annotations

from services.simulation.company import CATEGORIES, MINUTE
from services.simulation.orders import CASES
from services.simulation.stock import Stock, daily_pieces
from services.simulation.world import World

_BRINGS = 0.4


class Yard:
    """The yard and the receiving docks. What is put away adds to the ``stock``."""

    def __init__(self, world: World, stock: Stock) -> None:
        self._world = world
        self._stock = stock
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
        world.at(later, lambda at: self._receive(at, receipt, site, category, pieces=pieces))

    def _receive(self, now: int, receipt: str, site: str, category: str, *, pieces: float) -> None:
        """Goods are put away, in whole cases."""
        size = CATEGORIES[category][0]
        cases = max(1, round(pieces / size))
        self._world.send(
            now, "wms", "goods.received", receipt,
            receipt_id=receipt, stock_id=self._stock.moved(site, category, cases * size), site=site,
            category=category, item=f"{category}-1", quantity=cases, uom=CASES,
        )  # fmt: skip
