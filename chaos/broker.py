"""A real Kafka broker that is ours to kill: ``scripts/kafka`` on a folder and a port of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from chaos.cluster import free_port

SCRIPT = Path(__file__).parent.parent / "scripts" / "kafka"
ENDED_S = 15.0
T = TypeVar("T")


class Broker:
    """``start`` and ``restart`` return once it answers; its data stay when it is killed."""

    def __init__(self, folder: Path, address: str = "") -> None:
        self._folder = folder
        self.address = address or f"127.0.0.1:{free_port()}"

    @classmethod
    def at(cls, address: str, folder: Path) -> Broker:
        """Somebody else's, that runs already."""
        return cls(folder, address)

    def start(self) -> None:
        """Raises ``RuntimeError`` with what the script says."""
        self._script("start", "--port", self.address.rpartition(":")[2])

    def stop(self) -> None:
        """In an orderly way."""
        self._script("stop")

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        pid = self._pid()
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + ENDED_S
        while _runs(pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"broker {pid} does not end")
            time.sleep(0.05)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, and nobody answers."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self._pid(), signal.SIGCONT)

    def _pid(self) -> int:
        return int((self._folder / "pid").read_text())

    def _script(self, *arguments: str) -> None:
        command = [sys.executable, str(SCRIPT), *arguments, "--data", str(self._folder)]
        with tempfile.TemporaryFile("w+") as out:  # not a pipe: the broker inherits it and would keep it open
            done = subprocess.run(command, check=False, stdout=out, stderr=out)
            out.seek(0)
            if done.returncode != 0:
                raise RuntimeError(out.read().strip())


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Topics:
    """What is done to topics from outside, each in a client of its own."""

    def __init__(self, address: str) -> None:
        self._address = address

    def create(self, name: str, partitions: int) -> None:
        """A topic as somebody else would make it."""
        self._admin(lambda admin: admin.create_topics([NewTopic(name, partitions, 1)]))

    def delete(self, *names: str) -> None:
        """With all that is in them."""
        self._admin(lambda admin: admin.delete_topics(list(names)))

    def forget(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete the records below these offsets, as retention would."""
        wanted = {TopicPartition(topic, number): RecordsToDelete(at) for number, at in before.items()}
        self._admin(lambda admin: admin.delete_records(wanted))

    def ends(self, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
        """First offset and end of each partition."""
        return asyncio.run(self._ends([TopicPartition(topic, number) for number in range(partitions)]))

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        """Up to where a group has committed; partitions without a commit are left out."""

        async def ask(admin: AIOKafkaAdminClient) -> dict[int, int]:
            offsets = await admin.list_consumer_group_offsets(group)
            return {at.partition: told.offset for at, told in offsets.items() if at.topic == topic}

        found = self._admin(ask)
        return {number: found[number] for number in range(partitions) if number in found}

    def append(self, topic: str, records: Mapping[int, list[bytes | None]]) -> None:
        """Values without keys, to the partitions named."""
        asyncio.run(self._append(topic, records))

    def wait_for_record(self, topic: str, partitions: int, within_s: float = 30.0) -> bool:
        """Until something is appended to ``topic`` from now on; False when nothing was."""
        return asyncio.run(
            self._hear([TopicPartition(topic, number) for number in range(partitions)], within_s)
        )

    async def _hear(self, wanted: list[TopicPartition], within_s: float) -> bool:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            consumer.assign(wanted)
            await consumer.seek_to_end(*wanted)
            return bool(await consumer.getmany(timeout_ms=int(within_s * 1000)))
        finally:
            await consumer.stop()

    async def _append(self, topic: str, records: Mapping[int, list[bytes | None]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._address, enable_idempotence=True)
        await producer.start()
        try:
            for partition, values in records.items():
                for value in values:
                    await producer.send_and_wait(topic, value, partition=partition)
        finally:
            await producer.stop()

    async def _ends(self, wanted: list[TopicPartition]) -> dict[int, tuple[int, int]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address)
        await consumer.start()
        try:
            first, end = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
        finally:
            await consumer.stop()
        return {each.partition: (first[each], end[each]) for each in wanted}

    def _admin(self, work: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        async def run() -> T:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._address)
            await admin.start()
            try:
                return await work(admin)
            finally:
                await admin.close()

        return asyncio.run(run())
