"""Intake's one verb, ``accept``: events in, acknowledged frames and dead letters out; and the ticks that tell time.

What arrives within a few milliseconds shares one append. Work on the event loop is cut into slices, so that a large
body never holds it for long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import structlog

from services.domain.catalogue import Catalogue
from services.domain.facts import DeadLetter
from services.domain.frames import Kind
from services.domain.identity import hash64
from services.domain.lookups import Tables
from services.errors import SightlineError
from services.intake.enrichment import Misses
from services.intake.events import Event, Validator
from services.intake.explain import Rejection
from services.intake.frame_sets import Framer, heads
from services.intake.marks import marks_of
from services.ports import Append, Clock, Log
from services.records import encode
from services.settings import Intake as IntakeSettings
from services.topics import Topics

LIVE = "live"
SLICE = 1000
"""Events validated between two turns of the event loop (about 5 ms)."""
KEPT_PAYLOAD = 128 << 10
"""Bytes of a refused event that its dead letter keeps."""
IN_FLIGHT = 64 << 20
"""Bytes on their way to the log beyond which ``accept`` waits."""

_log = structlog.get_logger(__name__)


class Origin(NamedTuple):
    """Where candidates came from; ``source`` stands in where an event names none.

    ``records`` holds one ``topic:partition:offset`` per candidate where they came from a topic: it is then the id
    of an event without one.
    """

    name: str = "http"
    source: str | None = None
    records: Sequence[str] | None = None


HTTP = Origin()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch, once the log has acknowledged it: accepted + len(rejected) = candidates."""

    accepted: int
    rejected: list[Rejection]


@dataclass(slots=True)
class Counters:
    """Since the start, for ``/metrics``."""

    accepted: int = 0
    rejected: int = 0
    frames: int = 0
    bytes: int = 0
    by_code: dict[str, int] = field(default_factory=dict)


class Intake:
    """One catalogue's way in. Safe for concurrent use on one event loop."""

    def __init__(
        self,
        log: Log,
        topics: Topics,
        clock: Clock,
        settings: IntakeSettings,
        *,
        catalogue: Catalogue,
        text: str,
        tenant: str,
        max_event_bytes: int,
        tables: Tables | None = None,
        misses: Misses | None = None,
    ) -> None:
        """``text`` is the catalogue's canonical JSON; ``tenant`` the one that ticks from the start; ``tables`` and
        ``misses`` as of ``Validator``.
        """
        self._log, self._topics, self._clock, self._settings = log, topics, clock, settings
        self._max_event_bytes = max_event_bytes
        self._catalogue, self._text = catalogue, text
        self._tables, self._misses = tables, misses
        self._validator = self._validator_of(catalogue)
        self._framers: dict[tuple[str, str], Framer] = {}
        self._framer(tenant, LIVE)
        self._dead: list[Append] = []
        self._round: asyncio.Future[None] | None = None
        self._appends: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._ticker: asyncio.Task[None] | None = None
        self.counters = Counters()

    @property
    def catalogue(self) -> Catalogue:
        """The one that events are validated against."""
        return self._catalogue

    async def start(self) -> None:
        """Announce the catalogue to every partition, then tick until ``stop``."""
        await self._sent(self._barriers())
        self._ticker = asyncio.create_task(self._ticking(), name="intake ticker")

    async def stop(self) -> None:
        """Append what is under way and end ticking."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None
        self._flush()
        while self._appends:
            await asyncio.wait(self._appends)

    async def switch(self, catalogue: Catalogue, text: str) -> None:
        """Validate against another catalogue from now on; every partition is told by a barrier. The book of look-ups
        switches first: its ``tables`` are taken anew.
        """
        self._flush()
        self._catalogue, self._text = catalogue, text
        self._validator = self._validator_of(catalogue)
        runs = list(self._framers)
        self._framers = {}
        for tenant, run in runs:
            self._framer(tenant, run)
        await self._sent(self._barriers())

    async def accept(
        self, tenant: str, run: str, candidates: Sequence[bytes], origin: Origin = HTTP
    ) -> Receipt:
        """Validate ``candidates`` (JSON texts) and return once the log has acknowledged all that they became.

        Raises ``Unavailable`` when the log does not acknowledge: then any of them may or may not be there, and
        sending all again is safe, since duplicates are recognised by (source, id).
        """
        rejected: list[Rejection] = []
        rounds: set[asyncio.Future[None]] = set()
        for first in range(0, len(candidates), SLICE):
            if first:
                await asyncio.sleep(0)
            while self._in_flight > IN_FLIGHT:
                await asyncio.wait(self._appends, return_when=asyncio.FIRST_COMPLETED)
            framer = self._framer(tenant, run)
            rounds.add(self._joined())
            for outcome in self._validated(candidates, first, origin):
                if isinstance(outcome, Event):
                    framer.add(outcome)
                else:
                    rejected.append(outcome)
                    self._dead.append(self._dead_letter(tenant, candidates[outcome.index], outcome, origin))
            if framer.events >= self._settings.frame_events:
                self._flush()
        if rounds:
            await asyncio.wait(
                rounds
            )  # unlike gather it leaves a round alone when one of its requests is cancelled
        for round_ in rounds:
            round_.result()
        self.counters.accepted += len(candidates) - len(rejected)
        self._count(rejected)
        return Receipt(len(candidates) - len(rejected), rejected)

    async def refuse(self, tenant: str, refused: Sequence[tuple[bytes, Rejection]], origin: Origin) -> None:
        """Keep what could not even be read as an event as dead letters; returns once the log has them."""
        await self._sent([self._dead_letter(tenant, payload, why, origin) for payload, why in refused])
        self._count([why for _, why in refused])

    def _count(self, rejected: Sequence[Rejection]) -> None:
        self.counters.rejected += len(rejected)
        for rejection in rejected:
            self.counters.by_code[rejection.code] = self.counters.by_code.get(rejection.code, 0) + 1

    def check(self, payload: bytes, origin: Origin = HTTP) -> Rejection | None:
        """What ``accept`` would refuse it for; nothing is written."""
        [outcome] = self._validated([payload], 0, origin)
        return outcome if isinstance(outcome, Rejection) else None

    async def tick(self) -> None:
        """Tell every partition the time, for each live run."""
        now = self._clock.now()
        ticks = [framer.mark(Kind.TICK, now) for (_, run), framer in self._framers.items() if run == LIVE]
        await self._sent([record for records in ticks for record in records])

    def _validator_of(self, catalogue: Catalogue) -> Validator:
        return Validator(
            catalogue,
            max_event_bytes=self._max_event_bytes,
            tables=self._tables,
            misses=self._misses,
            now=self._clock.now,
        )

    def _validated(self, candidates: Sequence[bytes], first: int, origin: Origin) -> list[Event | Rejection]:
        ids = origin.records[first : first + SLICE] if origin.records else None
        payloads = candidates[first : first + SLICE]
        return self._validator.validate_all(payloads, first, source=origin.source, event_ids=ids)

    def _framer(self, tenant: str, run: str) -> Framer:
        framer = self._framers.get((tenant, run))
        if framer is None:
            framer = self._framers[tenant, run] = Framer(
                self._catalogue,
                heads(tenant, run, 0, self._catalogue.digest),
                self._topics.events.name,
                self._topics.partitions,
                frame_events=self._settings.frame_events,
                frame_bytes=self._settings.frame_bytes,
                marks=marks_of(self._catalogue, run),
            )
        return framer

    def _joined(self) -> asyncio.Future[None]:
        """The round that is open now; the first to join sets off its end."""
        if self._round is None:
            loop = asyncio.get_running_loop()
            self._round = loop.create_future()
            loop.call_later(self._settings.linger_ms / 1000, self._flush_if, self._round)
        return self._round

    def _flush_if(self, round_: asyncio.Future[None]) -> None:
        if self._round is round_:
            self._flush()

    def _flush(self) -> None:
        """Close the open round: what it holds is appended, and its future tells how that went."""
        if self._round is None:
            return
        round_, self._round = self._round, None
        now = self._clock.now()
        records = [record for framer in self._framers.values() for record in framer.take(now)]
        marks = [record for framer in self._framers.values() for record in framer.marks(now)]
        self.counters.frames += len(records)
        records += self._dead
        self._dead = []
        self._sent(records, marks).add_done_callback(partial(_settle, round_))

    def _sent(self, records: list[Append], marks: Sequence[Append] = ()) -> asyncio.Task[None]:
        """An append under way; those sent first are first in the log. ``marks`` follow when it is acknowledged."""
        size = sum(len(record.value or b"") for record in records)
        self._in_flight += size
        self.counters.bytes += size
        task = asyncio.create_task(self._append(records, marks))
        self._appends.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._appends.discard(task)
            self._in_flight -= size

        task.add_done_callback(done)
        return task

    async def _append(self, records: Sequence[Append], marks: Sequence[Append]) -> None:
        for each in (records, marks):
            if each:
                await self._log.append(each)

    def _barriers(self) -> list[Append]:
        now = self._clock.now()
        marks = [framer.mark(Kind.CATALOGUE, now, catalogue=self._text) for framer in self._framers.values()]
        return [record for records in marks for record in records]

    def _dead_letter(self, tenant: str, payload: bytes, rejection: Rejection, origin: Origin) -> Append:
        now = self._clock.now()
        place = origin.records[rejection.index] if origin.records else origin.name
        # What comes again from a topic is the same letter; what is posted again is another.
        seed = place if origin.records else f"{place}\0{now}\0{rejection.index}"
        letter = DeadLetter(
            id=f"{hash64(seed.encode() + payload):016x}",
            tenant=tenant,
            time=now,
            origin=place,
            event_id=rejection.id,
            field=rejection.field,
            value=rejection.value,
            code=rejection.code.value,
            message=rejection.message,
            payload=payload[:KEPT_PAYLOAD].decode("utf-8", "replace"),
        )
        return Append(self._topics.dead_letters.name, 0, letter.id.encode(), encode(letter))

    async def _ticking(self) -> None:
        while True:
            await asyncio.sleep(self._settings.tick_ms / 1000)
            try:
                await self.tick()
            except SightlineError as error:
                _log.warning("tick not acknowledged", error=error.message)


def _settle(round_: asyncio.Future[None], append: asyncio.Task[None]) -> None:
    if round_.cancelled():
        return
    error = asyncio.CancelledError() if append.cancelled() else append.exception()
    if error is None:
        round_.set_result(None)
    else:
        round_.set_exception(error)
        round_.exception()  # read once here: nobody may be waiting any more
