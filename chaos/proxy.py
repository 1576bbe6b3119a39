"""A TCP proxy that can be shut, frozen or slowed down: how a server that we do not own goes away."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto


class Way(Enum):
    """What happens to bytes that come."""

    OPEN = auto()
    SLOW = auto()
    FROZEN = auto()
    SHUT = auto()


SLOW_S = 0.2
"""How long each piece of data is held back when the way is slow."""


class Proxy:
    """Forwards one port of 127.0.0.1 to ``target`` (host, port), in a thread of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._way = Way.OPEN
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @contextmanager
    def being(self, way: Way) -> Iterator[None]:
        """For as long as the block lasts."""
        self.set(way)
        try:
            yield
        finally:
            self.set(Way.OPEN)

    def set(self, way: Way) -> None:
        """From now on; a way that is shut loses its connections."""
        asyncio.run_coroutine_threadsafe(self._set(way), self._loop).result(10)

    async def _set(self, way: Way) -> None:
        self._way = way
        if way is Way.SHUT:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._set(Way.SHUT)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._way is Way.SHUT:
            writer.transport.abort()
            return
        try:
            upstream, out = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, out}
        await asyncio.wait(
            {
                asyncio.ensure_future(self._copy(reader, out)),
                asyncio.ensure_future(self._copy(upstream, writer)),
            }
        )
        self._writers -= {writer, out}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self._way is Way.SLOW:
                    await asyncio.sleep(SLOW_S)
                while self._way is Way.FROZEN:  # noqa: ASYNC110  # it thaws once in a while
                    await asyncio.sleep(0.05)
                writer.write(data)
                await writer.drain()
        writer.close()
