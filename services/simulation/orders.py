"""Customers order, line by line, and are promised a day and a window; now and then they change their mind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from services.simulation.company import CATEGORIES, HOUR, MINUTE, RELEASED
from services.simulation.events import money, rfc3339
from services.simulation.world import World

PIECES, CASES = "pieces", "cases"
_LONGEST = 8
_CHANGED_MIND = 0.015


@dataclass(slots=True)
class Line:
    """A line of an order. ``left`` is what of its ``quantity`` is still to be issued, in its unit; ``size`` says how
    many pieces one of that is, ``price`` what a piece costs in cents.
    """

    id: str
    category: str
    item: str
    unit: str
    size: int
    quantity: int
    price: int
    left: int


@dataclass(slots=True)
class Order:
    """What the company knows of an order while it is on its way. ``promised`` is the end of its window."""

    id: str
    site: str
    channel: str
    carrier: str
    lane: str
    promised: int
    lines: list[Line] = field(default_factory=list)

    @property
    def amount(self) -> int:
        """Cents, in whatever currency its customer pays."""
        return sum(line.quantity * line.size * line.price for line in self.lines)


class Orders:
    """What customers want; each line goes to ``accept`` and can be taken back as long as it is not released."""

    def __init__(self, world: World, accept: Callable[[Order, Line], None]) -> None:
        self._world = world
        self._accept = accept
        world.often(world.company.orders_per_hour, self._place)

    def place_earlier(self, since: int) -> None:
        """Customers have ordered from ``since`` until the world's beginning; what has not left by then waits."""
        world = self._world
        for hour in range(since, world.now, HOUR):
            count = round(world.company.orders_per_hour * world.company.pace(hour))
            for at in sorted(hour + world.within(HOUR) for _ in range(count)):
                self._place(at)

    def _place(self, now: int) -> None:
        world, company = self._world, self._world.company
        site, lane = world.one_of(company.sites), world.one_of(tuple(company.lanes))
        departs = company.departs(site, now)
        if departs - RELEASED < world.now:
            return  # it has left before the simulation begins
        order = Order(
            id=world.number("SO"),
            site=site,
            channel=world.one_of(company.channels),
            carrier=world.one_of(company.carriers),
            lane=lane,
            promised=company.promised(lane, departs),
        )
        count = min(_LONGEST, 1 + int(world.chance.expovariate(0.6)))
        order.lines += [self._line(order, number) for number in range(1, count + 1)]
        world.send(
            now, "shop", "order.placed", order.id,
            order_id=order.id, customer_id=f"C{world.chance.randrange(company.customers):06d}", site=site,
            channel=order.channel, lines=count, amount=money(order.amount), currency=company.currency(lane),
        )  # fmt: skip
        for line in order.lines:
            self._ordered(now, order, line)

    def _line(self, order: Order, number: int) -> Line:
        chance = self._world.chance
        category = chance.choice(tuple(CATEGORIES))
        sizes = CATEGORIES[category]
        item = chance.randrange(len(sizes))
        unit = CASES if chance.random() < 0.7 else PIECES
        quantity = 1 + int(chance.expovariate(0.7)) if unit == CASES else chance.randint(5, 30)
        size = sizes[item] if unit == CASES else 1
        price = chance.randint(120, 900)
        name = f"{order.id}/{number}"
        return Line(name, category, f"{category}-{item + 1}", unit, size, quantity, price, quantity)

    def _ordered(self, now: int, order: Order, line: Line) -> None:
        world = self._world
        world.send(
            now, "shop", "line.ordered", line.id,
            line_id=line.id, order_id=order.id, site=order.site, channel=order.channel, carrier=order.carrier,
            category=line.category, item=line.item, quantity=line.quantity, uom=line.unit, price=money(line.price),
            promised_on=world.company.day(order.promised).isoformat(), promised_by=rfc3339(order.promised),
        )  # fmt: skip
        self._accept(order, line)
        if world.likely(_CHANGED_MIND):
            world.at(now + world.about(15 * MINUTE), lambda at: self._withdraw(at, order, line))

    def _withdraw(self, now: int, order: Order, line: Line) -> None:
        if line.left:
            cut(self._world, now, order, line, "customer", lines=1)


def cut(world: World, now: int, order: Order, line: Line, reason: str, *, lines: int) -> None:
    """What is left of a line is not to come; ``lines``: 1 where nothing of it is on its way."""
    pieces, line.left = line.left * line.size, 0
    world.send(
        now, "shop", "line.cancelled", line.id,
        line_id=line.id, order_id=order.id, pieces=pieces, lines=lines, reason=reason,
    )  # fmt: skip


def promise_anew(world: World, now: int, order: Order, line: Line, *, promised: int, reason: str) -> None:
    """Tell the customer another date."""
    world.send(
        now, "shop", "line.promised", line.id,
        line_id=line.id, promised_on=world.company.day(promised).isoformat(), promised_by=rfc3339(promised),
        reason=reason,
    )  # fmt: skip
    order.promised = max(order.promised, promised)
