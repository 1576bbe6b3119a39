"""Returns: some of what was shipped in the last two weeks comes back, and is paid back."""

from __future__ import annotations

from services.simulation.books import Books, cohort
from services.simulation.company import CATEGORIES, DAY, HOUR, MINUTE
from services.simulation.world import World

REASONS = ("damaged", "wrong item", "not wanted")
SHARE = 0.028
"""Of the pieces shipped, how many come back."""
_PER_ORDER = 0.07
_PIECES = (3, 23)


class Returns:
    """From the announcement to the refund, which goes into the ``books``."""

    def __init__(self, world: World, books: Books) -> None:
        self._world = world
        self._books = books
        world.often(world.company.orders_per_hour * _PER_ORDER, self._announce)

    def _announce(self, now: int) -> None:
        world = self._world
        return_id, site = world.number("RT"), world.one_of(world.company.sites)
        reason = world.one_of(REASONS)
        world.send(
            now, "shop", "return.announced", return_id,
            return_id=return_id, order_id=world.number("SO"), site=site, reason=reason,
        )  # fmt: skip
        world.at(now + world.about(5 * HOUR), lambda at: self._receive(at, return_id, site, reason))

    def _receive(self, now: int, return_id: str, site: str, reason: str) -> None:
        world = self._world
        category = world.chance.choice(tuple(CATEGORIES))
        shipped = world.company.day(now - world.chance.randint(2, 14) * DAY)
        pieces = world.chance.randint(*_PIECES)
        world.send(
            now, "wms", "return.received", return_id,
            return_id=return_id, cohort=cohort(category, shipped), category=category, site=site,
            pieces=pieces, reason=reason,
        )  # fmt: skip
        channel = world.one_of(world.company.channels)
        currency = "CHF" if world.likely(0.15) else "EUR"
        cents = pieces * world.chance.randint(150, 800)
        paid = now + world.about(150 * MINUTE)
        world.at(paid, lambda at: self._books.refund(at, return_id, channel, cents, currency))
