"""What aiokafka does that Sightline works around. A test here that fails says: look whether the workaround can go."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, OutOfOrderSequenceNumber

from services.adapters.log.kafka import KafkaLog
from services.errors import Unavailable
from services.ports import Append, TopicSpec

SMALL = {"max.message.bytes": "2000"}
TOO_LARGE = b"x" * 5_000


async def test_aiokafka_uses_up_the_sequence_numbers_of_a_batch_that_fails(
    kafka: str, topic_prefix: str
) -> None:
    """After one refused batch an idempotent producer gets nothing more into the partition (``Producing._replace``)."""
    topic = await small_topic(kafka, topic_prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"before", partition=0)
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(topic, TOO_LARGE, partition=0)
        for _ in range(2):
            with pytest.raises(OutOfOrderSequenceNumber):
                await producer.send_and_wait(topic, b"after", partition=0)
    finally:
        await producer.stop()


async def test_the_log_goes_on_after_a_batch_that_failed(kafka: str, topic_prefix: str) -> None:
    """The record is refused; those after it are taken, by another producer."""
    topic = await small_topic(kafka, topic_prefix)
    log = KafkaLog(kafka)
    await log.start()
    try:
        assert await log.append([Append(topic, 0, None, b"before")]) == [0]
        with pytest.raises(Unavailable, match="MessageSizeTooLarge"):
            await log.append([Append(topic, 0, None, TOO_LARGE)])
        answers = await asyncio.gather(*(log.append([Append(topic, 0, None, b"after")]) for _ in range(3)))
        assert sorted(offset for answer in answers for offset in answer) == [1, 2, 3]
    finally:
        await log.stop()


async def small_topic(kafka: str, prefix: str) -> str:
    """A topic whose broker takes small batches only."""
    name = f"{prefix}.small"
    log = KafkaLog(kafka)
    await log.start()
    try:
        await log.ensure([TopicSpec(name, 1, retention_ms=-1, config=SMALL)])
    finally:
        await log.stop()
    return name
