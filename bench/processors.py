"""OBSERVE alone, and OBSERVE with JUDGE, on real Kafka: one process on one core, the broker on the other.

Run ``python -m bench processors``. All records lie in the log before the worker starts; the first ones only fill its
state. Snapshots, duplicates' recognition, partials and acknowledgements are as in production.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections import Counter
from typing import Any

from bench.broker import aside, broker, cores
from bench.report import Figure
from bench.simulated import HASTE, Load, Made, demo_catalogue, made
from services import wiring
from services.ports import Append
from services.settings import Broker, Settings
from services.topics import Topics

LOAD = Load(warm=240_000, measured=480_000, partitions=4, together=4_000)
SNAPSHOT_MS = 4_000
"""More often than in production, so that a short run holds its share of them."""
AIMS = {("observe",): 250_000, ("observe", "judge"): 200_000}
NAMES = {
    ("observe",): "OBSERVE on Kafka, one core",
    ("observe", "judge"): "OBSERVE and JUDGE on Kafka, one core",
}
_ROUND = 64


def run(load: Load = LOAD) -> list[Figure]:
    """Two figures; none where there is no Kafka."""
    with aside(), broker() as address:
        if address is None:
            return []
        records = made(load)
        order = prepare(f"kafka://{address}", load, records)
        return [_figure(order, load, records, only) for only in AIMS]


def prepare(url: str, load: Load, records: Made) -> dict[str, Any]:
    """Fill a log; returns what a worker has to be told."""
    filled = f"bench{secrets.token_hex(4)}"
    return {
        "url": url,
        "filled": filled,
        "partitions": load.partitions,
        "processing": {"snapshot_ms": SNAPSHOT_MS},
        "warm": asyncio.run(_fill(url, filled, load, records)),
        "core": cores()[0],
    }


def _figure(order: dict[str, Any], load: Load, records: Made, only: tuple[str, ...]) -> Figure:
    order = {**order, "prefix": f"bench{secrets.token_hex(4)}", "only": only}
    found = measure(order)
    events = _events_after(records, {int(p): offset for p, offset in found["from"].items()})
    return Figure(
        NAMES[only],
        events / found["wall"],
        "events/s",
        AIMS[only],
        conditions(load, records, found, events),
    )


def measure(order: dict[str, Any], *before: str) -> dict[str, Any]:
    """Have a worker do it. ``before`` may name a profiler and its options."""
    command = [*before, sys.executable, "-m", "bench.worker", json.dumps(order)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def conditions(load: Load, records: Made, found: dict[str, Any], events: int) -> dict[str, Any]:
    """What stands beside the figure."""
    return {
        "events": f"{events:,}",
        "µs CPU per event": round(found["cpu"] / events * 1e6, 2),
        "events per CPU second": f"{events / found['cpu']:,.0f}",
        "KPIs": len(demo_catalogue().kpis),
        "aggregates per event": round(found["aggregates"] / found["events"], 1),
        "combinations": f"{found['combinations']:,}",
        "cells": f"{found['cells']:,}",
        "open cases": f"{found['open']:,}",
        "cases held": f"{found['cases']:,}",
        "partitions": load.partitions,
        "events per frame": round(sum(count for *_, count in records.records) / len(records.records)),
        "flush": "50 ms",
        "snapshots": f"each {SNAPSHOT_MS // 1000} s, {found['snapshots']} partitions had one",
        "engine time": f"{HASTE:,} times life",
    }


async def _fill(url: str, prefix: str, load: Load, records: Made) -> dict[int, int]:
    """All records into the log; returns where in each partition the measured ones begin."""
    topics = Topics(prefix, load.partitions)
    log = wiring.log(Settings(broker=Broker(url=url, prefix=prefix, partitions=load.partitions)))
    await log.start()
    try:
        await log.ensure([topics.events])
        appends = [
            Append(topics.events.name, partition, None, value) for partition, value, _ in records.records
        ]
        for start in range(0, len(appends), _ROUND):
            await log.append(appends[start : start + _ROUND])
    finally:
        await log.stop()
    return dict(Counter(partition for partition, _, _ in records.records[: records.warm]))


def _events_after(records: Made, offsets: dict[int, int]) -> int:
    """Events in the records from these offsets on."""
    seen: Counter[int] = Counter()
    events = 0
    for partition, _, count in records.records:
        events += count if seen[partition] >= offsets[partition] else 0
        seen[partition] += 1
    return events
