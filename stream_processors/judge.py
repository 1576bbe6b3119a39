"""JUDGE: partials in, KPI values and closed windows out.

All that it knows is in ``services.domain.judge``.
"""

from __future__ import annotations

from faust.types import StreamT

from services.topics import Topics
from stream_processors.app import ProcessorApp, create_topic
from stream_processors.drive import Driver
from stream_processors.transports.seeking import Helping

NAME = "judge"


def add_agent(app: ProcessorApp, topics: Topics, driver: Driver) -> None:
    """One agent over all partitions of the judging topic that this worker has."""

    @app.agent(create_topic(app, topics.judging.name), name=NAME, concurrency=1)
    async def judge(stream: StreamT[Helping]) -> None:
        await driver.consume(stream)
