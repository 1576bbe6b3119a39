"""A small catalogue, events of it, a clock that stands still, and a log in a list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Process, Step
from services.errors import NotFound, Unavailable
from services.intake.framing import Intake
from services.ports import Append, Cleanup, Consumer, Record, TopicSpec
from services.settings import Intake as IntakeSettings
from services.topics import Topics

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z
TOPICS = Topics("test", partitions=4)

FIELDS = {
    field.name: field
    for field in (
        Field("order_id", FieldType.STRING, required=True),
        Field("price", FieldType.DECIMAL, scale=2, required=True),
        Field("weight", FieldType.DECIMAL, scale=3),
        Field("quantity", FieldType.INTEGER),
        Field("express", FieldType.BOOLEAN),
        Field("promised at", FieldType.TIMESTAMP),
        Field("ticket", FieldType.STRING),
        Field("ready on", FieldType.DATE),
    )
}
PLACED = EventType("order.placed", "", FIELDS, {"order": "order_id", "ticket": "ticket"})
PINGED = EventType("pinged", "", {}, {})
CATALOGUE = Catalogue(
    {"order.placed": PLACED, "pinged": PINGED},
    {
        "order": Process("order", "order", (Step("placed", "order.placed"),), "placed", (), {}),
        "ticket": Process("ticket", "ticket", (Step("placed", "order.placed"),), "placed", (), {}),
    },
    {},
    "d1",
)


def event(**changes: Any) -> dict[str, Any]:
    """A valid event; ``data_x`` changes field x of its data, None leaves an attribute out."""
    data = {"order_id": "SO-1", "price": "12.50"}
    in_data = {name for name in changes if name.startswith("data_") and name != "data_base64"}
    data |= {name.removeprefix("data_"): changes[name] for name in in_data}
    attributes = {
        "specversion": "1.0",
        "id": "e1",
        "source": "shop",
        "type": "order.placed",
        "time": "2026-03-01T12:00:00Z",
        "data": data,
    }
    attributes |= {name: value for name, value in changes.items() if name not in in_data}
    return {name: value for name, value in attributes.items() if value is not None}


def text(**changes: Any) -> bytes:
    """``event`` as JSON."""
    return json.dumps(event(**changes)).encode()


class StoppedClock:
    """Always the same moment, until somebody sets ``time``."""

    def __init__(self, time: int = NOON) -> None:
        self.time = time

    def now(self) -> int:
        return self.time


class ListLog:
    """A log in a list; ``down`` makes it unavailable. ``to_come`` is what its consumers find."""

    def __init__(self) -> None:
        self.records: list[Append] = []
        self.down = False
        self.refused = 0
        self.unknown: set[str] = set()
        self.to_come: list[Record] = []
        self.committed = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    async def epoch(self) -> str:
        return "test"

    async def ensure(self, topics: Sequence[TopicSpec]) -> None: ...

    async def append(self, records: Sequence[Append]) -> list[int]:
        if self.down:
            self.refused += 1
            raise Unavailable("the log is away")
        self.records += records
        return list(range(len(records)))

    async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        if topic in self.unknown:
            raise NotFound("there is no such topic")
        return {0: (0, len(self.to_come))}

    async def cleanup(self, topic: str) -> Cleanup:
        await self.ends(topic)
        return Cleanup.DELETE

    async def lags(self, group: str, topic: str) -> dict[int, int]:
        raise NotImplementedError(group, topic)

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        raise NotImplementedError(topic, partition, timestamp)

    def read(
        self, topic: str, offsets: Mapping[int, int], *, follow: bool
    ) -> AsyncIterator[Sequence[Record]]:
        raise NotImplementedError(topic, offsets, follow)

    def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        return ListConsumer(self)

    def on(self, topic: str) -> list[Append]:
        """What was appended to ``topic``."""
        return [record for record in self.records if record.topic == topic]


class ListConsumer:
    def __init__(self, log: ListLog) -> None:
        self.log = log
        self.read = 0

    async def start(self) -> None:
        self.read = self.log.committed

    async def stop(self) -> None: ...

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Sequence[Record]:
        await asyncio.sleep(0)
        found = self.log.to_come[self.read : self.read + max_records]
        self.read += len(found)
        return found

    async def commit(self) -> None:
        self.log.committed = self.read


def intake_of(log: ListLog, clock: StoppedClock | None = None, **settings: Any) -> Intake:
    return Intake(
        log,
        TOPICS,
        clock or StoppedClock(),
        IntakeSettings(**{"linger_ms": 1, **settings}),
        catalogue=CATALOGUE,
        text='{"the": "catalogue"}',
        tenant="default",
        max_event_bytes=10_000,
    )
