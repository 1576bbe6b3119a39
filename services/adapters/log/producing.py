"""Appending to Kafka through an idempotent aiokafka producer, with an end to waiting.

Three habits of aiokafka 0.14 are worked around here, and only here:

- An idempotent producer never gives a batch up (``SendProduceReqHandler._can_retry``), so while the broker is away a
  send waits for ever. Here a wait ends when nothing has been acknowledged for as long as ``patience_s``. What was sent
  stays with the producer, which delivers it, once, when the broker is back; until then its partitions take nothing
  more: that bounds memory, and who comes later is told at once.
- A batch that fails all the same has used its sequence numbers up (``MessageAccumulator._pop_batch``): the partition
  then refuses whatever follows as out of order, for ever. So a producer that has failed once is replaced.
- ``AIOKafkaProducer.stop`` waits for delivery, without end: it is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.ending import ended
from services.errors import Unavailable
from services.ports import Append

STOP_S = 1.0
"""What is under way when a producer is stopped has so long to be delivered."""

Place = tuple[str, int]


class Producing:
    """Sends through one producer of ``make`` at a time; ``patience_s`` is how long it waits for an acknowledgement."""

    def __init__(self, make: Callable[[], AIOKafkaProducer], patience_s: float) -> None:
        self._make, self._patience = make, patience_s
        self._producer: AIOKafkaProducer | None = None
        self._failed: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._overdue: dict[Place, asyncio.Future[Any]] = {}

    async def start(self) -> None:
        """Connect. Raises ``KafkaError`` where nobody answers."""
        self._producer = self._make()
        await self._producer.start()

    async def stop(self) -> None:
        """Deliver what is under way, if that can be done soon. Safe to call twice."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _ended(producer)

    async def partitions(self, topic: str) -> frozenset[int] | None:
        """The partitions of ``topic`` as far as the producer knows them already."""
        known = (await self._working()).client.cluster.partitions_for_topic(topic)
        return None if known is None else frozenset(known)

    async def append(self, records: Sequence[Append]) -> list[int]:
        """The offsets of ``records``, once all are acknowledged; see ``services.ports.Log.append``."""
        for record in records:
            self._refuse_behind_overdue((record.topic, record.partition))
        producer = await self._working()
        sent: list[asyncio.Future[Any]] = []
        try:
            # A send waits when the buffer is full, so one after the other: that is what keeps their order.
            async with asyncio.timeout(self._patience):
                for record in records:
                    sent.append(await _send(producer, record))  # noqa: PERF401  # kept where a later one fails
            await self._acknowledged(sent)
            return [one.result().offset for one in sent]
        except TimeoutError:
            self._keep_overdue(records, sent)
            raise self._unanswered() from None
        except (KafkaError, OSError) as error:
            self._failed = producer
            self._keep_overdue(records, sent)
            raise Unavailable(f"Kafka did not take it: {type(error).__name__} {error}".rstrip()) from error

    async def _acknowledged(self, sent: Sequence[asyncio.Future[Any]]) -> None:
        """Until all are; ``TimeoutError`` once nothing more has been for ``patience_s``: slow is not away."""
        waiting = set(sent)
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=self._patience)
            if not done:
                raise TimeoutError

    async def _working(self) -> AIOKafkaProducer:
        """The producer; another one where it has failed."""
        if self._failed is not None:
            async with self._replacing:
                await self._replace()
        if self._producer is None:
            raise Unavailable("the log is not open")
        return self._producer

    async def _replace(self) -> None:
        failed = self._failed
        if failed is None or failed is not self._producer:
            self._failed = None
            return
        await _ended(failed)
        fresh = self._make()
        try:
            async with asyncio.timeout(self._patience):
                await fresh.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await _ended(fresh)
            raise self._unanswered() from error
        if self._producer is not failed:  # stopped meanwhile
            await _ended(fresh)
            raise Unavailable("the log is not open")
        self._producer, self._failed = fresh, None

    def _refuse_behind_overdue(self, place: Place) -> None:
        waiting = self._overdue.get(place)
        if waiting is None:
            return
        if not waiting.done():
            raise self._unanswered()
        del self._overdue[place]

    def _keep_overdue(self, records: Sequence[Append], sent: Sequence[asyncio.Future[Any]]) -> None:
        for record, one in zip(records, sent, strict=False):
            one.add_done_callback(_read)
            if not one.done():
                self._overdue[record.topic, record.partition] = one

    def _unanswered(self) -> Unavailable:
        return Unavailable(
            f"Kafka has acknowledged nothing for {self._patience:g} s",
            field="broker.url",
            remedy="send it again later: what was taken all the same is recognised by its source and id",
        )


async def _send(producer: AIOKafkaProducer, record: Append) -> asyncio.Future[Any]:
    sent: asyncio.Future[Any] = await producer.send(
        record.topic, record.value, key=record.key, partition=record.partition
    )
    return sent


def _read(sent: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more: its error is not to be complained about."""
    if not sent.cancelled():
        sent.exception()


async def _ended(producer: AIOKafkaProducer) -> None:
    """Stop it; where the broker does not answer, close its connections and let go of what is left."""
    if await ended(producer.stop(), STOP_S) is None:
        return
    await ended(producer.client.close(), STOP_S)
    sender = producer._sender.sender_task  # noqa: SLF001  # the one way to end it without a broker
    if sender is not None:
        await ended(sender, 0)
