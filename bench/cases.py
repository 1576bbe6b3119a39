"""Open cases: bytes per case, and time per update at a million of them, with the feeds of a demo catalogue.

Run ``python bench/cases.py [cases]`` from the project's root. Six steps, two attributes, two due times; updates are
spread over all cases, in batches of 1,000 events of four types.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from services.domain.cases import CaseEvents, CaseTable
from services.domain.catalogue import Due, EventType, Field, FieldType, Process, Step
from services.domain.program import DueFeed, DurationFeed, Feed, OpenFeed, OverdueFeed, StepFeed, WaitingFeed
from services.domain.rows import Columns, Hashes, Strings, hash_numbers

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
        kind, hash_numbers(cases.astype(np.int64)), rows, lambda _, at: [b"ORD-1234567"] * at.size
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    strings = Strings([f"s{n}" for n in range(70)])
    table = CaseTable(process(), {name: EventType(name, "", FIELDS, {}) for name in STEPS}, feeds(), strings)
    table.advance(0)
    rng = np.random.default_rng(7)
    order = rng.permutation(count).astype(np.uint64)
    batches = [
        events("placed", order[start : start + BATCH], 1_000_000, strings) for start in range(0, count, BATCH)
    ]
    begun = time.perf_counter()
    for batch in batches:
        table.update([batch])
    insert = (time.perf_counter() - begun) / count * 1e6
    updates = 200
    work = []
    for index in range(updates):
        cases = rng.integers(0, count, BATCH).astype(np.uint64)
        parts = np.split(cases, 4)
        work.append(
            [
                events(name, part, 2_000_000 + index, strings)
                for name, part in zip(STEPS[1:5], parts, strict=True)
            ]
        )
    begun = time.perf_counter()
    facts = sum(rows.n for batch in work for _, rows in table.update(batch))
    update = (time.perf_counter() - begun) / (updates * BATCH) * 1e6
    begun = time.perf_counter()
    table.advance(50_000_000)
    tick = (time.perf_counter() - begun) * 1e3
    figures = {
        "cases": count,
        "feeds": len(feeds()),
        "bytes_per_case": round(table.nbytes / count, 1),
        "insert_us": round(insert, 2),
        "update_us": round(update, 2),
        "facts_per_update": round(facts / (updates * BATCH), 2),
        "tick_ms": round(tick, 2),
    }
    for name, figure in figures.items():
        print(f"{name:>18} {figure}")
    out = Path("bench/out")
    out.mkdir(parents=True, exist_ok=True)
    (out / "cases.json").write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
