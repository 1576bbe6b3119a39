"""One suite over every adapter of the log port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from services.adapters.log import open_log
from services.errors import Conflict, InvalidInput, NotFound, TooLarge, Unavailable
from services.ports import MAX_RECORD_BYTES, Append, Cleanup, Consumer, Log, Record, TopicSpec

DAY = 86_400_000


@pytest_asyncio.fixture
async def log(url: str) -> AsyncIterator[Log]:
    opened = open_log(url)
    await opened.start()
    yield opened
    await opened.stop()


@pytest_asyncio.fixture
async def topic(log: Log, topic_prefix: str) -> str:
    """A topic of two partitions."""
    name = f"{topic_prefix}.events"
    await log.ensure([TopicSpec(name, 2, retention_ms=DAY)])
    return name


def appends(topic: str, partition: int, *values: str) -> list[Append]:
    return [Append(topic, partition, None, value.encode()) for value in values]


async def read_all(log: Log, topic: str, offsets: dict[int, int]) -> list[Record]:
    return [record async for batch in log.read(topic, offsets, follow=False) for record in batch]


async def take(consumer: Consumer, count: int) -> list[Record]:
    """What the consumer gets, until it has ``count`` records."""
    taken: list[Record] = []
    while len(taken) < count:
        taken += await consumer.getmany(timeout_ms=1_000, max_records=100)
    return taken


def values(records: Sequence[Record]) -> list[str]:
    return [(record.value or b"-").decode() for record in records]


async def test_offsets_of_a_partition_count_from_zero_in_order(log: Log, topic: str) -> None:
    """Appends answer with their offsets; each partition counts for itself."""
    mixed = [*appends(topic, 0, "a", "b"), *appends(topic, 1, "x"), *appends(topic, 0, "c")]
    assert await log.append(mixed) == [0, 1, 0, 2]
    assert await log.append(appends(topic, 1, "y")) == [1]
    assert await log.ends(topic) == {0: (0, 3), 1: (0, 2)}


async def test_appending_nothing_is_nothing(log: Log, topic: str) -> None:
    """No records, no offsets."""
    assert await log.append([]) == []
    assert await log.ends(topic) == {0: (0, 0), 1: (0, 0)}


async def test_what_is_read_is_what_was_appended(log: Log, topic: str) -> None:
    """Keys, values, tombstones and places come back as they went in, with the time of the append."""
    await log.append(
        [Append(topic, 1, b"key", b"\x00\xff"), Append(topic, 1, b"gone", None), Append(topic, 1, b"", b"")]
    )
    first, second, third = await read_all(log, topic, {1: 0})
    assert (first.topic, first.partition, first.offset, first.key, first.value) == (
        topic,
        1,
        0,
        b"key",
        b"\x00\xff",
    )
    assert (second.offset, second.key, second.value) == (1, b"gone", None)
    assert (third.offset, third.key, third.value) == (2, b"", b"")
    assert 0 < first.timestamp <= second.timestamp <= third.timestamp


async def test_reading_starts_at_the_offset_and_ends_at_the_end(log: Log, topic: str) -> None:
    """Without follow a read ends where the log ended; partitions that are not named are not read."""
    await log.append([*appends(topic, 0, "a", "b", "c"), *appends(topic, 1, "x")])
    assert values(await read_all(log, topic, {0: 1})) == ["b", "c"]
    assert values(await read_all(log, topic, {0: 3})) == []
    assert sorted(values(await read_all(log, topic, {0: 2, 1: 0}))) == ["c", "x"]


async def test_a_follower_gets_what_is_appended_later(log: Log, topic: str) -> None:
    """With follow a read goes on for ever."""
    await log.append(appends(topic, 0, "a"))
    followed = log.read(topic, {0: 0, 1: 0}, follow=True)
    assert values(await anext(followed)) == ["a"]
    waiting = asyncio.ensure_future(anext(followed))
    await log.append(appends(topic, 1, "later"))
    assert values(await waiting) == ["later"]
    await followed.aclose()  # type: ignore[attr-defined]  # an async generator, as every adapter gives one


async def test_concurrent_appends_keep_the_order_of_each_caller(log: Log, topic: str) -> None:
    """Offsets are unique, and the records of one append stand in its order."""
    batches = [[f"{batch}-{i}" for i in range(20)] for batch in range(20)]
    answers = await asyncio.gather(*(log.append(appends(topic, 0, *batch)) for batch in batches))
    assert sorted(offset for answer in answers for offset in answer) == list(range(400))
    assert all(answer == sorted(answer) for answer in answers)
    stored = values(await read_all(log, topic, {0: 0}))
    for batch, answer in zip(batches, answers, strict=True):
        assert [stored[offset] for offset in answer] == batch


async def test_many_and_large_records_come_back_whole(log: Log, topic: str) -> None:
    """A read takes as many batches as it needs."""
    big = [Append(topic, 0, None, bytes([i]) * 400_000) for i in range(30)]
    small = [Append(topic, 0, None, b"%d" % i) for i in range(6_000)]
    await log.append([*big, *small])
    read = await read_all(log, topic, {0: 0})
    assert [record.offset for record in read] == list(range(6_030))
    assert [record.value for record in read] == [record.value for record in [*big, *small]]


async def test_a_record_that_is_too_large_leaves_no_trace(log: Log, topic: str) -> None:
    """The bound is checked before anything is written; a record of exactly that size passes."""
    with pytest.raises(TooLarge):
        await log.append([*appends(topic, 0, "a"), Append(topic, 0, b"k", bytes(MAX_RECORD_BYTES))])
    assert await log.ends(topic) == {0: (0, 0), 1: (0, 0)}
    assert await log.append([Append(topic, 0, b"k", bytes(MAX_RECORD_BYTES - 1))]) == [0]


async def test_an_unknown_topic_or_partition_is_named(log: Log, topic: str) -> None:
    """Nothing is created by writing to it."""
    with pytest.raises(NotFound, match="nowhere"):
        await log.append(appends("nowhere", 0, "a"))
    with pytest.raises(NotFound, match="partition 2"):
        await log.append(appends(topic, 2, "a"))
    with pytest.raises(NotFound, match="nowhere"):
        await log.ends("nowhere")


async def test_how_a_topic_is_cleaned_up_can_be_asked(log: Log, topic: str, topic_prefix: str) -> None:
    """Of those that exist."""
    await log.ensure([TopicSpec(f"{topic_prefix}.latest", 1, Cleanup.COMPACT)])
    assert await log.cleanup(topic) is Cleanup.DELETE
    assert await log.cleanup(f"{topic_prefix}.latest") is Cleanup.COMPACT
    with pytest.raises(NotFound, match="nowhere"):
        await log.cleanup("nowhere")


async def test_ensuring_twice_changes_nothing(log: Log, topic: str) -> None:
    """An existing topic that is as declared keeps its records."""
    await log.append(appends(topic, 0, "a"))
    await log.ensure([TopicSpec(topic, 2, retention_ms=DAY)])
    assert (await log.ends(topic))[0] == (0, 1)


async def test_processes_that_start_together_share_their_topics(log: Log, topic_prefix: str) -> None:
    """Who comes second to create a topic finds it as declared."""
    specs = [TopicSpec(f"{topic_prefix}.{name}", 2, retention_ms=DAY) for name in "abc"]
    await asyncio.gather(*(log.ensure(specs) for _ in range(3)))
    assert [await log.ends(spec.name) for spec in specs] == [{0: (0, 0), 1: (0, 0)}] * 3


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [
        (TopicSpec("", 3, retention_ms=DAY), "partitions"),
        (TopicSpec("", 2, Cleanup.COMPACT), "cleanup"),
        (TopicSpec("", 2, retention_ms=2 * DAY), "retention"),
    ],
)
async def test_a_topic_that_differs_is_refused_with_a_remedy(
    log: Log, topic: str, wanted: TopicSpec, difference: str
) -> None:
    """The refusal names the topic and the difference."""
    spec = TopicSpec(topic, wanted.partitions, wanted.cleanup, wanted.retention_ms)
    with pytest.raises(Conflict, match=f"{topic}.*{difference}") as refusal:
        await log.ensure([spec])
    assert refusal.value.remedy


async def test_offset_at_finds_the_first_record_since_a_time(log: Log, topic: str) -> None:
    """The first offset appended at or after the time; the end where there is none."""
    await log.append(appends(topic, 0, "a", "b"))
    (first, *_) = await read_all(log, topic, {0: 0})
    assert await log.offset_at(topic, 0, first.timestamp) == 0
    assert await log.offset_at(topic, 0, 1) == 0
    assert await log.offset_at(topic, 0, first.timestamp + DAY) == 2
    assert await log.offset_at(topic, 1, 1) == 0


async def test_a_group_starts_at_the_beginning_and_goes_on_where_it_committed(
    log: Log, topic: str, topic_prefix: str
) -> None:
    """What was committed does not come again; what was not does."""
    group = f"{topic_prefix}-group"
    await log.append(appends(topic, 0, "a", "b"))
    member = log.consumer(group, [topic])
    await member.start()
    assert values(await take(member, 2)) == ["a", "b"]
    await member.commit()
    await log.append(appends(topic, 0, "c"))
    assert values(await take(member, 1)) == ["c"]
    await member.stop()
    again = log.consumer(group, [topic])
    await again.start()
    assert values(await take(again, 1)) == ["c"]
    await again.stop()


async def test_groups_do_not_see_each_other(log: Log, topic: str, topic_prefix: str) -> None:
    """Each group gets everything."""
    await log.append(appends(topic, 1, "a"))
    for name in ("one", "two"):
        member = log.consumer(f"{topic_prefix}-{name}", [topic])
        await member.start()
        assert values(await take(member, 1)) == ["a"]
        await member.commit()
        await member.stop()


async def test_getmany_bounds_its_answer_and_its_wait(log: Log, topic: str, topic_prefix: str) -> None:
    """At most so many records, in order per partition; nothing after the time-out."""
    member = log.consumer(f"{topic_prefix}-group", [topic])
    await member.start()
    assert await member.getmany(timeout_ms=10, max_records=5) == []
    await log.append(appends(topic, 0, *"abcdefgh"))
    taken: list[Record] = []
    while len(taken) < 8:
        batch = await member.getmany(timeout_ms=1_000, max_records=3)
        assert len(batch) <= 3
        taken += batch
    assert "".join(values(taken)) == "abcdefgh"
    await member.stop()


async def test_the_epoch_is_that_of_the_log(url: str, log: Log) -> None:
    """It outlives a restart, and so do topics."""
    epoch = await log.epoch
    assert epoch
    await log.stop()
    again = open_log(url)
    await again.start()
    assert await again.epoch == epoch
    await again.stop()


async def test_a_closed_log_says_so(log: Log, topic: str) -> None:
    """Stopping twice is fine; appending afterwards is not."""
    await log.stop()
    await log.stop()
    with pytest.raises(Unavailable):
        await log.append(appends(topic, 0, "a"))


async def test_a_cluster_that_cannot_be_reached_is_named() -> None:
    """Starting ends with the address and a remedy, and leaves nothing open."""
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 ") as refusal:
        await open_log("kafka://127.0.0.1:1").start()
    assert refusal.value.remedy


@pytest.mark.parametrize("url", ["", "embedded", "embedded://", "redis://localhost"])
def test_an_address_that_names_no_log_is_refused(url: str) -> None:
    """The error says what an address looks like."""
    with pytest.raises(InvalidInput) as refusal:
        open_log(url)
    assert "embedded://PATH" in (refusal.value.remedy or "")
