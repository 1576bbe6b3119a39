"""The live stream: a snapshot, then coalesced changes; clients that come back or fall behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple

import httpx2

from api import broadcast
from api.broadcast import Broadcaster, Channel
from api.present import Scopes
from api.server import bind, serve
from tests.api.conftest import NOW, World, told, value

TOTAL = Channel("default", "live", Scopes.TOTAL)


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    id: str | None
    data: Any


def parse(text: bytes) -> Event:
    fields = dict(line.split(": ", 1) for line in text.decode().strip().splitlines())
    return Event(fields["event"], fields.get("id"), json.loads(fields["data"]))


async def listen(world: World, last: str | None = None, channel: Channel = TOTAL) -> AsyncIterator[bytes]:
    broadcaster: Broadcaster = world.app.state.broadcaster
    messages = broadcaster.listen(channel, last)
    assert await anext(messages) == b"retry: 1000\n\n"
    return messages


async def following(messages: AsyncIterator[bytes]) -> Event:
    return parse(await anext(messages))


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_snapshot_and_then_what_changes(world: World) -> None:
    """The snapshot is what GET answers; changes name values and what is gone; finer scopes are not told."""
    world.live.apply(told(1, value(7), value(1, "on_time_share")))
    task = await world.stream()
    messages = await listen(world)
    snapshot = await following(messages)
    assert snapshot.name == "snapshot"
    assert snapshot.data == (await world.client.get("/api/v1/kpis")).json()
    world.live.apply(told(2, value(8), value(2, site="W01")))
    changes = await following(messages)
    assert (changes.name, changes.data["now"]) == ("changes", NOW)
    assert [(each["kpi"], each["value"]) for each in changes.data["values"]] == [("orders", 8.0)]
    assert changes.data["removed"] == [{"kpi": "on_time_share", "scope": {}}]
    await end(task)


async def test_changes_between_two_messages_are_told_once(world: World) -> None:
    """The last value wins."""
    task = await world.stream()
    messages = await listen(world)
    await following(messages)
    for position in range(1, 20):
        world.live.apply(told(position, value(position)))
    assert [each["value"] for each in (await following(messages)).data["values"]] == [19.0]
    await end(task)


async def test_who_comes_back_gets_what_was_missed(world: World) -> None:
    """With ``Last-Event-ID``; a fresh snapshot when that is of another life or too long ago."""
    task = await world.stream()
    messages = await listen(world)
    last = (await following(messages)).id
    for position in (1, 2):
        world.live.apply(told(position, value(position)))
        await following(messages)
    back = await listen(world, last)
    assert [[each["value"] for each in (await following(back)).data["values"]] for _ in range(2)] == [
        [1.0],
        [2.0],
    ]
    for stranger in ("0badcafe-1", "nonsense", f"{(last or '').partition('-')[0]}-999"):
        assert (await following(await listen(world, stranger))).name == "snapshot"
    await end(task)


async def test_a_channel_that_nobody_comes_back_to_is_forgotten(world: World) -> None:
    """It costs nothing any more; who comes back after all gets a snapshot, however the numbers go on."""
    broadcaster: Broadcaster = world.app.state.broadcaster
    task = await world.stream()
    messages = await listen(world)
    last = (await following(messages)).id
    await messages.aclose()  # type: ignore[attr-defined]  # an async generator
    for position in range(1, broadcast.KEPT + 2):
        world.live.apply(told(position, value(position)))
        broadcaster.publish()
    other = await listen(world)
    assert (await following(other)).name == "snapshot"
    world.live.apply(told(broadcast.KEPT + 3, value(5)))
    assert (await following(other)).name == "changes"
    assert (await following(await listen(world, last))).name == "snapshot"
    await end(task)


async def test_who_cannot_keep_up_gets_a_fresh_snapshot(world: World) -> None:
    """Its queue is bounded; others are not held up, and the messages' bytes are shared."""
    task = await world.stream()
    slow, quick, other = [await listen(world) for _ in range(3)]
    for messages in (slow, quick, other):
        await following(messages)
    for position in range(1, broadcast.QUEUE + 3):
        world.live.apply(told(position, value(position)))
        assert await anext(quick) is await anext(other)
    caught_up = await following(slow)
    assert caught_up.name == "snapshot"
    assert caught_up.data["kpis"][0]["values"][0]["value"] == broadcast.QUEUE + 2
    assert world.app.state.broadcaster.snapshots_after_loss == 1
    await end(task)


async def test_quiet_streams_have_a_heartbeat(world: World) -> None:
    """So that a lost connection can be told from a quiet one; with the server's clock."""
    world.app.state.broadcaster.heartbeat_s = 0.01
    messages = await listen(world)
    await following(messages)
    assert await following(messages) == Event("heartbeat", None, {"now": NOW})


async def test_closing_ends_every_stream(world: World) -> None:
    """The server can stop at once."""
    task = await world.stream()
    messages = await listen(world)
    await following(messages)
    assert world.app.state.broadcaster.clients == 1
    world.app.state.broadcaster.close()
    assert [each async for each in messages] == []
    assert world.app.state.broadcaster.clients == 0
    await task


async def test_a_real_server_streams_and_stops_at_once(world: World) -> None:
    """Over a socket, with uvicorn: Ctrl-C does not wait for the browser."""
    world.live.apply(told(1, value(7)))
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop = asyncio.Event()
    server = asyncio.create_task(serve(world.app, listener, stop))
    names = []
    async with httpx2.AsyncClient() as client, client.stream("GET", f"{url}/api/v1/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if len(names) == 1:
                    world.live.apply(told(2, value(8)))
                else:
                    stop.set()
    assert names == ["snapshot", "changes"]
    await server
