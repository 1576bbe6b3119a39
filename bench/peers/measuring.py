"""One run: fill a source topic, start the engine, hear what it tells until that is everything, check the answer.

The clock does not run while an engine starts: it begins when a sixth of the events is known to be answered, and ends
when all are. The engine's processes are asked for their CPU at both moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers.answers import Reader
from bench.peers.engines import PARTITIONS, Engine, Job, start
from bench.peers.question import Events, Slot, Totals
from bench.program import cpu_seconds

WARM_SHARE = 1 / 6
LEAST_S = 1.0
"""Engines tell in bursts; what is shorter would time a burst."""
WITHIN_S, SETTLES_WITHIN_S = 180.0, 60.0
_LOOK_MS = 50
_BATCH_BYTES = 512 << 10


class VoidError(Exception):
    """A run whose figure must not count."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Events per second on the wall, and µs of the engine's CPU per event (the broker's not included)."""

    rate: float
    cpu_us: float


@dataclass(slots=True)
class Progress:
    """How many events an engine had answered, when, with how much CPU."""

    answered: int
    wall: float
    cpu: float


async def run(broker: str, engine: Engine, events: Events, closing: Events) -> Measured:
    """Measure one engine once, on a source topic of its own: one record per event, its time the record's. Raises
    ``VoidError`` where it does not finish, or answers wrongly.
    """
    name = f"{engine.name}-{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True) as folder:
        job = Job(broker, name, f"{name}-source", Path(folder))
        commands = engine.commands(job)
        if commands is None:
            raise VoidError("what it needs cannot be had here")
        await _create(broker, job.source, job.output)
        await _produce(broker, job.source, events, engine.keyed)
        processes = start(job, commands)
        try:
            return await asyncio.wait_for(_measure(job, engine, events, closing, processes), 2 * WITHIN_S)
        except TimeoutError:
            raise VoidError("not within its time") from None
        finally:
            await asyncio.to_thread(_end, processes)
            async with _admin(broker) as admin:
                await admin.delete_topics([job.source])


async def _measure(
    job: Job, engine: Engine, events: Events, closing: Events, processes: Sequence[subprocess.Popen[bytes]]
) -> Measured:
    async with contextlib.AsyncExitStack() as stack:
        heard = Heard(job, engine.told(job), engine.reader())
        if engine.by_commits:
            admin = await stack.enter_async_context(_admin(job.broker))
            progress = _committed(admin, job, regrouped=engine.keyed == "parcel")
        else:
            progress = heard.progress()
        await stack.enter_async_context(contextlib.aclosing(progress))
        begun, done = await _clocked(progress, len(events.texts), processes, job)
        measured = Measured(
            (done.answered - begun.answered) / (done.wall - begun.wall),
            (done.cpu - begun.cpu) / (done.answered - begun.answered) * 1e6,
        )
        if engine.closes:
            await _produce(job.broker, job.source, closing, engine.keyed)
        if engine.settled is not None:
            topic, reader = engine.settled
            heard = Heard(job, topic(job), reader())
        if events.answer:
            await heard.settle(events.answer)
        return measured


async def _clocked(
    progress: AsyncIterator[int], count: int, processes: Sequence[subprocess.Popen[bytes]], job: Job
) -> tuple[Progress, Progress]:
    """Where the clock began, and where it ended."""
    begun: Progress | None = None
    deadline = time.perf_counter() + WITHIN_S
    async for answered in progress:
        if any(process.poll() is not None for process in processes):
            raise VoidError(f"it ended: {_last_words(job)}")
        if time.perf_counter() > deadline:
            raise VoidError(
                f"{answered:,} of {count:,} events answered within {WITHIN_S:.0f} s: {_last_words(job)}"
            )
        now = Progress(answered, time.perf_counter(), sum(cpu_seconds(process.pid) for process in processes))
        if answered >= count:
            if begun is None or begun.answered > count / 2 or now.wall - begun.wall < LEAST_S:
                raise VoidError("the clock ran too short, or for too few events: give it more of them")
            return begun, now
        if begun is None and answered >= count * WARM_SHARE:
            begun = now
    raise VoidError("it told nothing")


class Heard:
    """What an output topic has told so far."""

    def __init__(self, job: Job, topic: str, reader: Reader) -> None:
        self._job, self._topic, self._reader = job, topic, reader
        self.totals: dict[Slot, Totals] = {}

    async def progress(self) -> AsyncGenerator[int, None]:
        """Again and again how many events are in what is told."""
        answered = 0
        async with contextlib.aclosing(_follow(self._job.broker, self._topic)) as told:
            async for records in told:
                for key, value in records:
                    for slot, totals in self._reader(key, value):
                        before = self.totals.get(slot)
                        answered += totals.count - (before.count if before else 0)
                        self.totals[slot] = totals
                yield answered

    async def settle(self, answer: Mapping[Slot, Totals]) -> None:
        """Hear until it is the right answer. Raises ``VoidError`` where it does not become so."""
        if self._right(answer):
            return
        self.totals.clear()
        deadline = time.perf_counter() + SETTLES_WITHIN_S
        async with contextlib.aclosing(self.progress()) as progress:
            async for _ in progress:
                if self._right(answer):
                    return
                if time.perf_counter() > deadline:
                    raise VoidError(f"a wrong answer: {self._difference(answer)}")

    def _right(self, answer: Mapping[Slot, Totals]) -> bool:
        return all(slot in self.totals and self.totals[slot].equals(right) for slot, right in answer.items())

    def _difference(self, answer: Mapping[Slot, Totals]) -> str:
        wrong = [
            (slot, self.totals.get(slot), right)
            for slot, right in answer.items()
            if slot not in self.totals or not self.totals[slot].equals(right)
        ]
        return f"{len(wrong)} of {len(answer)} slots, such as {wrong[0]}"


# --- Kafka ---


@contextlib.asynccontextmanager
async def _admin(broker: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _create(broker: str, *topics: str) -> None:
    async with _admin(broker) as admin:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])


async def _produce(broker: str, topic: str, events: Events, keyed: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker, max_batch_size=_BATCH_BYTES, acks="all")
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(PARTITIONS)]
        sent = []
        for number, (site, at, text) in enumerate(zip(events.sites, events.times, events.texts, strict=True)):
            key = f"W{site:03}".encode() if keyed == "site" else f"PARCEL{number:09}".encode()
            place = (site if keyed == "site" else number) % PARTITIONS
            if batches[place].append(key=key, value=text, timestamp=at) is None:
                sent.append(await producer.send_batch(batches[place], topic, partition=place))
                batches[place] = producer.create_batch()
                batches[place].append(key=key, value=text, timestamp=at)
        for place, batch in enumerate(batches):
            if batch.record_count():
                sent.append(await producer.send_batch(batch, topic, partition=place))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _follow(broker: str, topic: str) -> AsyncGenerator[list[tuple[bytes, bytes]], None]:
    """Records as they come, and an empty list now and then; waits for the topic."""
    async with _admin(broker) as admin:
        while topic not in await admin.list_topics():
            yield []
            await asyncio.sleep(0.2)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, max_partition_fetch_bytes=4 << 20)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        while True:
            found = await consumer.getmany(timeout_ms=_LOOK_MS, max_records=5_000)
            yield [
                (record.key or b"", record.value)
                for records in found.values()
                for record in records
                if record.value is not None
            ]
    finally:
        await consumer.stop()


async def _committed(admin: AIOKafkaAdminClient, job: Job, *, regrouped: bool) -> AsyncGenerator[int, None]:
    """How many events the group has committed; where they are ``regrouped``, of the topic that they go through."""
    while True:
        offsets = (await admin.list_consumer_group_offsets(job.name)).items()
        yield sum(max(found.offset, 0) for at, found in offsets if (at.topic == job.source) != regrouped)
        await asyncio.sleep(_LOOK_MS / 1000)


# --- processes ---


def _last_words(job: Job) -> str:
    said = [path.read_text(errors="replace").strip()[-600:] for path in sorted(job.folder.glob("said-*.log"))]
    return " | ".join(said)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
