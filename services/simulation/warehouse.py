"""The outbound warehouse: waves are released, picked, packed, loaded and issued, most before their truck leaves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from services.simulation.books import Books
from services.simulation.carriers import Carriers, Delivery
from services.simulation.company import HOUR, MINUTE, RELEASED
from services.simulation.events import rfc3339
from services.simulation.orders import Line, Order, cut, promise_anew
from services.simulation.stock import Stock
from services.simulation.world import World

_REASONS = ("wrong batch", "wrong bin", "label")
_LIST = 8
_LINES_PER_HOUR = 96
_MISLAID, _WRONG, _GIVEN_UP = 0.004, 0.007, 0.3

Waiting = list[tuple[Order, Line]]


@dataclass(slots=True)
class _Wave:
    """What is to leave with one truck; ``pending``: lines per order that are not picked yet."""

    id: str
    site: str
    departs: int
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Warehouse:
    """All sites. What is packed goes to the ``carriers``, what is issued is booked and leaves the ``stock``."""

    def __init__(self, world: World, carriers: Carriers, books: Books, stock: Stock) -> None:
        self._world = world
        self._carriers = carriers
        self._books = books
        self._stock = stock
        self._waiting: dict[str, Waiting] = {site: [] for site in world.company.sites}
        for site in world.company.sites:
            self._next_wave(world.now, site)

    def accept(self, order: Order, line: Line) -> None:
        """A line waits for the next wave of its site."""
        self._waiting[order.site].append((order, line))

    # -- waves -------------------------------------------------------------------------------------------------

    def _next_wave(self, now: int, site: str) -> None:
        departs = self._world.company.departs(site, now)
        self._world.at(departs - RELEASED, lambda at: self._release(at, site, departs))

    def _release(self, now: int, site: str, departs: int) -> None:
        self._next_wave(now, site)
        lines = [(order, line) for order, line in self._waiting[site] if line.left]
        self._waiting[site].clear()
        if not lines:
            return
        world = self._world
        wave = _Wave(world.number("WV"), site, departs)
        world.send(
            now, "wms", "wave.released", wave.id,
            wave_id=wave.id, site=site, departs_at=rfc3339(departs), lines=len(lines),
        )  # fmt: skip
        zones: dict[str, Waiting] = defaultdict(list)
        for order, line in lines:
            zone = world.company.zones[int(line.item[-1]) % len(world.company.zones)]
            zones[zone].append((order, line))
            wave.pending[order.id] += 1
            world.send(
                now + world.within(10 * MINUTE), "wms", "line.released", line.id,
                line_id=line.id, wave_id=wave.id, site=site, zone=zone, departs_at=rfc3339(departs),
            )  # fmt: skip
        for zone, own in zones.items():
            for first in range(0, len(own), _LIST):
                self._list(now, wave, zone, own[first : first + _LIST])

    def _list(self, now: int, wave: _Wave, zone: str, lines: Waiting) -> None:
        done = now + 10 * MINUTE + self._world.about(40 * MINUTE, 0.25)
        self._world.at(done, lambda at: self._picked(at, wave, zone, lines))

    # -- pick, pack, load --------------------------------------------------------------------------------------

    def _picked(self, now: int, wave: _Wave, zone: str, lines: Waiting) -> None:
        world = self._world
        took = len(lines) / (_LINES_PER_HOUR * max(0.5, world.chance.gauss(1, 0.1)))
        short = [self._taken(now, wave, order, line) for order, line in lines].count(True)
        world.send(
            now, "wms", "pick.completed", wave.id,
            wave_id=wave.id, site=wave.site, zone=zone,
            lines=len(lines), short=short, hours=f"{took:.4f}",
        )  # fmt: skip

    def _taken(self, now: int, wave: _Wave, order: Order, line: Line) -> bool:
        """Take a line from the shelf into its delivery, or half of it where something is missing."""
        world = self._world
        short = line.left > 1 and world.likely(world.weather.short_share(wave.site, now))
        taken = line.left // 2 if short else line.left
        line.left -= taken
        delivery = wave.deliveries.setdefault(
            order.id, Delivery(world.number("DL"), order, wave.id, wave.departs)
        )
        if short:
            self._rest(now, order, line)
        delivery.parts.append((line, taken, not line.left))
        wave.pending[order.id] -= 1
        if not wave.pending[order.id]:
            mislaid = 75 * MINUTE if world.likely(_MISLAID) else 0
            world.at(now + mislaid + world.about(12 * MINUTE), lambda at: self._packed(at, delivery))
        return short

    def _rest(self, now: int, order: Order, line: Line) -> None:
        """What was missing is given up, or comes tomorrow, which the customer is told."""
        world, company = self._world, self._world.company
        if world.likely(_GIVEN_UP):
            cut(world, now, order, line, "out of stock", lines=0)
            return
        back = now + world.about(12 * HOUR)
        promised = company.promised(order.lane, company.departs(order.site, back))
        promise_anew(world, now, order, line, promised=promised, reason="out of stock")
        world.at(back, lambda _: self.accept(order, line))

    def _packed(self, now: int, delivery: Delivery) -> None:
        delivery.weigh()
        order = delivery.order
        self._world.send(
            now, "wms", "delivery.packed", delivery.id,
            delivery_id=delivery.id, order_id=order.id, site=order.site, carrier=order.carrier,
            weight=delivery.weight,
        )  # fmt: skip
        self._carriers.tender(now, delivery)
        self._world.at(now + self._world.about(12 * MINUTE), lambda at: self._loaded(at, delivery))

    def _loaded(self, now: int, delivery: Delivery) -> None:
        world, site = self._world, delivery.order.site
        world.send(
            now, "wms", "delivery.loaded", delivery.id,
            delivery_id=delivery.id, wave_id=delivery.wave, site=site, lines=len(delivery.parts),
        )  # fmt: skip
        for line, quantity, _ in delivery.parts:
            self._issue(now, site, delivery.id, line, quantity)
        missed = now > delivery.departs
        leaves = world.company.departs(site, now - RELEASED) if missed else delivery.departs
        self._carriers.leave(leaves, delivery)

    # -- goods issues ------------------------------------------------------------------------------------------

    def _issue(self, now: int, site: str, delivery: str, line: Line, quantity: int) -> None:
        world = self._world
        document = world.number("GI")
        world.send(
            now, "wms", "goods.issued", document,
            document=document, line_id=line.id, delivery_id=delivery,
            stock_id=self._stock.moved(site, line.category, -quantity * line.size), site=site,
            category=line.category, item=line.item, quantity=quantity, uom=line.unit,
        )  # fmt: skip
        self._books.issued(now, line.category, quantity * line.size)
        if not world.likely(_WRONG):
            return

        def reverse(at: int) -> None:
            world.send(
                at, "wms", "goods.issue_reversed", document,
                document=document, line_id=line.id,
                stock_id=self._stock.moved(site, line.category, quantity * line.size), site=site,
                reason=world.one_of(_REASONS),
            )  # fmt: skip
            self._books.issued(now, line.category, -quantity * line.size)
            world.at(at + MINUTE, lambda later: self._issue(later, site, delivery, line, quantity))

        world.at(now + world.about(12 * MINUTE), reverse)
