"""Kafka: Faust's own transport on aiokafka, with a consumer on which a seek redelivers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import ClassVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka
from faust.types import TP

from stream_processors.transports.seeking import SeekingConsumer

FETCH_WAIT_MS = 50


class ConsumerThread(aiokafka.AIOKafkaConsumerThread):
    """Faust's consumer thread, with fetches that come back soon.

    There is one fetch per broker at a time, and it leaves out partitions that still have records here. Once those
    are taken, the partition waits until the fetch for the idle ones comes back: 1.5 s, as Faust has it.
    """

    def _create_worker_consumer(self, transport: aiokafka.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  # Faust leaves no other way
        return consumer


class Consumer(SeekingConsumer, aiokafka.Consumer):
    """Reads from Kafka in a thread of its own."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Seek; a rebalance that takes the partition away meanwhile seeks by itself."""
        with contextlib.suppress(IllegalStateError):
            await super().go_to(positions)


class Transport(aiokafka.Transport):
    """``kafka://HOST:PORT``."""

    Consumer: ClassVar[type[Consumer]] = Consumer
