"""What the processors promise, on the embedded log and on Kafka."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from faust.types import TP

from services.domain.facts import DeadLetter
from services.ports import Append, LocalLog, TopicSpec
from services.records import decode
from services.topics import Topics
from stream_processors.processor import Processor
from stream_processors.transports.seeking import SeekingConsumer
from tests.processors.harness import Site, forget, of, read_all, records_of, until
from tests.processors.tally import POISON, frame


def letter_of(value: bytes) -> DeadLetter:
    return decode(DeadLetter, value)


def consumer_of(processor: Processor) -> SeekingConsumer:
    app = processor._app
    assert app is not None
    consumer = app.consumer
    assert isinstance(consumer, SeekingConsumer)
    return consumer


async def test_what_is_appended_is_told(site: Site) -> None:
    """Events go through OBSERVE and JUDGE to the KPI topic, each counted once."""
    async with site.running() as (log, processor):
        await site.append(log, range(200))
        await site.settled(log, processor)
        assert await site.told(log) == await site.expected(log)


async def test_a_restart_goes_on_from_the_snapshot(site: Site) -> None:
    """A second life restores the states, folds only what came after them, and tells everything again."""
    async with site.running() as (log, processor):
        await site.append(log, range(300))
        await site.settled(log, processor)
        await until(lambda: all(health.snapshot == health.applied for health in of(processor, "observe")))
    async with site.log() as log:
        await site.append(log, range(300, 310))
        async with site.on(log) as processor:
            await site.settled(log, processor)
            assert sum(health.records for health in of(processor, "observe")) == 10
            assert await site.told(log) == await site.expected(log)


async def test_a_snapshot_that_is_asked_for_saves_the_next_one_all_work(site: Site) -> None:
    """Whoever ends on purpose, as an import does, leaves nothing to fold again, however young its states are."""
    async with site.running(snapshot_ms=3_600_000) as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        await processor.snapshot()
    async with site.running() as (log, processor):
        await site.settled(log, processor)
        assert sum(health.records for health in of(processor, "observe")) == 0
        assert await site.told(log) == await site.expected(log)


async def test_a_restart_without_any_snapshot_folds_the_whole_log(site: Site) -> None:
    """The log alone is enough: snapshots only save work."""
    async with site.running(snapshot_ms=3_600_000) as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
    async with site.running() as (log, processor):
        await site.settled(log, processor)
        assert sum(health.records for health in of(processor, "observe")) == 100
        assert await site.told(log) == await site.expected(log)


async def test_a_gap_heals_by_a_seek(site: Site) -> None:
    """Records that Faust skipped are fetched again; nothing is folded before they are there."""
    async with site.running() as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        events = site.topics.events.name
        ahead = {TP(events, number): end + 5 for number, (_, end) in (await log.ends(events)).items()}
        await consumer_of(processor).seek_wait(ahead)
        await site.append(log, range(100, 200))
        await site.settled(log, processor)
        assert sum(health.seeks for health in of(processor, "observe")) > 0
        assert await site.told(log) == await site.expected(log)


async def test_a_replay_is_skipped(site: Site) -> None:
    """What Faust delivers a second time changes nothing."""
    async with site.running() as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        events = site.topics.events.name
        await consumer_of(processor).seek_wait({TP(events, 0): 0})
        await until(lambda: sum(health.replayed for health in of(processor, "observe")) == 20)
        await site.append(log, range(100, 120))
        await site.settled(log, processor)
        assert await site.told(log) == await site.expected(log)


async def test_snapshots_are_replaced_not_piled_up(embedded_site: Site) -> None:
    """After compaction a changelog holds one snapshot per partition, and a state is restored from it."""
    site = embedded_site
    async with site.running(snapshot_ms=1) as (log, processor):
        for start in range(0, 400, 20):
            await site.append(log, range(start, start + 20))
            await site.settled(log, processor)
        await until(lambda: all(health.snapshot == health.applied for health in of(processor, "observe")))
        before = len(await records_of(log, site.topics.observed))
        await log.upkeep()  # type: ignore[attr-defined]  # the embedded log's own
        assert len(await records_of(log, site.topics.observed)) < before
    async with site.running() as (log, processor):
        await site.settled(log, processor)
        assert sum(health.records for health in of(processor, "observe")) == 0
        assert await site.told(log) == await site.expected(log)


class QuickCompaction(Topics):
    """Changelogs that Kafka compacts within seconds."""

    def changelog(self, table: str, partitions: int) -> TopicSpec:
        quick = {
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "0",
            "max.compaction.lag.ms": "1000",
        }
        spec = super().changelog(table, partitions)
        return replace(spec, config=dict(spec.config) | quick)


async def test_a_state_comes_back_from_a_compacted_changelog(kafka_site: Site) -> None:
    """Where Kafka has thrown most of a changelog away, recovery neither stalls nor misses anything."""
    site = replace(kafka_site, kind=QuickCompaction)
    async with site.running(snapshot_ms=1) as (log, processor):
        ends, kept = 1, 1
        for start in count(0, 50):
            await site.append(log, range(start, start + 50))
            await site.settled(log, processor)
            ends = sum(end for _, end in (await log.ends(site.topics.observed.name)).values())
            kept = len(await records_of(log, site.topics.observed))
            if ends > 500 and kept < ends // 2:
                break
        await until(lambda: all(health.snapshot == health.applied for health in of(processor, "observe")))
    async with site.running() as (log, processor):
        await site.settled(log, processor)
        assert sum(health.records for health in of(processor, "observe")) == 0
        assert await site.told(log) == await site.expected(log)


async def test_observe_stands_where_the_log_has_lost_what_it_needs(kafka_site: Site) -> None:
    """A partition whose next record is gone stops with an alarm; it never skips, and the others go on."""
    site = kafka_site
    async with site.running() as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        await until(lambda: all(health.snapshot == health.applied for health in of(processor, "observe")))
    async with site.log() as log:
        await site.append(log, range(100, 200))
        await forget(site, site.topics.events.name, {2: 25})
        async with site.on(log) as processor:
            await until(lambda: bool(processor.health().gaps))
            await until(lambda: sum(health.applied == 39 for health in of(processor, "observe")) == 4)
            stuck = of(processor, "observe")[2]
            assert (stuck.applied, stuck.lag) == (19, 20)
            assert stuck.gap is not None
            assert "needs offset 20, the log begins at 25; lost is what came from 20" in stuck.gap


async def test_judge_goes_on_where_the_log_has_lost_what_it_needs(kafka_site: Site) -> None:
    """Partials repeat themselves: JUDGE takes up where the log begins, with an alarm, and is exact again."""
    site = kafka_site
    async with site.running() as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
    async with site.log() as log:
        judging = site.topics.judging.name
        ends = await log.ends(judging)
        for number in ends:
            await log.append([Append(judging, number, None, b"[0, -1, {}]")] * 9)
        await forget(site, judging, {number: end + 5 for number, (_, end) in ends.items()})
        await site.append(log, range(100, 110))
        async with site.on(log) as processor:
            await site.settled(log, processor)
            assert len(processor.health().gaps) == 4
            assert await site.told(log) == await site.expected(log)


async def test_the_input_is_committed_up_to_the_snapshots(embedded_site: Site) -> None:
    """What the log may trim is decided by the snapshots, not by what was read."""
    site = embedded_site
    async with site.running() as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        await until(lambda: all(health.snapshot == health.applied for health in of(processor, "observe")))
        local: LocalLog = log  # type: ignore[assignment]  # the embedded log is one
        await until(
            lambda: all(
                local.committed(site.prefix, site.topics.events.name, health.partition) == health.snapshot + 1
                for health in of(processor, "observe")
            )
        )


async def test_two_workers_share_the_partitions(kafka_site: Site) -> None:
    """A second worker joins under load, and leaves: every partition has one owner, and every event counts once.

    It is missed after the session timeout, 10 s: a static member may come back.
    """
    site = kafka_site
    async with site.log() as log, site.on(log) as one:
        await site.append(log, range(200))
        async with site.on(log) as two:
            await site.append(log, range(200, 400))
            await site.settled(log, one, two)
            owners = [[health.partition for health in of(worker, "observe")] for worker in (one, two)]
            assert sorted(owners[0] + owners[1]) == list(range(5))
            assert all(owners)
            assert await site.told(log) == await site.expected(log)
        await site.append(log, range(400, 500))
        await site.settled(log, one)
        assert len(of(one, "observe")) == 5
        assert await site.told(log) == await site.expected(log)


async def test_killed_at_any_moment_it_is_exact(site: Site) -> None:
    """SIGKILL while it folds, flushes and snapshots: JUDGE's last words per key equal the oracle's."""
    records = 3_000
    for seen in (100, 900, 2_000):
        run_until_killed(site, records, seen)
    run_until_done(site, records)
    async with site.log() as log:
        expected = await site.expected(log)
        assert sum(count for count, _ in expected.values()) >= 3 * records
        assert await site.told(log) == expected


def worker(site: Site, records: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.processors.worker", site.url, site.prefix, str(records)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


def run_until_killed(site: Site, records: int, seen: int) -> None:
    """Let it work until it has applied ``seen`` records, then kill it."""
    with worker(site, records) as process:
        for line in lines(process):
            if line.startswith("applied") and int(line.split()[1]) >= seen:
                break
        process.kill()


def run_until_done(site: Site, records: int) -> None:
    with worker(site, records) as process:
        assert any(line.startswith("done") for line in lines(process))
        process.kill()


@pytest.mark.parametrize("snapshot_ms", [50, 3_600_000])
async def test_a_record_that_cannot_be_folded_is_passed_over(site: Site, snapshot_ms: int) -> None:
    """It becomes a dead letter with its error; all others are folded exactly once, in this life and in the next."""
    poison = frame([("key1", 5), ("key1", POISON)])
    async with site.running(snapshot_ms=snapshot_ms) as (log, processor):
        await site.append(log, range(100))
        await site.settled(log, processor)
        around = [site.record(number) for number in range(100, 110)]
        at = [Append(site.topics.events.name, number, None, poison) for number in (0, 1)]
        await log.append([*around[:5], *at, *around[5:], at[0]])
        await site.settled(log, processor)
        assert sum(health.refused for health in of(processor, "observe")) == 3
        counted = await site.told(log)
    async with site.log() as log:
        await site.append(log, range(110, 120))
        async with site.on(log) as processor:
            await site.settled(log, processor)
            good = await site.expected(log, without=poison)
            assert await site.told(log) == good
        letters = {
            letter.id: letter for letter in map(letter_of, await read_all(log, site.topics.dead_letters))
        }
    assert len(letters) == 3
    assert all("half of record" in letter.message for letter in letters.values())
    assert counted.keys() <= good.keys()
