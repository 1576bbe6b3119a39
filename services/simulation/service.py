"""Customer service: tickets and calls. A broken promise is heard of about two hours later."""

from __future__ import annotations

from collections import deque

from services.simulation.carriers import Delivery
from services.simulation.company import HOUR, MINUTE
from services.simulation.world import World

LOST = "where is my order"
_TOPICS = ("invoice", "damage", "product")
_WRITES = 0.25
_HEARD = 115 * MINUTE
_SLOW, _SLOW_WHEN_BUSY = 0.13, 0.3
_BUSY = 8
_GIVES_UP = 0.3


class Service:
    """Whoever answers. The more tickets have come lately, the longer callers wait."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lately: deque[int] = deque()
        self._behind = 0.0
        world.often(1.2, self._question)
        world.often(world.company.calls_per_hour, self._call)

    def promise_broken(self, now: int, delivery: Delivery) -> None:
        """Some customers write when they have waited for a while."""
        if self._world.likely(_WRITES):
            heard = now + self._world.about(_HEARD, 0.2)
            self._world.at(heard, lambda at: self._open(at, delivery.order.id, delivery, LOST))

    def _question(self, now: int) -> None:
        if self._world.company.serving(now):
            self._open(now, self._world.number("SO"), None, self._world.one_of(_TOPICS))

    def _open(self, now: int, order: str, delivery: Delivery | None, topic: str) -> None:
        world = self._world
        ticket = world.number("T")
        shipment = delivery.shipment if delivery else None
        site = delivery.order.site if delivery else world.one_of(world.company.sites)
        carrier = shipment.carrier if shipment else world.one_of(world.company.carriers)
        world.send(
            now, "crm", "ticket.opened", ticket,
            ticket_id=ticket, order_id=order, site=site, carrier=carrier, topic=topic,
        )  # fmt: skip
        self._lately.append(now)
        world.at(
            now + world.about(100 * MINUTE),
            lambda at: world.send(at, "crm", "ticket.resolved", ticket, ticket_id=ticket),
        )

    def _call(self, now: int) -> None:
        world = self._world
        if not world.company.serving(now):
            return
        while self._lately and self._lately[0] < now - HOUR:
            self._lately.popleft()
        busy = len(self._lately) > _BUSY * world.company.calls_per_hour / 40
        self._behind += (_SLOW_WHEN_BUSY if busy else _SLOW) * (0.5 + world.chance.random())
        slow = self._behind >= 1
        self._behind -= slow
        waited = world.chance.randint(35, 240) if slow else world.chance.randint(2, 29)
        call = world.number("CA")
        world.send(
            now, "crm", "call.offered", call,
            call_id=call, queue=world.one_of(world.company.queues),
            answered=not (slow and world.likely(_GIVES_UP)), waited=waited,
        )  # fmt: skip
