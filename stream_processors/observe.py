"""OBSERVE: events in, partials, cases and dead letters out.

All that it knows is in ``services.domain.observe``.
"""

from __future__ import annotations

from faust.types import StreamT

from services.topics import Topics
from stream_processors.app import ProcessorApp, create_topic
from stream_processors.drive import Driver
from stream_processors.transports.seeking import Helping

NAME = "observe"


def add_agent(app: ProcessorApp, topics: Topics, driver: Driver) -> None:
    """One agent over all partitions of the events topic that this worker has."""

    @app.agent(create_topic(app, topics.events.name), name=NAME, concurrency=1)
    async def observe(stream: StreamT[Helping]) -> None:
        await driver.consume(stream)
