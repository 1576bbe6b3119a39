"""Serving an app with uvicorn inside a program that has its own signals and its own way to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from services.errors import Conflict, InvalidInput

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one. ``Conflict`` when the port is in use, ``InvalidInput`` for an
    address that this machine does not have. See ``services.keys.check_address`` for who may listen where.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Conflict(
                f"port {port} is in use on {host}",
                field="api.port",
                value=port,
                remedy="stop what listens there, or choose another port: --port 0 picks a free one",
            ) from error
        raise InvalidInput(
            f"cannot listen on {host}:{port}: {error}",
            field="api.host",
            value=host,
            remedy="name an address of this machine",
        ) from error
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """Leaves signals to the program that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: FastAPI, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set; ``app.state.close`` ends streams at once, requests under way get a second."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=15,
    )
    server = _Server(config)

    async def stopper() -> None:
        await stop.wait()
        app.state.close()
        server.should_exit = True

    stopping = asyncio.create_task(stopper())
    try:
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()
