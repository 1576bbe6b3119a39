"""``sightline up`` and ``sightline run``: start the parts, say where they are, serve until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Collection, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import Conflict, InvalidInput
from services.settings import Settings
from sightline.node import ALL, API, Node

if TYPE_CHECKING:
    import uvicorn

GRACE_S = 1
"""Open requests and streams get so long to end."""


def serve(folder: Path, parts: Collection[str], *, host: str | None, port: int | None) -> None:
    """Run ``parts`` in this process until Ctrl-C or SIGTERM."""
    settings = with_address(Settings(), host, port)
    if set(parts) != ALL and settings.broker.url.startswith("embedded:"):
        raise InvalidInput(
            "parts in processes of their own need a log that processes can share",
            field="SIGHTLINE_BROKER__URL",
            value=settings.broker.url,
            remedy="set SIGHTLINE_BROKER__URL=kafka://HOST:PORT, or use `sightline up` for all in one process",
        )
    asyncio.run(until_terminated(_serve(settings, folder, parts)))


async def until_terminated(work: Coroutine[None, None, None]) -> None:
    """Run ``work``; SIGTERM ends it as Ctrl-C does, but quietly."""
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        await task
    except asyncio.CancelledError:
        if not terminated:
            raise


def with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    """``settings`` with the address given on the command line."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    return settings.model_copy(update={"api": settings.api.model_copy(update=given)})


async def _serve(settings: Settings, folder: Path, parts: Collection[str]) -> None:
    from sightline.cli.output import console

    catalogue = None
    if API in parts:
        from services.catalogue.load import load_catalogue

        catalogue = load_catalogue(folder)
    node = Node(settings, parts, catalogue)
    async with running(node) as url:
        console.print(f"[bold]Sightline[/] runs {', '.join(sorted(parts))}")
        console.print(f"  log       {settings.broker.url}")
        console.print(f"  database  {shown(settings.database.url)}")
        if catalogue is not None:
            console.print(f"  catalogue {len(catalogue.kpis)} KPIs, {len(catalogue.events)} event types, from {folder}")
        if url:
            console.print(f"\n  [bold]{url}[/]\n")
        await node.failed()


def shown(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


@contextlib.asynccontextmanager
async def running(node: Node) -> AsyncIterator[str | None]:
    """A started node, serving HTTP where it has the api; yields its URL. Stops at the end, or when interrupted."""
    listener = bind(node.settings) if API in node.parts else None
    await node.start()
    server = None
    try:
        if listener is None or node.app is None:
            yield None
            return
        server = _server(node)
        serving = asyncio.create_task(server.serve([listener]))
        address, port = listener.getsockname()[:2]
        yield f"http://{address}:{port}"
    finally:
        if server is not None:
            server.should_exit = True
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(serving, GRACE_S + 0.5)
        await node.stop()


def bind(settings: Settings) -> socket.socket:
    """The listening socket, bound before anything slow starts; ``Conflict`` where the port is taken."""
    host, port = settings.api.host, settings.api.port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(
            f"cannot listen on {host}:{port}: {error.strerror}",
            field="port",
            value=port,
            remedy="pick another with --port (make: PORT=…), or --port 0 for a free one",
        ) from error
    return listener


def _server(node: Node) -> uvicorn.Server:
    import uvicorn

    assert node.app is not None

    class Server(uvicorn.Server):
        """Leaves Ctrl-C to ``asyncio.run``, which cancels everything, the server too."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            node.app,
            log_level=logging.WARNING,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            lifespan="on",
        )
    )
