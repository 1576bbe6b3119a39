"""``sightline up`` and ``sightline run``: start the parts, say where they are, serve until interrupted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import Conflict, InvalidInput
from services.settings import Settings, read_settings
from sightline.deadline import Deadline, watch_loop
from sightline.node import ALL, API, PROCESSOR, RECORDER, Node

if TYPE_CHECKING:
    from fastapi import FastAPI

    from services.domain.catalogue import Catalogue
    from services.importing.load import SourceMapping
    from services.lookups.files import Filed

PORTS = {PROCESSOR: 8322, RECORDER: 8323}
"""Where a process without the api serves its health and its metrics, unless told."""
GRACE_S = 1.5
"""Open requests and streams get so long to end."""


def serve(folder: Path, parts: Collection[str], *, host: str | None, port: int | None) -> None:
    """Run ``parts`` in this process until Ctrl-C or SIGTERM."""
    settings = with_address(read_settings(), host, port)
    if set(parts) != ALL and settings.broker.url.startswith("embedded:"):
        raise InvalidInput(
            "parts in processes of their own need a log that processes can share",
            field="SIGHTLINE_BROKER__URL",
            value=settings.broker.url,
            remedy="set SIGHTLINE_BROKER__URL=kafka://HOST:PORT, or use `sightline up` for all in one process",
        )
    deadline = Deadline()
    with listen(settings, parts, port) as listener:
        asyncio.run(until_terminated(_serve(settings, folder, parts, listener, deadline), deadline))


async def until_terminated(work: Coroutine[None, None, None], deadline: Deadline | None = None) -> None:
    """Run ``work``; SIGTERM ends it as Ctrl-C does, but quietly, and within ``deadline``."""
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        if deadline is not None:
            deadline.begin()
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


async def _serve(
    settings: Settings, folder: Path, parts: Collection[str], listener: socket.socket, deadline: Deadline
) -> None:
    from sightline.cli.output import console

    catalogue: Catalogue | None = None
    mappings: Sequence[SourceMapping] = ()
    filed: Mapping[str, Filed] = {}
    if API in parts:
        from services.lookups.files import read_filed
        from sightline.catalogue import load_folder

        catalogue, mappings = load_folder(folder)
        filed, _ = read_filed(folder, catalogue)
    node = Node(settings, parts, catalogue, mappings=mappings, filed=filed)
    watched = watch_loop(asyncio.get_running_loop(), settings.processing.stuck_ms / 1000)
    async with running(node, listener=listener, ending=(deadline.begin, watched)) as url:
        console.print(f"[bold]Sightline[/] runs {', '.join(sorted(parts))}")
        console.print(f"  log       {settings.broker.url}")
        console.print(f"  database  {shown(settings.database.url)}")
        if catalogue is not None:
            console.print(
                f"  catalogue {len(catalogue.kpis)} KPIs, {len(catalogue.events)} event types, from {folder}"
            )
        if API not in parts:
            console.print(f"  health    {url}/readyz?verbose")
            console.print(f"  metrics   {url}/metrics")
        else:
            console.print(f"\n  [bold]{url}[/]\n")
        await node.watch()


def shown(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)


@contextlib.asynccontextmanager
async def running(
    node: Node,
    first: Callable[[], Awaitable[None]] | None = None,
    *,
    listener: socket.socket | None = None,
    ending: Sequence[Callable[[], None]] = (),
) -> AsyncIterator[str | None]:
    """A started node that serves HTTP; yields its URL. Stops at the end, or when interrupted.

    With the api, it serves once all is there; a processor or recorder alone tells how it is doing from the start.
    ``first``: see ``Node.start``. ``listener`` is closed too; unless given, it is where the settings say. ``ending`` is
    called when the end begins.
    """
    listener = listener or listen(node.settings, node.parts)
    stop = asyncio.Event()
    serving: asyncio.Task[None] | None = None
    try:
        if API not in node.parts:
            await node.open()
            serving = asyncio.create_task(_serve_http(await _vitals_app(node), listener, stop))
        await node.start(first)
        if node.app is not None:
            serving = asyncio.create_task(_serve_http(node.app, listener, stop))
        address, port = listener.getsockname()[:2]
        yield f"http://{address}:{port}"
    finally:
        for begin in ending:
            begin()
        stop.set()
        await node.halt()
        if serving is not None:
            await asyncio.wait({serving}, timeout=GRACE_S)
        await node.stop()
        listener.close()


async def _serve_http(app: FastAPI, listener: socket.socket, stop: asyncio.Event) -> None:
    from api.server import serve as serve_http

    await serve_http(app, listener, stop)


async def _vitals_app(node: Node) -> FastAPI:
    from api.vitals import create_vitals_app
    from services.keys import Keyring, check_address
    from sightline.vitals import vitals

    host = node.settings.api.host
    keyring = Keyring(node.database.keys, node.clock, node.settings.tenant)
    await check_address(host, keyring)
    return create_vitals_app(vitals(node), keyring, (host,))


def listen(settings: Settings, parts: Collection[str], given: int | None = None) -> socket.socket:
    """Bound before anything slow starts, so that a port in use is told at once.

    The port is the one ``given``, or the api's; that of another part alone is its usual one, or a free one where that
    is taken: several processors may share a machine.
    """
    from api.server import bind

    host = settings.api.host
    if given is not None or API in parts:
        return bind(host, settings.api.port if given is None else given)
    usual = next(port for part, port in PORTS.items() if part in parts)
    try:
        return bind(host, usual)
    except Conflict:
        return bind(host, 0)
