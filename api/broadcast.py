"""Server-sent events for many: each message is encoded once per channel and its bytes are shared.

A channel is (tenant, run, scopes). Changes are coalesced for ``interval_ms``; each client has a bounded queue: one
that cannot keep up loses the queue and gets a fresh snapshot instead of ever older changes. The last messages of a
channel are kept, so that a client that comes back with ``Last-Event-ID`` resumes without a snapshot.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from api.present import Scopes, changes
from api.shapes import KpisShape, encode
from services.domain.live_values import ValueKey
from services.live import Changes, LiveView, RunKey
from services.ports import Clock

QUEUE = 32
KEPT = 256
HEARTBEAT_S = 5.0


class Channel(NamedTuple):
    """What a client listens to."""

    tenant: str
    run: str
    scopes: Scopes


class Message(NamedTuple):
    """One encoded message and its number in its channel."""

    number: int
    data: bytes


Snapshot = Callable[[Channel], Awaitable[KpisShape]]


class _Client:
    """One listener's queue. ``lost``: it overflowed, and a snapshot is due."""

    def __init__(self) -> None:
        self.queue: deque[Message] = deque()
        self.lost = False
        self.news = asyncio.Event()

    def put(self, message: Message) -> None:
        if len(self.queue) >= QUEUE:
            self.queue.clear()
            self.lost = True
        if not self.lost:
            self.queue.append(message)
        self.news.set()


class _Listeners:
    """The clients of a channel, and its last messages. ``unheard``: how many went out since the last client left."""

    def __init__(self) -> None:
        self.clients: set[_Client] = set()
        self.kept: deque[Message] = deque(maxlen=KEPT)
        self.number = 0
        self.unheard = 0
        self._life = secrets.token_hex(4)

    def id(self, number: int) -> str:
        return f"{self._life}-{number}"

    def missed(self, last_event_id: str | None) -> list[Message] | None:
        """What came after a message; None where that is unknown."""
        life, _, number = (last_event_id or "").partition("-")
        if life != self._life or not number.isdecimal():
            return None
        return self.since(int(number))

    def publish(self, message: Message) -> None:
        self.number = message.number
        self.unheard = 0 if self.clients else self.unheard + 1
        self.kept.append(message)
        for client in self.clients:
            client.put(message)

    def since(self, number: int) -> list[Message] | None:
        """The messages after ``number``; None where some of them are no longer kept."""
        if number == self.number:
            return []
        if number > self.number or not self.kept or self.kept[0].number > number + 1:
            return None
        return [message for message in self.kept if message.number > number]


class Broadcaster:
    """Turns changes of the live view into messages for all who listen; ``run`` is the task that does."""

    def __init__(self, live: LiveView, clock: Clock, snapshot: Snapshot, interval_ms: int) -> None:
        self._live = live
        self._clock = clock
        self._snapshot = snapshot
        self._interval = interval_ms / 1000
        self._channels: dict[Channel, _Listeners] = {}
        self._news = Changes()
        self._closed = asyncio.Event()
        self.heartbeat_s = HEARTBEAT_S
        self.snapshots_after_loss = 0

    @property
    def clients(self) -> int:
        """How many listen now."""
        return sum(len(listeners.clients) for listeners in self._channels.values())

    async def run(self) -> None:
        """Publish for ever, at most once per interval; returns when closed."""
        news = self._news = self._live.subscribe()
        try:
            while not self._closed.is_set():
                await _first(news.wait(), self._closed.wait())
                self.publish()
                await _first(asyncio.sleep(self._interval), self._closed.wait())
        finally:
            self._live.unsubscribe(news)

    def publish(self) -> None:
        """Tell all listeners what has changed since this was last called."""
        for (tenant, run), keys in self._news.take(self._listened_to()).items():
            self._publish(tenant, run, keys)

    def close(self) -> None:
        """End every stream, so that the server can stop at once."""
        self._closed.set()
        for listeners in self._channels.values():
            for client in listeners.clients:
                client.news.set()

    async def listen(self, channel: Channel, last_event_id: str | None) -> AsyncIterator[bytes]:
        """Messages as bytes: what was missed or a snapshot, then changes, and a heartbeat when all is quiet."""
        listeners = self._channels.setdefault(channel, _Listeners())
        client = _Client()
        listeners.clients.add(client)
        try:
            yield b"retry: 1000\n\n"
            missed = listeners.missed(last_event_id)
            if missed is None:
                yield await self._fresh(channel, listeners, client)
            else:
                for message in missed:
                    yield message.data
            async for data in self._follow(channel, listeners, client):
                yield data
        finally:
            listeners.clients.discard(client)

    async def _follow(self, channel: Channel, listeners: _Listeners, client: _Client) -> AsyncIterator[bytes]:
        while not self._closed.is_set():
            try:
                await asyncio.wait_for(client.news.wait(), self.heartbeat_s)
            except TimeoutError:
                yield _event("heartbeat", {"now": self._clock.now()}, None)
                continue
            client.news.clear()
            if client.lost:
                self.snapshots_after_loss += 1
                yield await self._fresh(channel, listeners, client)
            while client.queue:
                yield client.queue.popleft().data

    async def _fresh(self, channel: Channel, listeners: _Listeners, client: _Client) -> bytes:
        """A snapshot; messages from before it are dropped, those made while it is made stay in the queue."""
        client.queue.clear()
        client.lost = False
        number = listeners.number
        return _event("snapshot", await self._snapshot(channel), listeners.id(number))

    def _listened_to(self) -> dict[RunKey, float]:
        """The runs that somebody listens to, or may come back to, and the widest scopes that are told of each."""
        widest: dict[RunKey, float] = {}
        for tenant, run, scopes in self._channels:
            widest[tenant, run] = max(scopes.widest, widest.get((tenant, run), 0))
        return widest

    def _publish(self, tenant: str, run: str, keys: set[ValueKey]) -> None:
        view = self._live.get(tenant, run)
        for scopes in Scopes:
            channel = Channel(tenant, run, scopes)
            listeners = self._channels.get(channel)
            if listeners is None:
                continue
            if listeners.unheard >= KEPT:  # nobody who comes back could resume: not worth encoding for
                del self._channels[channel]
                continue
            told = (key for key in keys if scopes.admits(key))
            shape = changes(view, told, now=self._clock.now(), ready=self._live.ready)
            number = listeners.number + 1
            listeners.publish(Message(number, _event("changes", shape, listeners.id(number))))


def _event(name: str, shape: object, event_id: str | None) -> bytes:
    head = f"event: {name}\n" + (f"id: {event_id}\n" if event_id else "") + "data: "
    return head.encode() + encode(shape) + b"\n\n"


async def _first(*waits: Awaitable[object]) -> None:
    """Until the first is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in itertools.filterfalse(asyncio.Task.done, tasks):
            task.cancel()
