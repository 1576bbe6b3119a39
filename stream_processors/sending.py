"""Sends records through Faust's producer and knows exactly which of its sends are not acknowledged yet.

Faust's own ``producer.flush()`` gives up after a stall of 100 ms; a barrier here waits for these sends, and a
send that fails ends the processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from faust.types import AppT

MOST_OUTSTANDING = 2_000


class Sender:
    """One per Faust app. ``on_error`` is told of a send that failed."""

    def __init__(self, app: AppT, on_error: Callable[[BaseException], None]) -> None:
        self._app = app
        self._on_error = on_error
        self._outstanding: set[asyncio.Future[Any]] = set()

    async def send(self, topic: str, partition: int, value: bytes) -> None:
        """Queue one record; waits only while too much is under way."""
        future = await self._app.producer.send(topic, None, value, partition, None, None)
        self.track(asyncio.ensure_future(future))
        while len(self._outstanding) > MOST_OUTSTANDING:
            await asyncio.wait(self._outstanding, return_when=asyncio.FIRST_COMPLETED)

    def track(self, future: asyncio.Future[Any]) -> None:
        """Count a send made elsewhere (a table's) among ours."""
        self._outstanding.add(future)
        future.add_done_callback(self._done)

    def outstanding(self) -> list[asyncio.Future[Any]]:
        """What is not acknowledged at this moment."""
        return list(self._outstanding)

    async def barrier(self, sends: Iterable[asyncio.Future[Any]] | None = None) -> None:
        """Wait until ``sends`` (default: all so far) are acknowledged; raises what one of them raised."""
        waiting = list(self._outstanding if sends is None else sends)
        if waiting:
            await asyncio.wait(waiting)
        for future in waiting:
            future.result()

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._outstanding.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._on_error(error)
