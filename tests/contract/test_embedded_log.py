"""What the embedded log promises beyond the port: durability, one writer, forgetting, its in-process interface."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.errors import Conflict, NotFound, Unavailable
from services.ports import Append, Cleanup, Record, TopicSpec

MINUTE = 60_000
DAY = 86_400_000
NOON = 1_700_000_000_000


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest_asyncio.fixture
async def log(tmp_path: Path, hand: Hand) -> AsyncIterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log", now=hand)
    await opened.start()
    await opened.ensure(
        [
            TopicSpec("events", 2, retention_ms=10 * MINUTE),
            TopicSpec("changes", 1, Cleanup.COMPACT, config={"min.cleanable.dirty.ratio": "0.1"}),
        ]
    )
    yield opened
    await opened.stop()


async def reopened(log: EmbeddedLog, tmp_path: Path, hand: Hand) -> EmbeddedLog:
    await log.stop()
    again = EmbeddedLog(tmp_path / "log", now=hand)
    await again.start()
    return again


async def append(log: EmbeddedLog, topic: str, *pairs: tuple[bytes, bytes | None]) -> list[int]:
    return await log.append([Append(topic, 0, key, value) for key, value in pairs])


def stored(log: EmbeddedLog, topic: str, partition: int = 0) -> list[Record]:
    """All that is kept, read in one go."""
    return list(log.fetch(topic, partition, 0, 1 << 30))


async def test_records_older_than_the_retention_are_trimmed(log: EmbeddedLog, hand: Hand) -> None:
    """Offsets go on as if nothing had happened."""
    await append(log, "events", (b"", b"old"), (b"", b"old too"))
    hand.now += 6 * MINUTE
    await append(log, "events", (b"", b"young"))
    hand.now += 5 * MINUTE
    await log.upkeep()
    assert await log.ends("events") == {0: (2, 3), 1: (0, 0)}
    assert [(record.offset, record.value) for record in stored(log, "events")] == [(2, b"young")]


async def test_offsets_go_on_after_everything_was_trimmed(
    log: EmbeddedLog, hand: Hand, tmp_path: Path
) -> None:
    """Also after a restart: an offset is never given twice."""
    await append(log, "events", *[(b"", b"old")] * 600)
    hand.now += DAY
    await log.upkeep()
    again = await reopened(log, tmp_path, hand)
    assert (await again.ends("events"))[0] == (600, 600)
    assert await again.append([Append("events", 0, None, b"new")]) == [600]
    assert [record.offset for record in stored(again, "events")] == [600]
    await again.stop()


async def test_trimming_stops_at_what_a_state_needs(log: EmbeddedLog, hand: Hand, tmp_path: Path) -> None:
    """A protected offset and all after it stay, also after a restart, until the owner moves on or lets go."""
    await append(log, "events", *[(b"", b"%d" % i) for i in range(10)])
    log.protect("events", 0, 4, "observe").result()
    log.protect("events", 0, 7, "judge").result()
    hand.now += DAY
    await log.upkeep()
    assert log.first("events", 0) == 4
    again = await reopened(log, tmp_path, hand)
    await again.upkeep()
    assert again.first("events", 0) == 4
    again.protect("events", 0, 6, "observe").result()
    await again.upkeep()
    assert again.first("events", 0) == 6
    again.release("observe").result()
    await again.upkeep()
    assert again.first("events", 0) == 7
    await again.stop()


async def test_trimming_stops_at_what_a_group_has_not_committed(log: EmbeddedLog, hand: Hand) -> None:
    """A recorder that is behind finds its records."""
    await append(log, "events", *[(b"", b"%d" % i) for i in range(5)])
    log.commit_nowait("recorder", {("events", 0): 3}).result()
    hand.now += DAY
    await log.upkeep()
    assert log.first("events", 0) == 3
    assert log.committed("recorder", "events", 0) == 3
    assert log.committed("other", "events", 0) is None


async def test_compaction_keeps_the_newest_record_of_each_key(log: EmbeddedLog) -> None:
    """Offsets stay; a tombstone counts as a record."""
    await append(log, "changes", (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", b"1"), (b"b", None))
    await log.upkeep()
    kept = [(record.offset, record.key, record.value) for record in stored(log, "changes")]
    assert kept == [(2, b"a", b"2"), (3, b"c", b"1"), (4, b"b", None)]
    assert await log.ends("changes") == {0: (0, 5)}


async def test_old_tombstones_go_but_never_the_newest_record(log: EmbeddedLog, hand: Hand) -> None:
    """A reader waits until it has seen the end: the last record stays, even as an old tombstone."""
    await append(log, "changes", (b"a", b"1"), (b"a", None), (b"b", None))
    hand.now += 2 * DAY
    await log.upkeep()
    assert [(record.offset, record.key) for record in stored(log, "changes")] == [(2, b"b")]


async def test_appends_and_reads_go_on_after_compaction(log: EmbeddedLog) -> None:
    """What is in memory and what is on disk are one sequence."""
    for turn in range(3):
        await append(log, "changes", *[(b"%d" % (i % 50), b"%d-%d" % (turn, i)) for i in range(700)])
        await log.upkeep()
        await append(log, "changes", (b"extra", b"%d" % turn))
    kept = stored(log, "changes")
    assert len({record.key for record in kept}) == 51
    assert [record.offset for record in kept] == sorted({record.offset for record in kept})
    assert kept[-1].value == b"2"
    assert await log.offset_at("changes", 0, NOON) == kept[0].offset


async def test_offset_at_bisects_what_is_kept(log: EmbeddedLog, hand: Hand) -> None:
    """The first offset at or after a time, over records of many instants."""
    for _ in range(20):
        await append(log, "events", (b"", b"a"), (b"", b"b"))
        hand.now += 1_000
    assert await log.offset_at("events", 0, NOON + 3_000) == 6
    assert await log.offset_at("events", 0, NOON + 3_001) == 8
    assert await log.offset_at("events", 0, NOON + DAY) == 40


async def test_append_times_never_fall(log: EmbeddedLog, hand: Hand) -> None:
    """A clock that is set back does not reach the log."""
    await append(log, "events", (b"", b"a"))
    hand.now -= DAY
    await append(log, "events", (b"", b"b"))
    assert [record.timestamp for record in stored(log, "events")] == [NOON, NOON]


async def test_a_second_writer_is_told_who_holds_the_log(log: EmbeddedLog, tmp_path: Path) -> None:
    """The refusal names the process and what to do."""
    second = EmbeddedLog(tmp_path / "log")
    with pytest.raises(Conflict, match=str(os.getpid())) as refusal:
        await second.start()
    assert "HTTP" in (refusal.value.remedy or "")
    await second.stop()


async def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    """Nothing is overwritten, and the folder is free again."""
    (tmp_path / "log.sqlite").write_text("not a database" * 100)
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened"):
            await EmbeddedLog(tmp_path).start()


async def test_a_damaged_log_is_refused(log: EmbeddedLog, tmp_path: Path) -> None:
    """Also where the damage is further in: with what to do, and the folder is free again."""
    await log.append([Append("events", 0, None, b"x" * 4_000) for _ in range(20)])
    await log.stop()
    file = tmp_path / "log" / "log.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    for _ in range(2):
        with pytest.raises(Unavailable, match="cannot be opened") as refusal:
            await EmbeddedLog(tmp_path / "log").start()
        assert "backup" in (refusal.value.remedy or "")


async def test_a_log_of_another_format_is_refused(log: EmbeddedLog, tmp_path: Path) -> None:
    """An older Sightline does not guess at a newer one's file."""
    await log.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "log" / "log.sqlite")) as other:
        other.execute("UPDATE meta SET value = '2' WHERE name = 'format'")
        other.commit()
    with pytest.raises(Unavailable, match="format 2"):
        await EmbeddedLog(tmp_path / "log").start()


async def test_a_group_has_one_member(log: EmbeddedLog) -> None:
    """A second one would get every record too."""
    first, second = log.consumer("group", ["events"]), log.consumer("group", ["events"])
    await first.start()
    with pytest.raises(Conflict, match="group"):
        await second.start()
    await first.stop()
    await second.start()
    await second.stop()


async def test_waiting_ends_with_data_or_in_time(log: EmbeddedLog) -> None:
    """What is there already is not waited for; what comes wakes every waiter once."""
    assert not await log.wait_for_data({("events", 0): 0, ("events", 1): 0}, 1)
    waiters = [asyncio.create_task(log.wait_for_data({("events", 1): at}, 10_000)) for at in (0, 0)]
    await asyncio.sleep(0)
    await log.append([Append("events", 1, None, b"a")])
    assert await asyncio.gather(*waiters) == [True, True]
    assert await log.wait_for_data({("events", 0): 0, ("events", 1): 0}, 10_000)
    assert not await log.wait_for_data({("events", 1): 1}, 1)


async def test_waiting_below_what_is_kept_is_waiting_for_the_next(log: EmbeddedLog, hand: Hand) -> None:
    """Trimmed records are no data."""
    await append(log, "events", (b"", b"a"))
    hand.now += DAY
    await log.upkeep()
    assert not await log.wait_for_data({("events", 0): 0}, 1)


async def test_fetch_gives_at_least_one_record_and_keeps_its_bound(tmp_path: Path) -> None:
    """The same from memory and from disk."""
    log = EmbeddedLog(tmp_path, cache_bytes=3_000)
    await log.start()
    await log.ensure([TopicSpec("t", 1)])
    await log.append([Append("t", 0, None, b"%04d" % i * 25) for i in range(100)])
    for start in (0, 50, 95):
        assert [record.offset for record in log.fetch("t", 0, start, 10)] == [start]
        assert [record.offset for record in log.fetch("t", 0, start, 250)] == [start, start + 1]
    assert [record.offset for record in log.fetch("t", 0, 0, 1 << 20)] == list(range(100))
    assert list(log.fetch("t", 0, 100, 1 << 20)) == []
    await log.stop()


async def test_appends_from_other_threads_share_the_log(log: EmbeddedLog) -> None:
    """The in-process interface needs no event loop."""
    offsets = await asyncio.gather(
        *(
            asyncio.to_thread(lambda: log.append_nowait([Append("events", 0, None, b"x")]).result())
            for _ in range(50)
        )
    )
    assert sorted(offset for (offset,) in offsets) == list(range(50))
    assert log.end("events", 0) == 50
    assert log.partitions("events") == 2
    assert log.partitions("nothing") == 0
    with pytest.raises(NotFound):
        log.end("nothing", 0)


async def test_stopping_writes_what_is_queued(log: EmbeddedLog, tmp_path: Path, hand: Hand) -> None:
    """Nothing that was taken is dropped by an orderly stop."""
    futures = [log.append_nowait([Append("events", 0, None, b"%d" % i)]) for i in range(500)]
    again = await reopened(log, tmp_path, hand)
    assert [future.result() for future in futures] == [[i] for i in range(500)]
    assert again.end("events", 0) == 500
    await again.stop()


async def test_a_failed_commit_fails_its_appends_and_gives_no_offset_away(
    log: EmbeddedLog, tmp_path: Path
) -> None:
    """When the file cannot be written, callers learn it, and the next append takes the same offset."""
    await append(log, "events", (b"", b"a"))
    other = sqlite3.connect(tmp_path / "log" / "log.sqlite", isolation_level=None)
    # Another record at the next place makes the insert fail inside the transaction.
    (taken,) = other.execute("SELECT max(id) + 1 FROM records").fetchone()
    other.execute("INSERT INTO records VALUES (?, 0, NULL, NULL)", (taken,))
    with pytest.raises(Unavailable, match="cannot be written"):
        await append(log, "events", (b"", b"b"))
    other.execute("DELETE FROM records WHERE id = ?", (taken,))
    other.close()
    assert await append(log, "events", (b"", b"b")) == [1]


CHILD = """
    import asyncio, sys
    from pathlib import Path
    from services.adapters.log.embedded import EmbeddedLog
    from services.ports import Append, TopicSpec

    async def writer(log, number):
        count = 0
        while True:
            records = [Append("t", number % 2, b"%d" % number, b"%d" % (count + i) + bytes(5_000)) for i in range(5)]
            offsets = await log.append(records)
            count += 5
            sys.stdout.write("".join(f"{number % 2} {offset} {number}\\n" for offset in offsets))
            sys.stdout.flush()

    async def main():
        log = EmbeddedLog(Path(sys.argv[1]))
        await log.start()
        await log.ensure([TopicSpec("t", 2)])
        await asyncio.gather(*(writer(log, number) for number in range(8)))

    asyncio.run(main())
"""


def killed_after(acknowledged: int, path: Path) -> list[str]:
    """What a child that appends saw acknowledged until it was killed: partition, offset, writer."""
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        child.send_signal(signal.SIGKILL)
        # The pipe holds the rest; its last line may be cut.
        return lines + [line for line in child.stdout if line.endswith("\n")]


@pytest.mark.parametrize("acknowledged", [1, 200, 700])
async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path, acknowledged: int) -> None:
    """A process is killed while it appends: all that it saw acknowledged is there, whole and in place."""
    lines = killed_after(acknowledged, tmp_path / "log")
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    found = {
        (record.partition, record.offset): record
        async for batch in log.read("t", {0: 0, 1: 0}, follow=False)
        for record in batch
    }
    for line in lines:
        partition, offset, number = map(int, line.split())
        record = found[partition, offset]
        assert record.key == b"%d" % number
        assert len(record.value or b"") > 5_000
    by_writer: dict[bytes, list[int]] = {}
    for record in found.values():
        by_writer.setdefault(record.key or b"", []).append(int((record.value or b"").rstrip(b"\0")))
    assert all(counts == list(range(len(counts))) for counts in by_writer.values())
    assert await log.ends("t") == {
        partition: (0, sum(1 for at, _ in found if at == partition)) for partition in (0, 1)
    }
    await log.stop()
