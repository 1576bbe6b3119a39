"""The parts of Sightline that run in one process, wired: the only place where adapters meet those who use them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services import wiring
from services.liveness import watch
from services.ports import Clock, Log
from services.settings import Settings
from services.topics import JUDGE_PARTITIONS, Topics

if TYPE_CHECKING:
    from fastapi import FastAPI

    from services.adapters.database import Database
    from services.domain.catalogue import Catalogue
    from services.importing.load import SourceMapping
    from services.intake.framing import Intake
    from services.live import LiveView
    from services.lookups.book import LookupBook
    from services.lookups.files import Filed
    from services.recording import Recorder
    from stream_processors.processor import Processor

API, PROCESSOR, RECORDER = "api", "processor", "recorder"
ALL = frozenset({API, PROCESSOR, RECORDER})


@dataclass
class Node:
    """Parts of one installation in this process; ``start`` brings them up, ``stop`` takes them down in reverse.

    ``catalogue`` is needed by the api, which publishes it and validates events against it; ``mappings`` are those by
    which it reads the own JSON of sources; ``filed`` is what its look-ups' files say.
    """

    settings: Settings
    parts: Collection[str]
    catalogue: Catalogue | None = None
    clock: Clock = field(default_factory=wiring.clock)
    mappings: Sequence[SourceMapping] = ()
    filed: Mapping[str, Filed] = field(default_factory=dict)

    processor: Processor | None = field(default=None, init=False)
    intake: Intake | None = field(default=None, init=False)
    lookups: LookupBook | None = field(default=None, init=False)
    recorder: Recorder | None = field(default=None, init=False)
    live: LiveView | None = field(default=None, init=False)
    app: FastAPI | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.topics = Topics(self.settings.broker.prefix, self.settings.broker.partitions)
        self.log: Log = wiring.log(self.settings)
        self.database: Database = wiring.database(self.settings)
        self._stops: list[Callable[[], Awaitable[None]]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, first: Callable[[], Awaitable[None]] | None = None) -> None:
        """Bring the parts up; what has started is stopped again when one fails.

        ``first`` runs when there is an intake, but nothing yet that folds what it takes.
        """
        try:
            await self.open()
            if RECORDER in self.parts:
                self._start_recorder()
            if API in self.parts:
                await self._start_api()
            if first is not None:
                await first()
            if PROCESSOR in self.parts:
                await self._start_processor()
        except BaseException:
            await self.stop()
            raise

    async def halt(self) -> None:
        """Stop processing, before all else: a backlog must not keep requests and the other parts from ending."""
        if self.processor is not None:
            await self.processor.stop()

    async def open(self) -> None:
        """Log and database alone; ``start`` does it where nobody has."""
        if self._stops:
            return
        try:
            await self._up(self.log.start, self.log.stop)
            await self.log.ensure(self.topics.all())
            await self._up(self.database.start, self.database.stop)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take down what is up, last first."""
        await self.halt()
        while self._stops:
            await self._stops.pop()()
        if self._failed.done():
            self._failed.exception()  # told by watch; asyncio would complain about it once more

    async def watch(self, work: Coroutine[None, None, None] | None = None) -> None:
        """Until ``work`` is done (None: for ever). Raises the error of a part that fails: the process must end then."""
        failed = asyncio.shield(self._failed)
        if work is None:
            await failed
            return
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, failed}, return_when=asyncio.FIRST_COMPLETED)
            (task if task.done() else failed).result()
        finally:
            task.cancel()

    async def _up(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stops.append(stop)
        await start()

    def _run(self, work: Coroutine[None, None, None], name: str) -> None:
        """Keep ``work`` running until the node stops; the node fails with it."""
        task = asyncio.create_task(work, name=name)

        def ended(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and (error := done.exception()) and not self._failed.done():
                self._failed.set_exception(error)

        async def stop() -> None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

        task.add_done_callback(ended)
        self._stops.append(stop)

    async def _start_processor(self) -> None:
        from services.domain.judge import Judge
        from services.domain.observe import Observer
        from stream_processors.processor import Processor

        load = wiring.program_loader()
        self.processor = Processor(
            self.settings,
            self.topics,
            self.log,
            lambda partition: Observer(partition, load, JUDGE_PARTITIONS, partitions=self.topics.partitions),
            lambda partition: Judge(partition, load, self.topics.partitions),
        )
        await self._up(self.processor.start, self.processor.stop)
        self._run(self.processor.wait(), "processor")

    def _start_recorder(self) -> None:
        from services.recording import Recorder

        database = self.database
        self.recorder = Recorder(
            self.log,
            self.topics,
            self.clock,
            history=database.history,
            cases=database.cases,
            dead_letters=database.dead_letters,
            runs=database.runs,
        )
        self._run(self.recorder.run(), "recorder")
        patience = self.settings.processing.stuck_ms / 1000
        self._run(watch(self.recorder.marks, patience), "recorder's watch")

    async def _start_api(self) -> None:
        from api.app import create_app
        from services.keys import Keyring, check_address
        from services.live import LiveView
        from sightline.answering import dependencies

        if self.catalogue is None:
            raise ValueError("the api needs a catalogue")
        keyring = Keyring(self.database.keys, self.clock, self.settings.tenant)
        await check_address(self.settings.api.host, keyring)
        self.live = LiveView(self.log, self.topics.kpis.name)
        self.live.load(await self.database.runs.finals())
        self._run(self.live.run(), "live view")
        self.intake = await self._start_intake(self.catalogue)
        self.app = create_app(dependencies(self, keyring, self.live, self.intake))

    async def _start_intake(self, catalogue: Catalogue) -> Intake:
        from services.catalogue.canonical import to_text
        from services.domain.stored import RunRecord
        from services.intake.framing import LIVE, Intake
        from services.lookups.book import LookupBook

        settings, tenant, text = self.settings, self.settings.tenant, to_text(catalogue)
        await self.database.runs.begin(
            RunRecord(tenant, LIVE, 0, catalogue.digest, text, started=self.clock.now())
        )
        book = self.lookups = LookupBook(
            self.log, self.topics.lookups.name, self.clock, catalogue, tenant=tenant, filed=self.filed
        )
        await self._up(book.start, book.stop)
        intake = Intake(
            self.log,
            self.topics,
            self.clock,
            settings.intake,
            catalogue=catalogue,
            text=text,
            tenant=tenant,
            max_event_bytes=settings.api.max_event_bytes,
            tables=book.tables,
            misses=book.misses,
        )
        await self._up(intake.start, intake.stop)
        await self._start_source_topics(intake)
        return intake

    async def _start_source_topics(self, intake: Intake) -> None:
        from services.intake.source_topics import SourceTopics

        source_topics = SourceTopics(
            intake,
            self.log,
            group=f"{self.topics.prefix}.intake",
            sources=self.settings.intake.sources,
            tenant=self.settings.tenant,
        )
        await self._up(source_topics.start, source_topics.stop)
