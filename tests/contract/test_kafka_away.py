"""The log on Kafka while its broker is dead or frozen: whoever appends is told, and afterwards it works again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from chaos.broker import Broker
from services.adapters.log.kafka import KafkaLog
from services.errors import Unavailable
from services.ports import Append, TopicSpec
from tests.requirements import Requirement, missing

PATIENCE_S = 1.0
LONG_S = 90
"""When a test that hangs ends."""
TOPIC = "away.events"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, to be killed."""
    if shutil.which("java") is None:
        missing(Requirement.KAFKA, "there is no java")
    ours = Broker(tmp_path / "kafka")
    try:
        ours.start()
    except RuntimeError as error:
        missing(Requirement.KAFKA, str(error).splitlines()[-1])
    yield ours
    ours.thaw()
    ours.kill()


@pytest_asyncio.fixture
async def log(broker: Broker) -> AsyncIterator[KafkaLog]:
    opened = KafkaLog(broker.address, patience_s=PATIENCE_S)
    await opened.start()
    await opened.ensure([TopicSpec(TOPIC, 2, retention_ms=-1)])
    yield opened
    async with asyncio.timeout(LONG_S):
        await opened.stop()


def record(value: str, partition: int = 0) -> Append:
    return Append(TOPIC, partition, None, value.encode())


async def appended(log: KafkaLog, value: str) -> None:
    """Append as a client does that tries again until it is taken."""
    while True:
        try:
            await log.append([record(value, 0), record(value, 1)])
        except Unavailable:
            await asyncio.sleep(0.2)
        else:
            return


async def read(log: KafkaLog, partition: int) -> list[str]:
    return [
        (one.value or b"").decode()
        async for batch in log.read(TOPIC, {partition: 0}, follow=False)
        for one in batch
    ]


@pytest.mark.timeout(180)
async def test_an_append_to_a_frozen_broker_is_refused_and_works_again_when_it_answers(
    broker: Broker, log: KafkaLog
) -> None:
    """Whoever waits is told, whoever comes later at once; what was refused may be there, once, and all in order."""
    await log.append([record("before"), record("before", 1)])
    broker.freeze()
    async with asyncio.timeout(LONG_S):
        with pytest.raises(Unavailable, match="acknowledged nothing for 1 s"):
            await log.append([record("during"), record("during", 1)])
        for _ in range(500):
            with pytest.raises(Unavailable, match="acknowledged nothing"):
                await log.append([record("never", 1)])
        broker.thaw()
        await appended(log, "after")
        assert await read(log, 0) == ["before", "during", "after"]
        assert await read(log, 1) == ["before", "during", "after"]


@pytest.mark.timeout(180)
async def test_an_append_to_a_killed_broker_is_refused_and_works_again_when_it_is_back(
    broker: Broker, log: KafkaLog
) -> None:
    """The same where nobody listens any more; the broker comes back with all that it had acknowledged."""
    await log.append([record("before"), record("before", 1)])
    broker.kill()
    async with asyncio.timeout(LONG_S):
        with pytest.raises(Unavailable):
            await log.append([record("during"), record("during", 1)])
        broker.start()
        await appended(log, "after")
        told = await read(log, 0)
    assert told[0] == "before"
    assert told[-1] == "after"
    assert len(told) == len(set(told))


@pytest.mark.timeout(180)
async def test_the_log_closes_without_a_broker(broker: Broker, log: KafkaLog) -> None:
    """What cannot be delivered is let go of, as it was never acknowledged."""
    broker.freeze()
    with pytest.raises(Unavailable):
        await log.append([record("during")])
    async with asyncio.timeout(LONG_S):
        await log.stop()
    with pytest.raises(Unavailable, match="not open"):
        await log.append([record("late")])
