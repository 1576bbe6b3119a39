"""Kafka: Faust's own transport on aiokafka, with a consumer on which a seek redelivers."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import ClassVar

from aiokafka.errors import IllegalStateError
from faust.transport.drivers import aiokafka
from faust.types import TP

from stream_processors.transports.seeking import SeekingConsumer


class Consumer(SeekingConsumer, aiokafka.Consumer):
    """Reads from Kafka in a thread of its own."""

    async def go_to(self, positions: Mapping[TP, int]) -> None:
        """Seek; a rebalance that takes the partition away meanwhile seeks by itself."""
        with contextlib.suppress(IllegalStateError):
            await super().go_to(positions)


class Transport(aiokafka.Transport):
    """``kafka://HOST:PORT``."""

    Consumer: ClassVar[type[Consumer]] = Consumer
