"""One processor in a process of its own, on one core: folds what is in the log, and says how long it took.

``python -m bench.worker '{"url": …, "prefix": …, "partitions": …, "only": ["observe"], "warm": {"0": 12, …}}'``.
The clock runs from the moment at which every partition has passed its ``warm`` offset until everything is folded and,
where JUDGE runs, told.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services import wiring
from services.domain.case_facts import notable
from services.domain.cells import CellTable
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.program import Measure
from services.domain.told import Told
from services.ports import Log, TopicSpec
from services.settings import Broker, Processing, Settings
from services.topics import JUDGE_PARTITIONS, Topics
from stream_processors.processor import Processor

LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class SharedEvents(Topics):
    """Topics of one worker, but for the events, which are those of prefix ``filled``."""

    filled: str = ""

    @property
    def events(self) -> TopicSpec:
        """Another prefix's."""
        return Topics(self.filled, self.partitions).events


class Counted:
    """Counts what is aggregated: rows times measures, over all cells."""

    def __init__(self) -> None:
        self.total = self.calls = 0
        fold, observe = CellTable.fold, Observer.fold

        def counting(table: CellTable, told: Told, measures: Sequence[Measure]) -> None:
            self.total += told.rows.n * len(measures)
            fold(table, told, measures)

        def calling(observer: Observer, records: Sequence[tuple[int, bytes]]) -> None:
            self.calls += 1
            observe(observer, records)

        Observer.fold = calling  # type: ignore[assignment,method-assign]  # as below
        CellTable.fold = counting  # type: ignore[assignment,method-assign]  # one addition per call, in this process only


async def work(order: dict[str, Any]) -> dict[str, Any]:
    """Run it; what was measured."""
    settings = Settings(
        broker=Broker(url=order["url"], prefix=order["prefix"], partitions=order["partitions"]),
        processing=Processing(**order.get("processing", {})),
    )
    topics = SharedEvents(order["prefix"], order["partitions"], order["filled"])
    log, load = wiring.log(settings), wiring.program_loader()
    observers: list[Observer] = []
    counted = Counted()

    def observer(partition: int) -> Observer:
        observers.append(Observer(partition, load, JUDGE_PARTITIONS))
        return observers[-1]

    await log.start()
    only = order["only"]
    processor = Processor(
        settings,
        topics,
        log,
        observer,
        lambda partition: Judge(partition, load, order["partitions"]),
        only=only,
    )
    started = time.perf_counter()
    await processor.start()
    try:
        warm = {int(partition): offset for partition, offset in order["warm"].items()}
        ends = {partition: end for partition, (_, end) in (await log.ends(topics.events.name)).items()}
        await _until(lambda: _reached(processor, "observe", warm))
        begun = _snap(processor)
        await _until(lambda: _reached(processor, "observe", ends))
        if "judge" in only:
            await _told(processor, log, topics.judging.name)
        done = _snap(processor)
    finally:
        await processor.stop()
        await log.stop()
    return {
        "wall": done["wall"] - begun["wall"],
        "cpu": done["cpu"] - begun["cpu"],
        "from": begun["observe"],
        "warming": begun["wall"] - started,
        "snapshots": done["snapshots"],
        "judged": sum(done.get("judge", {}).values()),
        "aggregates": counted.total,
        "calls": counted.calls,
        **_state(observers),
    }


def _snap(processor: Processor) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wall": time.perf_counter(),
        "cpu": time.process_time(),
        "observe": {},
        "judge": {},
    }
    parts = processor.health().partitions
    for part in parts:
        found[part.processor][part.partition] = part.applied + 1
    found["snapshots"] = sum(part.snapshot >= 0 for part in parts)
    return found


def _reached(processor: Processor, name: str, ends: dict[int, int]) -> bool:
    applied = {
        part.partition: part.applied for part in processor.health().partitions if part.processor == name
    }
    return all(applied.get(partition, -1) + 1 >= end for partition, end in ends.items())


async def _told(processor: Processor, log: Log, judging: str) -> None:
    """Until nothing more comes to JUDGE, and it has folded it all."""
    seen: dict[int, int] = {}
    while True:
        ends = {partition: end for partition, (_, end) in (await log.ends(judging)).items()}
        if ends == seen and _reached(processor, "judge", ends):
            return
        seen = ends
        await asyncio.sleep(LOOK_S)


async def _until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  # health is read, it does not call back
        await asyncio.sleep(LOOK_S)


def _state(observers: list[Observer]) -> dict[str, Any]:
    """What the states hold."""
    runs = [run for observer in observers for run in observer.runs.values()]
    tables = [(run, cases) for run in runs for cases in run.cases.values()]
    facts = [
        notable(cases, tenant=run.tenant, run=run.run, attempt=run.attempt, partition=run.partition)
        for run, cases in tables
    ]
    return {
        "events": sum(run.counters["events"] for run in runs),
        "open": sum(each.open for each in facts),
        "cases": sum(len(cases) for _, cases in tables),
        "cells": sum(len(cells) for run in runs for cells in run.cells.values()),
        "combinations": _combinations(runs),
    }


def _combinations(runs: list[Any]) -> int:
    """Different (KPI, scope) over all partitions."""
    program = runs[0].program
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for run in runs:
        for dimensions, scopes in run._scopes.items():  # noqa: SLF001  # only counted
            named = (tuple(run.strings.texts[code] for code in codes) for codes in scopes.codes.tolist())
            found.setdefault(dimensions, set()).update(named)
    return sum(len(found.get(tuple(kpi.dimensions), ())) for kpi in program.catalogue.kpis.values())


def main() -> None:
    logging.disable(logging.ERROR)
    order = json.loads(sys.argv[1])
    if "core" in order:
        os.sched_setaffinity(0, {order["core"]})
    print(json.dumps(asyncio.run(work(order))))


if __name__ == "__main__":
    main()
