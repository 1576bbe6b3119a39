"""What the tests of the processors share: a log with a processor on it, an oracle, and waiting for facts."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.adapters.log import open_log
from services.catalogue.canonical import load_program
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.health import PartitionHealth
from services.ports import Append, Log, Record, TopicSpec
from services.settings import Broker, Processing, Settings
from services.topics import JUDGE_PARTITIONS, Topics
from stream_processors.processor import Factory, Processor
from tests.processors.tally import Tally, Totals, frame

PARTITIONS = 5  # not JUDGE's number, so that the two topics are assigned apart

Values = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Site:
    """One log and the topics of one test on it."""

    url: str
    prefix: str

    kind: type[Topics] = Topics
    observer: Factory = Tally
    judge: Factory = Totals
    stuck_ms: int = 120_000

    @property
    def topics(self) -> Topics:
        return self.kind(self.prefix, PARTITIONS)

    def processor(self, log: Log, *, snapshot_ms: int = 50, instance: str = "") -> Processor:
        settings = Settings(
            broker=Broker(url=self.url, prefix=self.prefix, partitions=PARTITIONS),
            processing=Processing(
                flush_ms=20, linger_ms=5, snapshot_ms=snapshot_ms, instance=instance, stuck_ms=self.stuck_ms
            ),
        )
        return Processor(settings, self.topics, log, self.observer, self.judge)

    @asynccontextmanager
    async def log(self) -> AsyncIterator[Log]:
        opened = open_log(self.url)
        await opened.start()
        try:
            yield opened
        finally:
            await opened.stop()

    @asynccontextmanager
    async def running(self, *, snapshot_ms: int = 50) -> AsyncIterator[tuple[Log, Processor]]:
        async with self.log() as log, self.on(log, snapshot_ms=snapshot_ms) as processor:
            yield log, processor

    @asynccontextmanager
    async def on(self, log: Log, *, snapshot_ms: int = 50, instance: str = "") -> AsyncIterator[Processor]:
        processor = self.processor(log, snapshot_ms=snapshot_ms, instance=instance)
        await processor.start()
        try:
            yield processor
        finally:
            await processor.stop()

    async def append(self, log: Log, numbers: range) -> None:
        """One record of three events per number, over all partitions."""
        await log.append([self.record(number) for number in numbers])

    def record(self, number: int) -> Append:
        events = [(f"key{number * step % 7}", number * step) for step in (1, 2, 3)]
        return Append(self.topics.events.name, number % PARTITIONS, None, frame(events))

    async def settled(self, log: Log, *processors: Processor) -> None:
        """Wait until all that is in the log has been folded and said."""
        while not await self._quiet(log, processors):  # noqa: ASYNC110  # the log tells no one that it is quiet
            await asyncio.sleep(0.02)

    async def _quiet(self, log: Log, processors: Sequence[Processor]) -> bool:
        if any(processor.health().recovering for processor in processors):
            return False
        before = await self._ends(log)
        busy = self._behind(before, processors) or self._unsaid(processors)
        await asyncio.sleep(0.1)
        return not busy and before == await self._ends(log)

    def _unsaid(self, processors: Sequence[Processor]) -> bool:
        """Whether something was folded that nobody was told: under load that may take longer than any pause."""
        health = [processor.health() for processor in processors]
        return any(partition.unsaid for one in health for partition in one.partitions)

    async def _ends(self, log: Log) -> dict[tuple[str, int], int]:
        inputs = {"observe": self.topics.events.name, "judge": self.topics.judging.name}
        return {
            (name, partition): end
            for name, topic in inputs.items()
            for partition, (_, end) in (await log.ends(topic)).items()
        }

    def _behind(self, ends: dict[tuple[str, int], int], processors: Sequence[Processor]) -> bool:
        applied = dict.fromkeys(ends, -1)
        for processor in processors:
            for health in processor.health().partitions:
                key = (health.processor, health.partition)
                applied[key] = max(applied[key], health.applied)
        return any(applied[key] + 1 < end for key, end in ends.items())

    async def told(self, log: Log) -> Values:
        """Per key, what JUDGE said last."""
        said: Values = {}
        for value in await read_all(log, self.topics.kpis):
            said |= {key: (count, total) for key, (count, total) in json.loads(value).items()}
        return said

    async def expected(self, log: Log, without: bytes = b"") -> Values:
        """The oracle: everything in the events topic but records that are ``without``, counted and summed in one go."""
        counts: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        for value in await read_all(log, self.topics.events):
            if value == without:
                continue
            for key, amount in json.loads(value):
                counts[key] += 1
                sums[key] += amount
        return {key: (counts[key], sums[key]) for key in counts}


class Engines(Site):
    """A site with the engine's own states."""

    def processor(self, log: Log, *, snapshot_ms: int = 50, instance: str = "") -> Processor:
        settings = Settings(
            broker=Broker(url=self.url, prefix=self.prefix, partitions=PARTITIONS),
            processing=Processing(flush_ms=20, linger_ms=5, snapshot_ms=snapshot_ms, instance=instance),
        )
        return Processor(
            settings,
            self.topics,
            log,
            lambda number: Observer(number, load_program, JUDGE_PARTITIONS, partitions=PARTITIONS),
            lambda number: Judge(number, load_program, PARTITIONS),
        )


async def read_on(log: Log, topic: TopicSpec, offsets: dict[int, int]) -> list[bytes]:
    """What has come since ``offsets``, which move on."""
    found = []
    async for batch in log.read(topic.name, dict(offsets), follow=False):
        for record in batch:
            offsets[record.partition] = record.offset + 1
            found.append(record.value or b"")
    return found


async def read_all(log: Log, topic: TopicSpec) -> list[bytes]:
    return [record.value or b"" for record in await records_of(log, topic)]


async def records_of(log: Log, topic: TopicSpec) -> list[Record]:
    offsets = dict.fromkeys(range(topic.partitions), 0)
    return [record async for batch in log.read(topic.name, offsets, follow=False) for record in batch]


async def forget(site: Site, topic: str, before: Mapping[int, int]) -> None:
    """Have Kafka delete the records of ``topic`` below these offsets."""
    admin = AIOKafkaAdminClient(bootstrap_servers=site.url.removeprefix("kafka://"))
    await admin.start()
    try:
        await admin.delete_records(
            {TopicPartition(topic, number): RecordsToDelete(offset) for number, offset in before.items()}
        )
    finally:
        await admin.close()


def of(processor: Processor, name: str) -> list[PartitionHealth]:
    return [health for health in processor.health().partitions if health.processor == name]


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  # health is read, it does not call back
        await asyncio.sleep(0.01)
