"""The live view: latest values, per judge partition, whatever comes again or out of turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.adapters.log.embedded import EmbeddedLog
from services.domain.facts import KpiValue, KpiValues, Reason, SourceFreshness, Status, ValueColumns
from services.domain.live_values import value_key
from services.live import LiveView
from services.ports import Append, TopicSpec
from services.records import decode, encode

TOPIC = "t.kpis"


def value(number: float, kpi: str = "orders", **scope: str) -> KpiValue:
    return KpiValue(kpi, scope, number, Status.ON_PLAN, Reason.WITHIN_TARGET, None, 3, 0, 60_000, 1_000)


def told(position: int, *values: KpiValue, **more: object) -> KpiValues:
    fields = {
        "attempt": 0,
        "partition": 0,
        "keyframe": False,
        "time": 2_000,
        "watermark": 1_500,
        "run": "live",
    } | more
    columns = ValueColumns.of(values)
    return KpiValues(tenant="default", digest="d", position=position, values=columns, **fields)  # type: ignore[arg-type]  # the fields above


def totals(live: LiveView, run: str = "live") -> dict[str, float | None]:
    return {key[0]: each.value for key, each, _ in live.get("default", run).values()}


def test_changes_add_up_and_a_keyframe_is_all_there_is() -> None:
    """A keyframe drops what it does not name, in its own judge partition only."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    live.apply(told(1, value(1, "a"), value(2, "b")))
    live.apply(told(1, value(9, "z"), partition=1))
    live.apply(told(2, value(3, "a")))
    assert totals(live) == {"a": 3, "b": 2, "z": 9}
    live.apply(told(3, value(3, "a"), keyframe=True))
    assert totals(live) == {"a": 3, "z": 9}
    live.apply(told(4, removed=[("a", {})]))
    assert totals(live) == {"z": 9}


def test_a_keyframe_in_parts_counts_when_all_of_it_has_come() -> None:
    """What none of its parts names goes with the last one; a keyframe heard from the middle drops nothing."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    live.apply(told(1, value(1, "a"), value(2, "b"), value(3, "c")))
    live.apply(told(2, value(4, "a"), keyframe=True, part=1, parts=2))
    assert totals(live) == {"a": 4, "b": 2, "c": 3}
    live.apply(told(3, value(5, "a"), keyframe=True, part=0, parts=2))
    assert totals(live) == {"a": 5, "b": 2, "c": 3}
    live.apply(told(3, value(6, "b"), keyframe=True, part=1, parts=2))
    assert totals(live) == {"a": 5, "b": 6}


def test_an_older_position_or_attempt_changes_nothing() -> None:
    """A judge that was restored tells again what it had told: that is no news. A new attempt starts from nothing."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    live.apply(told(5, value(5)))
    live.apply(told(4, value(4)))
    assert totals(live) == {"orders": 5}
    live.apply(told(1, value(1, "new"), attempt=1))
    live.apply(told(9, value(9), attempt=0))
    assert totals(live) == {"new": 1}


def test_the_run_is_as_far_as_its_partitions() -> None:
    """Engine time is the furthest, the watermark the least, counters the most advanced, complete only all together."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    old, new = (SourceFreshness("wms", at, at, at, idle=False) for at in (10, 20))
    live.apply(told(1, time=10, watermark=5, counters={"events": 3}, sources=[old], complete=True))
    live.apply(told(1, time=20, watermark=4, counters={"events": 7}, sources=[new], partition=1))
    view = live.get("default", "live")
    assert (view.time, view.watermark, view.counters, view.sources) == (20, 4, {"events": 7}, [new])
    assert not view.complete
    live.apply(told(2, partition=1, complete=True))
    assert view.complete


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.integers(0, 5)), max_size=30), st.data()
)
def test_changes_taken_at_any_moment_lead_to_the_same_values(
    updates: list[tuple[int, str, int]], data: st.DataObject
) -> None:
    """A subscriber that takes now and then and reads current values ends where the view is."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    changes = live.subscribe()
    copy: dict[object, float | None] = {}
    for position, (partition, name, number) in enumerate(updates):
        kpi = f"{name}{partition}"
        if number == 0:
            live.apply(told(position, partition=partition, removed=[(kpi, {})]))
        else:
            live.apply(told(position, value(number, kpi), partition=partition))
        if data.draw(st.booleans()) or position == len(updates) - 1:
            for (tenant, run), keys in changes.take().items():
                for key in keys:
                    found = live.get(tenant, run).get(key)
                    if found is None:
                        copy.pop(key, None)
                    else:
                        copy[key] = found.value
    assert copy == {key: each.value for key, each, _ in live.get("default", "live").values()}


def test_what_stays_the_same_is_no_change() -> None:
    """Time moves on all the same: the run is named, without keys."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    live.apply(told(1, value(1)))
    changes = live.subscribe()
    live.apply(told(2, value(1), keyframe=True))
    assert changes.take() == {("default", "live"): set()}
    live.unsubscribe(changes)
    live.apply(told(3, value(2)))
    assert changes.take() == {}


class Times:
    """Append times that a test sets."""

    def __init__(self) -> None:
        self.at = 1_000_000

    def now(self) -> int:
        return self.at


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
async def log(tmp_path: Path, times: Times) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log", now=times.now)
    await log.start()
    await log.ensure([TopicSpec(TOPIC, 2, retention_ms=86_400_000)])
    yield log
    await log.stop()


async def say(log: EmbeddedLog, *records: KpiValues) -> None:
    await log.append([Append(TOPIC, each.partition, None, encode(each)) for each in records])


async def until_ready(live: LiveView) -> asyncio.Task[None]:
    task = asyncio.create_task(live.run())
    await live.until_ready()
    return task


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_it_starts_twenty_seconds_before_the_end_and_follows(log: EmbeddedLog, times: Times) -> None:
    """What was said before is not read; what comes after is."""
    await say(log, told(1, value(1, "ancient"), keyframe=True))
    times.at += 60_000
    await say(log, told(2, value(2, "recent"), keyframe=True))
    times.at += 10_000
    await say(log, told(3, value(3, "last")))
    live = LiveView(log, TOPIC)
    task = await until_ready(live)
    changes = live.subscribe()
    if "last" not in totals(live):
        await changes.wait()
        changes.take()
    assert totals(live) == {"recent": 2, "last": 3}
    await say(log, told(4, value(4, "live"), partition=1))
    await changes.wait()
    assert totals(live)["live"] == 4
    await end(task)


async def test_an_empty_topic_is_ready_at_once_and_rubbish_is_counted(log: EmbeddedLog) -> None:
    """A record that cannot be read stops nothing, not even readiness."""
    live = LiveView(log, TOPIC)
    assert (live.ready, live.waiting) == (False, None)
    await end(await until_ready(live))
    await log.append([Append(TOPIC, 0, None, b"rubbish")])
    again = LiveView(log, TOPIC)
    task = await until_ready(again)
    assert again.unreadable == 1
    await end(task)


@pytest.mark.parametrize(
    "more",
    [
        {"codes": np.array([7], np.int32)},
        {"codes": np.empty(0, np.int32)},
        {"reason": np.array([99], np.uint8)},
    ],
)
def test_columns_that_do_not_fit_are_refused(more: dict[str, Any]) -> None:
    """When they are read, so that nobody trips over them later."""
    columns = ValueColumns.of([value(1, site="A")])
    record = encode(replace(told(1), values=columns))
    assert decode(KpiValues, record).values == columns
    for name, wrong in more.items():
        object.__setattr__(columns, name, wrong)
    with pytest.raises(msgspec.ValidationError):
        decode(KpiValues, encode(replace(told(1), values=columns)))


def test_completed_runs_come_from_what_was_kept() -> None:
    """An import that the topic has forgotten can still be looked at."""
    live = LiveView(EmbeddedLog(Path("unused")), TOPIC)
    live.load([told(7, value(3, site="W01"), run="olist", keyframe=True, complete=True)])
    view = live.get("default", "olist")
    found = view.get(value_key("orders", {"site": "W01"}))
    assert found is not None
    assert found.value == 3
    assert view.complete
    assert [each.run for each in live.runs("default")] == ["olist"]
