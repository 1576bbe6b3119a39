"""Source topics: topics onto which others write one JSON event per record. Read in batches, validated and framed as
everything else; offsets are committed only once the log has acknowledged the frames.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import structlog

from services.errors import Conflict, NotFound, SightlineError
from services.intake.framing import LIVE, Intake, Origin
from services.ports import Cleanup, Consumer, Log, Record

MAX_RECORDS = 10_000
POLL_MS = 500

_log = structlog.get_logger(__name__)


class SourceTopics:
    """Reads all source topics as one member of a consumer group; what comes twice is recognised as a duplicate."""

    def __init__(
        self,
        intake: Intake,
        log: Log,
        *,
        group: str,
        sources: Mapping[str, str],
        tenant: str,
        pause_s: float = 1.0,
    ) -> None:
        """``sources``: topic → the CloudEvents source of events that name none; ``pause_s``: how long it waits for
        a log that is away.
        """
        self._intake, self._log, self._group, self._sources, self._tenant = (
            intake,
            log,
            group,
            sources,
            tenant,
        )
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None
        self.records = 0

    async def start(self) -> None:
        """Read until ``stop``; nothing where no topic is named. Raises ``NotFound`` for one that does not exist,
        ``Conflict`` for one that is compacted.
        """
        for topic in self._sources:
            await self._must_exist(topic)
        if self._sources:
            self._task = asyncio.create_task(self._run(), name="source topics")

    async def stop(self) -> None:
        """Leave the group; what was not committed comes again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _must_exist(self, topic: str) -> None:
        try:
            kept = await self._log.cleanup(topic)
        except NotFound:
            raise NotFound(
                f"there is no source topic {topic!r} on the log",
                field="SIGHTLINE_INTAKE__SOURCES",
                value=topic,
                remedy="create it, or correct its name",
            ) from None
        if kept is Cleanup.COMPACT:
            raise Conflict(
                f"the source topic {topic!r} is compacted: events whose key comes again would be lost unread",
                field="SIGHTLINE_INTAKE__SOURCES",
                value=topic,
                remedy="set its cleanup.policy to delete, or have its events written to a topic that is not compacted",
            )

    async def step(self, consumer: Consumer) -> int:
        """One batch: read, accept, commit; returns how many records it had."""
        records = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        if not records:
            return 0
        by_topic: dict[str, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        await asyncio.gather(*(self._accept(topic, found) for topic, found in by_topic.items()))
        await consumer.commit()
        self.records += len(records)
        return len(records)

    async def _accept(self, topic: str, records: Sequence[Record]) -> None:
        known = [record for record in records if record.value is not None]
        places = [f"{topic}:{record.partition}:{record.offset}" for record in known]
        origin = Origin(topic, self._sources.get(topic), places)
        await self._intake.accept(self._tenant, LIVE, [record.value or b"" for record in known], origin)

    async def _run(self) -> None:
        """What the log refuses ends the membership: what was read and not acknowledged comes again with the next."""
        while True:
            consumer = self._log.consumer(self._group, list(self._sources))
            try:
                await consumer.start()
                while True:
                    await self.step(consumer)
            except SightlineError as error:
                _log.warning("source topics wait for the log", error=error.message)
            finally:
                await consumer.stop()
            await asyncio.sleep(self._pause_s)
