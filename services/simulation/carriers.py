"""Carriers: deliveries are tendered to them, picked up, attempted and proved; when the largest fails, somebody
sends them again by express, so that customers have them on the day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.simulation.company import FRANC, HOUR, MINUTE, SECOND
from services.simulation.events import money, rfc3339
from services.simulation.orders import Line, Order
from services.simulation.scenarios import ENDURED, NOTICE
from services.simulation.world import World

_KG_PER_PIECE = 0.9
_STANDARD, _EXPRESS = 0.30, 1.35
_STOP = 1.5
_NOBODY_HOME, _DELAYED = 0.035, 0.01
_PACE = 75 * SECOND
"""One stranded shipment after the other is sent again, one in so long."""
_PICK_UP = 15 * MINUTE
"""A carrier may be so much later than the timetable."""


@dataclass(slots=True)
class Delivery:
    """What leaves for one customer together. ``parts``: line, how much of it, and whether that completes it."""

    id: str
    order: Order
    wave: str
    departs: int
    parts: list[tuple[Line, int, bool]] = field(default_factory=list)
    weight: str = "0.0"
    shipment: Shipment | None = None
    arrived: bool = False

    def weigh(self) -> None:
        """Its weight follows from its pieces."""
        pieces = sum(quantity * line.size for line, quantity, _ in self.parts)
        self.weight = f"{2 + pieces * _KG_PER_PIECE:.1f}"


@dataclass(slots=True)
class Shipment:
    """A delivery in the hands of one carrier, by one service. ``arrives`` is set as long as it is on its way."""

    id: str
    delivery: Delivery
    carrier: str
    service: str
    attempts: int = 0
    picked_up: bool = False
    arrives: int | None = None


class Carriers:
    """What is asked of the carriers and what they report. ``late`` hears of a delivery whose promise is broken."""

    def __init__(self, world: World, late: Callable[[int, Delivery], None]) -> None:
        self._world = world
        self._late = late
        self._shipments: dict[str, Shipment] = {}
        self._stranded: list[Shipment] = []

    def tender(self, now: int, delivery: Delivery) -> None:
        """Ask the carrier that the order was planned with."""
        order = delivery.order
        express = self._world.likely(self._world.weather.express_share(order.site, now))
        self._tender(now, delivery, order.carrier, "express" if express else "standard")
        self._world.at(max(now, order.promised), lambda at: self._promise_is_due(at, delivery))

    def leave(self, departs: int, delivery: Delivery) -> None:
        """Its truck leaves then."""
        shipment = delivery.shipment
        assert shipment is not None
        self._world.at(departs + self._world.within(5 * MINUTE), lambda at: self._pick_up(at, shipment))

    def carrier_fails(self, now: int) -> None:
        """It reports within a minute what it will not deliver within the hour; it is not waited for for ever."""
        for shipment in list(self._shipments.values()):
            down = self._world.weather.carrier_back(shipment.carrier, now) is not None
            if down and shipment.arrives is not None and shipment.arrives <= now + NOTICE:
                soon = now + self._world.within(MINUTE)
                self._world.at(soon, lambda at, one=shipment: self._attempt(at, one))  # type: ignore[misc]  # defaults bind now
        self._world.at(now + ENDURED, self._expedite)

    # -- the way of a shipment ---------------------------------------------------------------------------------

    def _tender(self, now: int, delivery: Delivery, carrier: str, service: str) -> Shipment:
        shipment = Shipment(self._world.number("SH"), delivery, carrier, service)
        delivery.shipment = self._shipments[shipment.id] = shipment
        complete = sum(completes for *_, completes in delivery.parts)
        due = max(now, delivery.departs) + _PICK_UP
        self._say(
            now, "tendered", shipment, delivery_id=delivery.id, order_id=delivery.order.id, lines=complete,
            service=service, pick_up_by=rfc3339(due),
        )  # fmt: skip
        for line, quantity, _ in delivery.parts:
            self._world.send(
                now, "tms", "line.tendered", line.id,
                line_id=line.id, shipment_id=shipment.id, pieces=quantity * line.size,
            )  # fmt: skip
        return shipment

    def _pick_up(self, now: int, shipment: Shipment) -> None:
        if self._world.weather.carrier_back(shipment.carrier, now) is not None:
            self._strand(now, shipment)
            return
        shipment.picked_up = True
        lane = shipment.delivery.order.lane
        rate = _EXPRESS if shipment.service == "express" else _STANDARD
        cost = (_STOP + rate * float(shipment.delivery.weight)) * max(0.5, self._world.chance.gauss(1, 0.05))
        currency = self._world.company.currency(lane)
        cents = int(cost * 100 / (float(FRANC) if currency == "CHF" else 1))
        self._say(
            now, "picked_up", shipment, service=shipment.service,
            weight=shipment.delivery.weight, freight=money(cents), currency=currency,
        )  # fmt: skip
        self._drive(shipment, self._arrival(now, shipment))

    def _arrival(self, now: int, shipment: Shipment) -> int:
        """Express drives at once; the others shortly before the promise, where they can."""
        order = shipment.delivery.order
        way = int(self._world.company.lanes[order.lane] * 0.45)
        if shipment.service == "express":
            return now + self._world.about(way, 0.2)
        delay = 2 * HOUR if self._world.likely(_DELAYED) else 0
        return delay + max(
            now + self._world.about(way, 0.15), order.promised - self._world.about(55 * MINUTE)
        )

    def _drive(self, shipment: Shipment, arrives: int) -> None:
        shipment.arrives = arrives
        self._world.at(arrives, lambda at: self._attempt(at, shipment))

    def _attempt(self, now: int, shipment: Shipment) -> None:
        if shipment.arrives is None:
            return  # it was reported as failed before, or is with somebody else
        shipment.arrives = None
        shipment.attempts += 1
        if self._world.weather.carrier_back(shipment.carrier, now) is not None:
            self._say(
                now, "attempted", shipment, attempt=shipment.attempts, outcome="failed", reason="carrier"
            )
            self._strand(now, shipment)
        elif shipment.attempts == 1 and self._world.likely(_NOBODY_HOME):
            self._say(now, "attempted", shipment, attempt=1, outcome="failed", reason="nobody there")
            self._drive(shipment, now + self._world.about(150 * MINUTE))
        else:
            self._say(now, "attempted", shipment, attempt=shipment.attempts, outcome="delivered")
            self._world.at(now + self._world.about(4 * MINUTE), lambda at: self._prove(at, shipment))

    def _prove(self, now: int, shipment: Shipment) -> None:
        delivery = shipment.delivery
        delivery.arrived = True
        self._shipments.pop(shipment.id, None)
        self._say(now, "delivered", shipment)

    # -- what goes wrong ---------------------------------------------------------------------------------------

    def _strand(self, now: int, shipment: Shipment) -> None:
        """It waits until its carrier works again, or until somebody has had enough."""
        self._stranded.append(shipment)
        back = self._world.weather.carrier_back(shipment.carrier, now) or now
        self._world.at(back + self._world.within(HOUR), lambda at: self._carry_on(at, shipment))

    def _carry_on(self, now: int, shipment: Shipment) -> None:
        if shipment not in self._stranded:
            return
        self._stranded.remove(shipment)
        if shipment.picked_up:
            self._drive(shipment, now)
        else:
            self._pick_up(now, shipment)

    def _expedite(self, now: int) -> None:
        """Send the one again that was promised first, and go on as long as the carrier is down."""
        down = self._world.weather.carrier_back(self._world.company.carriers[0], now)
        if down is None:
            return
        self._world.at(now + self._world.about(_PACE), self._expedite)
        if not self._stranded:
            return
        shipment = min(self._stranded, key=lambda one: one.delivery.order.promised)
        self._stranded.remove(shipment)
        self._shipments.pop(shipment.id, None)
        self._say(now, "recalled", shipment, reason="carrier")
        again = self._tender(now, shipment.delivery, self._world.company.carriers[-1], "express")
        self._world.at(now + self._world.about(20 * MINUTE), lambda at: self._pick_up(at, again))

    def _promise_is_due(self, now: int, delivery: Delivery) -> None:
        if not delivery.arrived:
            self._late(now, delivery)

    def _say(self, now: int, what: str, shipment: Shipment, **more: Any) -> None:
        order = shipment.delivery.order
        self._world.send(
            now, "tms", f"shipment.{what}", shipment.id,
            shipment_id=shipment.id, site=order.site, carrier=shipment.carrier, lane=order.lane, **more,
        )  # fmt: skip
