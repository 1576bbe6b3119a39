"""The company at work: a discrete-event simulation over a heap of things to come."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any

from services.simulation.company import HOUR, MINUTE, Company
from services.simulation.scenarios import NOTICE, Scenario, Weather

Action = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """One event as the source system would send it. ``time`` is epoch ms; ``sent`` is later while it is silent."""

    id: str
    source: str
    type: str
    subject: str
    time: int
    sent: int
    data: dict[str, Any]

    def cloudevent(self) -> dict[str, Any]:
        """As a structured CloudEvents 1.0 event."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": rfc3339(self.time),
            "data": self.data,
        }


def rfc3339(at: int) -> str:
    """Epoch ms as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Order:
    """What the company knows of an order while it is on its way."""

    id: str
    site: str
    channel: str
    carrier: str
    amount: int
    customer: str
    promised: int


class Simulator:
    """The company from ``start`` (epoch ms) on; ``advance`` gives the events that are sent until an instant."""

    def __init__(self, company: Company, seed: int, start: int) -> None:
        self.company = company
        self.weather = Weather(company)
        self.now = start
        self._random = Random(seed)  # noqa: S311  # a simulation wants repeatable, not secret
        self._heap: list[tuple[int, int, Action]] = []
        self._tie = count()
        self._ids = count(1)
        self._out: list[tuple[int, int, SimulatedEvent]] = []
        self._seed = seed
        self._in_transit: dict[str, tuple[str, Order, int]] = {}
        self._at(start + self._gap(start, company.orders_per_hour), self._place)
        self._at(start + self._gap(start, company.trucks_per_hour), self._truck)

    def start(self, scenario: Scenario, length: int = 2 * HOUR) -> None:
        """Let something go wrong from now on."""
        self.weather.start(scenario, self.now, length)
        if scenario is Scenario.CARRIER_OUTAGE:
            self._report_failures(self.now)

    def advance(self, until: int) -> Iterator[SimulatedEvent]:
        """Simulate up to ``until``; events in the order in which they are sent."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action = heapq.heappop(self._heap)
            action(self.now)
        self.now = until
        while self._out and self._out[0][0] <= until:
            yield heapq.heappop(self._out)[2]

    # -- orders ------------------------------------------------------------------------------------------------

    def _place(self, now: int) -> None:
        self._at(now + self._gap(now, self.company.orders_per_hour), self._place)
        company, random = self.company, self._random
        number = next(self._ids)
        order = Order(
            id=f"SO-{self._seed:02d}{number:08d}",
            site=self._pick(company.sites),
            channel=self._pick(company.channels),
            carrier=self._pick(company.carriers),
            amount=int(math.exp(random.gauss(4.2, 0.7)) * 100),
            customer=f"C{random.randrange(company.customers):06d}",
            promised=now + 6 * HOUR,
        )
        self._send(
            now,
            "crm",
            "order.placed",
            order.id,
            order_id=order.id,
            customer_id=order.customer,
            site=order.site,
            channel=order.channel,
            amount=_money(order.amount),
            lines=1 + int(random.expovariate(0.7)),
            promised_at=rfc3339(order.promised),
        )
        if random.random() < 0.02:
            self._at(now + self._spread(20 * MINUTE), lambda at: self._cancel(at, order))
        else:
            self._at(now + self._spread(4 * MINUTE), lambda at: self._pay(at, order))

    def _cancel(self, now: int, order: Order) -> None:
        self._send(
            now, "crm", "order.cancelled", order.id, order_id=order.id, site=order.site, reason="customer"
        )

    def _pay(self, now: int, order: Order) -> None:
        method = self._pick(("card", "invoice", "wallet"))
        self._send(
            now, "erp", "payment.received", order.id,
            order_id=order.id, site=order.site, amount=_money(order.amount), method=method,
        )  # fmt: skip
        self._at(now + self._spread(45 * MINUTE), lambda at: self._picked(at, order))

    def _picked(self, now: int, order: Order) -> None:
        short = self._random.random() < self.weather.short_pick_share(order.site, now)
        self._send(
            now, "wms", "pick.completed", order.id, order_id=order.id, site=order.site, short=short,
        )  # fmt: skip
        delay = 90 * MINUTE if short else 0
        self._at(now + delay + self._spread(15 * MINUTE), lambda at: self._packed(at, order))

    def _packed(self, now: int, order: Order) -> None:
        self._send(now, "wms", "pack.completed", order.id, order_id=order.id, site=order.site)
        self._at(now + self._spread(35 * MINUTE), lambda at: self._shipped(at, order))

    def _shipped(self, now: int, order: Order) -> None:
        express = self._random.random() < self.weather.express_share(order.site, now)
        shipment = f"SH-{order.id[3:]}"
        freight = int(self._random.gauss(2200 if express else 590, 80))
        self._send(
            now, "wms", "shipment.shipped", shipment,
            shipment_id=shipment, order_id=order.id, site=order.site, channel=order.channel,
            carrier=order.carrier, service="express" if express else "standard", freight=_money(freight),
        )  # fmt: skip
        arrival = now + self._spread((60 if express else 130) * MINUTE)
        self._in_transit[shipment] = (shipment, order, arrival)
        self._at(arrival, lambda at: self._delivered(at, shipment, order))

    def _delivered(self, now: int, shipment: str, order: Order) -> None:
        back = self.weather.carrier_back(order.carrier, now)
        if back is not None:
            self._at(back + self._spread(HOUR), lambda at: self._delivered(at, shipment, order))
            self._failed(now, shipment, order)
            return
        self._in_transit.pop(shipment, None)
        self._send(
            now, "tms", "shipment.delivered", shipment,
            shipment_id=shipment, order_id=order.id, site=order.site, channel=order.channel, carrier=order.carrier,
        )  # fmt: skip
        if self._random.random() < 0.06:
            self._at(now + self._spread(5 * HOUR), lambda at: self._returned(at, order))
        late = now > order.promised
        if self._random.random() < (0.4 if late else 0.02):
            self._at(
                now + self._spread(40 * MINUTE),
                lambda at: self._ticket(at, order, "late" if late else "other"),
            )

    def _failed(self, now: int, shipment: str, order: Order) -> None:
        self._send(
            now, "tms", "delivery.failed", shipment,
            shipment_id=shipment, order_id=order.id, site=order.site, carrier=order.carrier, reason="carrier",
        )  # fmt: skip

    def _report_failures(self, now: int) -> None:
        """A carrier that fails reports at once, within a minute, what it will not deliver in the next hours."""
        for shipment, order, arrival in list(self._in_transit.values()):
            if self.weather.carrier_back(order.carrier, now) is not None and arrival <= now + 4 * NOTICE:
                at = now + int(self._random.random() * MINUTE)
                self._at(at, lambda t, s=shipment, o=order: self._failed(t, s, o))  # type: ignore[misc]  # defaults bind now

    def _returned(self, now: int, order: Order) -> None:
        reason = self._pick(("wrong size", "damaged", "changed mind"))
        self._send(
            now, "wms", "return.received", order.id,
            order_id=order.id, site=order.site, channel=order.channel, amount=_money(order.amount),
            currency="CHF" if order.channel == "store" else "EUR", reason=reason,
        )  # fmt: skip

    # -- tickets and trucks --------------------------------------------------------------------------------------

    def _ticket(self, now: int, order: Order, topic: str) -> None:
        ticket = f"T-{order.id[3:]}"
        self._send(
            now, "crm", "ticket.opened", ticket,
            ticket_id=ticket, order_id=order.id, site=order.site, topic=topic, customer_id=order.customer,
        )  # fmt: skip
        self._at(now + self._spread(2 * HOUR), lambda at: self._resolved(at, ticket, order))

    def _resolved(self, now: int, ticket: str, order: Order) -> None:
        self._send(
            now, "crm", "ticket.resolved", ticket, ticket_id=ticket, order_id=order.id, site=order.site
        )

    def _truck(self, now: int) -> None:
        self._at(now + self._gap(now, self.company.trucks_per_hour), self._truck)
        visit, site, carrier = (
            f"V-{next(self._ids):08d}",
            self._pick(self.company.sites),
            self._pick(self.company.carriers),
        )
        self._send(now, "wms", "truck.arrived", visit, visit_id=visit, site=site, carrier=carrier)
        stay = self._spread(35 * MINUTE) * self.weather.dwell_factor(site, now)
        self._at(now + int(stay), lambda at: self._truck_left(at, visit, site, carrier))

    def _truck_left(self, now: int, visit: str, site: str, carrier: str) -> None:
        self._send(now, "wms", "truck.left", visit, visit_id=visit, site=site, carrier=carrier)

    # -- mechanics -----------------------------------------------------------------------------------------------

    def _at(self, when: int, action: Action) -> None:
        heapq.heappush(self._heap, (when, next(self._tie), action))

    def _send(self, now: int, source: str, kind: str, subject: str, **data: Any) -> None:
        sent = self.weather.silent_until(source, now) or now
        tie = next(self._tie)
        event = SimulatedEvent(f"{source}-{self._seed}-{tie}", source, kind, subject, now, sent, data)
        heapq.heappush(self._out, (sent, tie, event))

    def _gap(self, now: int, per_hour: float) -> int:
        return max(1, int(self._random.expovariate(per_hour * self.company.pace(now)) * HOUR))

    def _spread(self, median: int) -> int:
        """A duration around ``median`` ms with a tail to the long side (log-normal, as real lead times are)."""
        return max(1000, int(median * math.exp(self._random.gauss(0, 0.3))))

    def _pick(self, names: tuple[str, ...]) -> str:
        """One of ``names``; the first is about twice as likely as the last."""
        size = len(names)
        return names[int(size * self._random.random() ** 1.4)]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
