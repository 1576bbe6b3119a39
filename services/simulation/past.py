"""What was before the simulation begins, told in a few words: stock, a plan, the evening's orders, the invoices, and
five weeks of what was shipped and came back, a day and category at a time.
"""

from __future__ import annotations

from collections import Counter

from services.simulation.books import Books, cohort
from services.simulation.company import CATEGORIES, HOUR, SECOND
from services.simulation.invoices import Invoices
from services.simulation.orders import Orders
from services.simulation.returns import REASONS, SHARE
from services.simulation.stock import Stock, daily_pieces
from services.simulation.world import World

_DAYS = 36
_AFTER = 10
"""So many days after the shipment what comes back has come back."""
_EVENING = 7 * HOUR


def tell(world: World, books: Books, orders: Orders, stock: Stock, invoices: Invoices) -> None:
    """Have it sent at once."""
    company, now = world.company, world.now
    records, evening = 0, now - _EVENING
    for days in range(-_DAYS, 0):
        begins, ends = company.midnight(now, days), company.midnight(now, days + 1)
        shipped = Counter(
            {one: int(daily_pieces(company, one) * world.chance.uniform(0.9, 1.1)) for one in CATEGORIES}
        )
        records += books.cohort(company.day(begins), ends - SECOND, evening, shipped)
        back = company.midnight(now, days + _AFTER) + 12 * HOUR
        for category, pieces in shipped.items() if back < now else ():
            _came_back(world, back, evening, cohort(category, company.day(begins)), pieces)
    records += books.plan(evening, evening)
    books.end(now, now, records)
    stock.open(evening)
    invoices.tell_table(evening)
    orders.place_earlier(evening)


def _came_back(world: World, at: int, sent: int, name: str, shipped: int) -> None:
    """The returns of a day, as one."""
    share = SHARE * world.chance.uniform(0.8, 1.2)
    return_id = world.number("RT")
    world.send(
        at, "wms", "return.received", return_id, sent=sent,
        return_id=return_id, cohort=name, category=name.partition("/")[0], site=world.one_of(world.company.sites),
        pieces=int(shipped * share), reason=world.one_of(REASONS),
    )  # fmt: skip
