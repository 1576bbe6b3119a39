"""What the intake costs on one core: JSON texts → validated events → frames. No log, no HTTP; CPU time.

Run: ``python -m bench.intake``. Six types, about 215 B per event, one copy per event, 16 partitions.
"""

from __future__ import annotations

import gc
import json
import random
import time

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Process, Step
from services.intake.cloudevents import parse
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.intake.framing import SLICE

EVENTS, PARTITIONS, ROUND = 40_000, 16, 20_000
TYPES = ("order.placed", "order.paid", "order.picked", "order.packed", "order.shipped", "order.delivered")


def catalogue() -> Catalogue:
    fields = {
        "order_id": Field("order_id", FieldType.STRING, required=True),
        "site": Field("site", FieldType.STRING),
        "carrier": Field("carrier", FieldType.STRING),
        "amount": Field("amount", FieldType.DECIMAL, scale=2),
        "due": Field("due", FieldType.TIMESTAMP),
    }
    types = {name: EventType(name, "", fields, {"order": "order_id"}) for name in TYPES}
    steps = tuple(Step(name, name) for name in TYPES)
    return Catalogue(types, {"order": Process("order", "order", steps, TYPES[0], (TYPES[-1],), {})}, {}, "d")


def body(seed: int) -> bytes:
    random_ = random.Random(seed)
    events = []
    for number in range(EVENTS):
        second = number % 60
        events.append(
            {
                "id": f"{seed}-{number}",
                "source": "wms",
                "type": TYPES[number % 6],
                "time": f"2026-03-01T12:{number // 60 % 60:02}:{second:02}.{number % 1000:03}Z",
                "data": {
                    "order_id": f"SO-{random_.randrange(130_000):07}",
                    "site": f"W{number % 7:02}",
                    "carrier": f"C{number % 11}",
                    "amount": random_.randrange(1, 30_000) / 100,
                    "due": f"2026-03-02T{number % 24:02}:00:00Z",
                },
            }
        )
    return json.dumps(events).encode()


def main() -> None:
    gc.set_threshold(50_000, 20, 50)  # as the command sets it
    bodies = [body(seed) for seed in range(3)]
    print(f"{len(bodies[0]) / EVENTS:.0f} B per event")
    validator = Validator(catalogue(), max_event_bytes=1 << 17)
    framer = Framer(
        catalogue(),
        heads("default", "live", 0, "d"),
        "events",
        PARTITIONS,
        frame_events=4000,
        frame_bytes=400 << 10,
    )
    for data in bodies:
        started = time.process_time()
        texts = parse({"content-type": "application/json"}, data)
        parsed = time.process_time()
        validating = framing = 0.0
        for first in range(0, EVENTS, SLICE):
            begun = time.process_time()
            events = validator.validate_all(texts[first : first + SLICE])
            validated = time.process_time()
            for event in events:
                assert isinstance(event, Event)
                framer.add(event)
            if framer.events >= ROUND:
                framer.take(0)
            validating += validated - begun
            framing += time.process_time() - validated
        parts = (parsed - started, validating, framing)
        print(
            "parse {:.2f} + validate {:.2f} + frame {:.2f} µs per event".format(
                *(p / EVENTS * 1e6 for p in parts)
            ),
            f"= {EVENTS / sum(parts):,.0f} events/s",
        )


if __name__ == "__main__":
    main()
