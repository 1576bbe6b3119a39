"""Open cases: bytes per case, and time per update at a million of them, with the feeds of a demo catalogue.

Run ``python -m bench cases``. Six steps, two attributes, two due times; updates are
spread over all cases, in batches of 1,000 events of four types.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from bench.report import Figure, report
from services.domain.case_events import CaseEvents
from services.domain.case_facts import notable
from services.domain.cases import CaseTable
from services.domain.catalogue import Due, EventType, Field, FieldType, Process, Step
from services.domain.program import DueFeed, DurationFeed, Feed, OpenFeed, OverdueFeed, StepFeed, WaitingFeed
from services.domain.rows import Columns, Hashes, Strings, hash_numbers
from services.domain.texts import Packed

STEPS = ("placed", "paid", "picked", "packed", "shipped", "delivered")
FIELDS = {
    "site": Field("site", FieldType.STRING),
    "carrier": Field("carrier", FieldType.STRING),
    "promised": Field("promised", FieldType.TIMESTAMP),
}
BATCH = 1_000


def process() -> Process:
    return Process(
        "order",
        "order",
        tuple(Step(name, name) for name in STEPS),
        "placed",
        ("delivered",),
        {"site": ("placed", "site"), "carrier": ("placed", "carrier")},
        (
            Due("promised", "placed", "delivered", field="promised"),
            Due("pick", "paid", "picked", within_ms=14_400_000),
        ),
    )


def feeds() -> list[Feed]:
    """Eight of them: what a dozen KPIs read."""
    return [
        StepFeed("order", "delivered"),
        DurationFeed("order", "placed", "delivered"),
        DurationFeed("order", "picked", "shipped"),
        DueFeed("order", "promised", "met"),
        DueFeed("order", "promised", "on_time"),
        OpenFeed("order"),
        OverdueFeed("order", "promised"),
        WaitingFeed("order", "packed"),
    ]


def events(kind: str, cases: Hashes, at: int, strings: Strings) -> CaseEvents:
    n = cases.size
    times = at + (cases % np.uint64(1000)).astype(np.int64)
    rows = Columns(
        n,
        strings,
        {"time": times, "promised": times + 86_400_000},
        {name: (cases % np.uint64(70)).astype(np.int32) for name in ("site", "carrier")},
        {},
        {"identity": hash_numbers(times)},
    )
    return CaseEvents(
        kind, hash_numbers(cases.astype(np.int64)), rows, lambda _, at: Packed.of([b"ORD-1234567"] * at.size)
    )


def table(count: int, strings: Strings, spent: list[float]) -> CaseTable:
    """``count`` open cases; what each batch took is added to ``spent`` (seconds of this thread)."""
    made = CaseTable(process(), {name: EventType(name, "", FIELDS, {}) for name in STEPS}, feeds(), strings)
    made.advance(0)
    order = np.random.default_rng(1).permutation(count).astype(np.uint64)
    for start in range(0, count, BATCH):
        batch = [events("placed", order[start : start + BATCH], 1_000_000, strings)]
        begun = time.thread_time()
        made.update(batch)
        spent.append(time.thread_time() - begun)
    return made


def run(count: int = 1_000_000, rounds: int = 400) -> list[Figure]:
    """The median batch counts: others may use the machine."""
    strings = Strings([f"s{n}" for n in range(70)])
    inserts: list[float] = []
    cases = table(count, strings, inserts)
    rng = np.random.default_rng(7)
    updates: list[float] = []
    facts = 0
    for number in range(rounds):
        parts = np.split(rng.integers(0, count, BATCH).astype(np.uint64), 4)
        batch = [
            events(name, part, 2_000_000 + number, strings)
            for name, part in zip(STEPS[1:5], parts, strict=True)
        ]
        begun = time.thread_time()
        told = cases.update(batch)
        updates.append(time.thread_time() - begun)
        facts += sum(one.rows.n for one in told)
    held = cases.nbytes / count
    begun = time.thread_time()
    cases.advance(10_000_000)
    tick = time.thread_time() - begun
    begun = time.thread_time()
    notable(cases, tenant="default", run="live", attempt=0, partition=0)
    told_in = time.thread_time() - begun
    conditions = {"cases": count, "batch": BATCH, "feeds": len(feeds())}
    per_update = {**conditions, "facts per update": round(facts / (rounds * BATCH), 2)}
    return [
        Figure("cases: update", BATCH / median(updates), "updates/s", 1_000_000, per_update),
        Figure("cases: insert", BATCH / median(inserts), "cases/s", None, conditions),
        Figure("cases: memory", held, "B/case", None, {"cases": count, "steps": len(STEPS), "id bytes": 11}),
        Figure("cases: a tick without a due time", tick * 1e3, "ms", None, {"cases": count}),
        Figure("cases: telling the notable ones", told_in * 1e3, "ms", None, {"cases": count}),
    ]


if __name__ == "__main__":
    report(run())
