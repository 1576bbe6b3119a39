"""What the processors hold, held against the log, over both logs."""

from __future__ import annotations

from collections.abc import Sequence

from services.domain.observe import Observer
from services.ports import Append, Record
from services.rebuilding import Comparison, Deviation, compare
from services.snapshots import Key, digest, manifest, new_generation
from tests.contract.installation import NOON, PARTITIONS, Installation, load


async def records(installation: Installation, partition: int) -> list[Record]:
    topic = installation.topics.events.name
    return [
        one async for batch in installation.log.read(topic, {partition: 0}, follow=False) for one in batch
    ]


async def snapshot(installation: Installation, partition: int, folded: Sequence[Record]) -> None:
    """What a processor that has folded these records would write."""
    observer = Observer(partition, load, 4, partitions=PARTITIONS)
    observer.fold([(one.offset, one.value or b"") for one in folded])
    chunks, generation = list(observer.chunks()), new_generation()
    told = {Key(partition, generation, at).pack(): chunk for at, chunk in enumerate(chunks)}
    done = manifest(observer.applied, NOON, [digest(chunk) for chunk in chunks])
    told[Key.manifest(partition, generation).pack()] = done
    topic = installation.topics.observed.name
    await installation.log.append([Append(topic, partition, key, value) for key, value in told.items()])


async def compared(installation: Installation) -> Comparison:
    return await compare(installation.log, installation.topics, load)


async def test_what_the_processors_hold_is_what_the_log_says(installation: Installation) -> None:
    """As of their snapshots, which may be of different moments, also across a changed catalogue."""
    await installation.post(1, 2, 3)
    installation.edit(
        "{agg: count, event: order.placed}", "{agg: distinct, event: order.placed, field: order_id}"
    )
    await installation.apply()
    for number in range(4, 9):
        await installation.post(number)
    for partition in range(PARTITIONS):
        kept = await records(installation, partition)
        await snapshot(installation, partition, kept[: len(kept) - partition])
    await installation.post(9)
    found = await compared(installation)
    assert (found.deviations, found.skipped) == ([], [])
    assert found.values >= 4
    assert all(one.whole and one.since == NOON for one in found.partitions)


async def test_a_state_that_lost_an_event_is_found_out(installation: Installation) -> None:
    """Every KPI that it counted in is named, with what is held and what it should be."""
    await installation.post(1)
    await installation.post(2)
    await installation.post(3)
    kept = {partition: await records(installation, partition) for partition in range(PARTITIONS)}
    last = {partition: len(each) - 1 for partition, each in kept.items()}
    lossy = max(kept, key=lambda one: len(kept[one]))
    for partition, each in kept.items():
        lost = each[:1] + each[2:] if partition == lossy else each
        await snapshot(installation, partition, lost)
    assert last[lossy] >= 2
    found = await compared(installation)
    assert Deviation("live", "revenue", {}, (20.0, 2), (30.0, 3)) in found.deviations
    assert {one.kpi for one in found.deviations} == {"orders", "revenue", "open_orders"}


async def test_a_partition_without_a_snapshot_is_named(installation: Installation) -> None:
    """It is not compared; the others are."""
    await installation.post(1)
    await snapshot(installation, 0, await records(installation, 0))
    found = await compared(installation)
    assert ([one.partition for one in found.partitions], found.skipped) == ([0], [1])
