"""The stream of events: drawn from a seed, so that a row can be run again, and known to the last event.

Event time begins a minute behind the clock and runs faster than it, up to four minutes ahead of where it began:
panes close while one looks, and what Sightline takes for the future (five minutes) is never reached.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
SHOP, WAREHOUSE, CARRIER = SOURCES = ("shop", "warehouse", "carrier")
LATENESS = MINUTE
"""The allowed lateness of all KPIs: what is at most so far out of order is not late."""
BEHIND = 150 * SECOND
"""By how much what is late comes too late."""
SOON, FAR = 90 * SECOND, DAY
"""Orders are promised within so long from the beginning, which passes while one looks, or for a far day."""
FUTURE = 300 * SECOND
"""How far ahead of the clock an event may claim to be."""
SITES = tuple(f"W{number:02d}" for number in range(20))
CHANNELS = ("web", "phone", "shop", "fax")
PULSES = 64
"""Per source: enough of them that each partition hears of each source."""


@dataclass(frozen=True, slots=True)
class Event:
    """``data`` holds texts, integers, Decimals, and instants (epoch ms) in fields that end in ``_at``."""

    id: str
    source: str
    type: str
    subject: str
    time: int
    data: dict[str, Any] = field(default_factory=dict)

    def json(self, *, named: bool = True) -> bytes:
        """As a CloudEvent; without its id unless ``named``."""
        event = {
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.type,
            "subject": self.subject, "time": instant(self.time),
            "data": {name: _told(name, value) for name, value in self.data.items() if value is not None},
        }  # fmt: skip
        return json.dumps(event if named else {**event, "id": None}).encode()


@dataclass(frozen=True, slots=True)
class Sent:
    """One thing that is sent. Without an ``event`` it must become a dead letter; ``again``: it was sent before;
    ``late``: every pane that it belongs to has closed; ``future``: its source's clock is wrong.
    """

    payload: bytes
    event: Event | None = None
    again: bool = False
    late: bool = False
    future: bool = False


@dataclass(frozen=True)
class Stream:
    """What is sent, in this order."""

    sent: Sequence[Sent]

    @property
    def events(self) -> list[Event]:
        """What counts: each once."""
        return [one.event for one in self.sent if one.event and not (one.again or one.future)]

    @property
    def malformed(self) -> list[bytes]:
        """What must become dead letters."""
        return [one.payload for one in self.sent if one.event is None]

    def many(self, kind: str) -> int:
        """How many are ``again``, ``late`` or ``future``."""
        return sum(getattr(one, kind) for one in self.sent)


def instant(ms: int) -> str:
    """Epoch ms as RFC 3339."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def company(seed: int, orders: int, start: int, span: int) -> list[Event]:
    """The life of ``orders`` orders and the scans beside them, in [start, start + span), by event time."""
    chance = random.Random(seed)
    found: list[Event] = []
    for number in range(orders):
        found += _order(chance, f"O{number}", start, span)
        found += [_scan(chance, f"S{number}-{n}", start + chance.randrange(span)) for n in range(2)]
    return sorted(found, key=lambda event: (event.time, event.id))


def arranged(
    events: Sequence[Event], seed: int, *, again: float = 0.0, shuffle: int = 0, late: float = 0.0
) -> Stream:
    """``events`` as they come: each up to ``shuffle`` ms out of order, a share of them twice, a share too late."""
    chance = random.Random(seed)
    latest = max(event.time for event in events) - BEHIND - shuffle
    keyed = []
    for event in events:
        is_late = event.time < latest and chance.random() < late
        key = event.time + (BEHIND if is_late else chance.randrange(shuffle + 1))
        keyed.append((key, len(keyed), Sent(event.json(), event, late=is_late)))
        if chance.random() < again:
            repeated = Sent(event.json(), event, again=True)
            keyed.append((key + 1 + chance.randrange(MINUTE), len(keyed), repeated))
    return Stream([sent for _, _, sent in sorted(keyed, key=lambda one: one[:2])])


def mixed(stream: Stream, payloads: Iterable[bytes], seed: int) -> Stream:
    """The same with ``payloads``, which are no events, here and there."""
    chance = random.Random(seed)
    sent = list(stream.sent)
    for payload in payloads:
        sent.insert(chance.randrange(len(sent) + 1), Sent(payload))
    return Stream(sent)


def closing_time(events: Iterable[Event]) -> int:
    """When all panes that hold ``events`` have closed."""
    return (max(event.time for event in events) // MINUTE + 1) * MINUTE + LATENESS + SECOND


def pulses(at: int) -> list[Event]:
    """By which each source says, in each partition, that it has come to ``at``: all panes before it close."""
    return [
        Event(f"{source}-{at}-{number}", source, "pulse", f"pulse {number}", at)
        for source in SOURCES
        for number in range(PULSES)
    ]


def _order(chance: random.Random, order: str, start: int, span: int) -> list[Event]:
    placed, end = start + chance.randrange(span), start + span
    data = {
        "order_id": order,
        "site": chance.choice((*SITES, None)),
        "channel": chance.choice(CHANNELS),
        "amount": Decimal(chance.randrange(100, 25_000)) / 100,
        "promised_at": start + chance.randrange(SOON) if chance.random() < 0.6 else placed + FAR,
    }
    shipped = placed + chance.randint(SECOND, MINUTE)
    delivered = placed + chance.randint(10 * SECOND, 2 * MINUTE)
    steps = [
        (0.98, Event(f"{order}-p", SHOP, "order.placed", order, placed, data)),
        (0.85, Event(f"{order}-s", WAREHOUSE, "order.shipped", order, shipped, {"order_id": order})),
        (0.70, Event(f"{order}-d", CARRIER, "order.delivered", order, delivered, {"order_id": order})),
    ]
    return [event for share, event in steps if chance.random() < share and event.time < end]


def _scan(chance: random.Random, name: str, time: int) -> Event:
    data = {"site": chance.choice(SITES), "weight": chance.randrange(50, 30_000)}
    return Event(
        name, chance.choice(SOURCES), "parcel.scanned", f"scanner {chance.randrange(40)}", time, data
    )


def _told(name: str, value: Any) -> Any:
    if name.endswith("_at"):
        return instant(value)
    return str(value) if isinstance(value, Decimal) else value
