"""Starts and stops the processors of one process: the Faust app, its agents and their drivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast

from faust.types import TP

from services.domain.state import State
from services.ending import cancelled_from_within, ended
from services.errors import Unavailable
from services.health import ProcessorHealth
from services.liveness import Mark, watch
from services.ports import Log
from services.settings import Settings
from services.topics import Topics
from stream_processors import judge, observe
from stream_processors.app import ProcessorApp, buffers, create_app, create_table
from stream_processors.drive import SLOWEST_SNAPSHOT, Driver
from stream_processors.instance import Instance
from stream_processors.sending import Sender
from stream_processors.tables import SnapshotTables
from stream_processors.transports.seeking import SeekingConsumer

Factory = Callable[[int], State]

_log = logging.getLogger(__name__)
_BOTH = (observe.NAME, judge.NAME)
_LAST_WORDS = 0.5
_STOP = 1.2


class Processor:
    """OBSERVE and JUDGE (or ``only`` one of them) in this event loop.

    ``observer_factory`` and ``judge_factory`` make the empty state of a partition. One process has one
    processor per broker prefix; several processes share the partitions.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        log: Log,
        observer_factory: Factory,
        judge_factory: Factory,
        *,
        only: Collection[str] = _BOTH,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._source = log
        self._factories = {observe.NAME: observer_factory, judge.NAME: judge_factory}
        self._only = tuple(only)
        self._app: ProcessorApp | None = None
        self._instance: Instance | None = None
        self._drivers: list[Driver] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Create topics, join, restore the states; returns when records are being folded.

        Raises what went wrong: ``Unavailable``, ``Conflict`` (a topic differs), or the broker client's own
        error.
        """
        self._failed = asyncio.get_running_loop().create_future()
        await self._source.ensure(self._topics.all())
        self._instance = Instance(self._topics.prefix, self._settings.processing.instance)
        self._app = app = create_app(self._settings, self._topics, self._source, self._instance.name)
        sender = Sender(app, self._fail)
        self._drivers = [self._driver(app, name, sender) for name in _BOTH if name in self._only]
        for driver in self._drivers:
            driver.beside = self._drivers
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        app.finalize()
        cast("SeekingConsumer", app.consumer).positions = self._positions
        buffers(app)
        self._tasks = [asyncio.create_task(self._guard(driver.run())) for driver in self._drivers]
        self._tasks.append(asyncio.create_task(self._guard(_crash_of(app))))
        patience = self._settings.processing.stuck_ms / 1000
        self._tasks.append(asyncio.create_task(self._guard(watch(self._marks, patience))))
        await self._or_failure(asyncio.create_task(app.start()))

    async def wait(self) -> None:
        """Wait until the processor fails, and raise its error; the process must end then."""
        if self._failed is None:
            raise Unavailable("the processor was not started")
        await asyncio.shield(self._failed)

    async def snapshot(self) -> None:
        """Write what every state has come to, so that the next process has nothing to fold again."""
        for driver in self._drivers:
            await driver.snapshot()

    async def stop(self) -> None:
        """Say what is unsaid, leave the group, let go. Safe to call twice, and after a failure."""
        app, self._app = self._app, None
        if app is None:
            return
        if (error := await ended(self._last_words(), _LAST_WORDS)) is not None:  # a restart says it again
            _log.debug("stopping without last words: %r", error)
        await _cancel(self._tasks)
        if (error := await ended(app.stop(), _STOP)) is not None:
            _log.debug("stopping without an orderly end: %r", error)
        if self._instance is not None:
            self._instance.release()
        if self._failed is not None and self._failed.done():
            self._failed.exception()

    async def _last_words(self) -> None:
        for driver in self._drivers:
            await driver.stop()

    def health(self) -> ProcessorHealth:
        """How it is doing, now."""
        failure = self._failed.exception() if self._failed is not None and self._failed.done() else None
        partitions = (
            [partition for driver in self._drivers for partition in driver.health()] if self._app else []
        )
        return ProcessorHealth(
            recovering=self._app is None or any(driver.recovering for driver in self._drivers),
            failure=None if failure is None else repr(failure),
            partitions=tuple(partitions),
        )

    def _driver(self, app: ProcessorApp, name: str, sender: Sender) -> Driver:
        topics = self._topics
        source, changelog = (
            (topics.events, topics.observed) if name == observe.NAME else (topics.judging, topics.judged)
        )
        table = create_table(app, name, changelog=changelog.name, partitions=changelog.partitions)
        driver = Driver(
            name,
            app,
            topic=source.name,
            topics=topics,
            table=table,
            factory=self._factories[name],
            cadence=self._settings.processing,
            sender=sender,
            log=self._source,
            heals=name == judge.NAME,
        )
        table.on_assigned, table.on_recovered, table.on_error = driver.assigned, driver.recovered, self._fail
        (observe if name == observe.NAME else judge).add_agent(app, topics, driver)
        return driver

    async def _marks(self) -> Mapping[str, Mark]:
        """What must move: the changelogs while they are read, then what is folded, and what is committed."""
        slow = SLOWEST_SNAPSHOT * self._settings.processing.snapshot_ms / 1000
        found: dict[str, Mark] = {}
        for driver in self._drivers:
            if driver.recovering:
                found[f"{driver.name}: recovery"] = Mark(self._recovered(), waits=True)
                continue
            ends = await self._source.ends(driver.topic)
            for health in driver.health():
                name = f"{driver.topic}, partition {health.partition}"
                behind = health.gap is None and ends[health.partition][1] > health.applied + 1
                found[name] = Mark(health.applied, behind)
                found[f"{name}, committed"] = Mark(health.snapshot, health.applied > health.snapshot, slow)
        return found

    def _recovered(self) -> int:
        """Something that moves while changelogs are read, or the group is joined anew."""
        if self._app is None:
            return 0
        read = cast("SnapshotTables", self._app.tables).recovery.active_offsets.values()
        return sum(offset or 0 for offset in read) + self._app.consumer_generation_id

    def _positions(self) -> Mapping[TP, int]:
        return {tp: offset for driver in self._drivers for tp, offset in driver.positions().items()}

    async def _revoked(self, *_: object, **__: object) -> None:
        for driver in self._drivers:
            await driver.revoked()

    async def _guard(self, work: Awaitable[None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            if not cancelled_from_within():
                raise
            self._fail(Unavailable("the consumer ended while the processor still needed it"))
        except Exception as error:  # noqa: BLE001  # the edge: whatever it is, it ends the process
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            _log.error("the processor failed: %r", error, exc_info=error)
            self._failed.set_exception(error)

    async def _or_failure(self, starting: asyncio.Task[None]) -> None:
        if self._failed is None:
            raise Unavailable("the processor was not started")
        await asyncio.wait({starting, self._failed}, return_when=asyncio.FIRST_COMPLETED)
        if self._failed.done():
            await _cancel([starting])
            self._failed.result()
        await starting


async def _crash_of(app: ProcessorApp) -> None:
    """Wait until Faust gives up, and raise why."""
    await app._crashed.wait()  # noqa: SLF001  # mode has no public way to wait for it
    raise app.crash_reason or Unavailable("the stream processor crashed")


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
