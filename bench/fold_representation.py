"""Rows folded by a generated loop, or columns folded by numpy? The measurement behind ADR 1.

Run: ``python -m bench.fold_representation``. One event type with three fields; per event a count, a sum of what a
filter selects, and a maximum, by site and minute; 2,600 cells. No duplicates, no cases: those cost the same index in
either form.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.domain.columns import pack, unpack
from services.domain.index import Index, pair

EVENTS, MINUTE = 200_000, 60_000


class Row(msgspec.Struct, array_like=True, gc=False):
    """One event in a frame of rows."""

    time: int
    site: str
    amount: int
    late: bool


LOOP = """
def fold(rows, cells):
    for row in rows:
        key = (row.site, row.time // 60_000)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = [0, 0, 0, -(2**63)]
        amount = row.amount
        cell[0] += 1
        if row.late and amount >= 1000:
            cell[1] += 1
            cell[2] += amount
        if amount > cell[3]:
            cell[3] = amount
"""


def events() -> list[Row]:
    draw = random.Random(1)
    return [
        Row(number * 6, f"W{draw.randrange(130)}", draw.randrange(5_000), draw.random() < 0.3)
        for number in range(EVENTS)
    ]


def by_rows(frames: list[list[Row]]) -> Callable[[], Any]:
    encoded = [msgspec.msgpack.encode(frame) for frame in frames]
    decoder = msgspec.msgpack.Decoder(list[Row])
    scope: dict[str, Any] = {}
    exec(LOOP, scope)  # generated code is one of the two candidates

    def run() -> int:
        cells: dict[Any, list[int]] = {}
        for data in encoded:
            scope["fold"](decoder.decode(data), cells)
        return sum(cell[2] for cell in cells.values())

    return run


def by_columns(frames: list[list[Row]], per_call: int) -> Callable[[], Any]:
    encoded = []
    for frame in frames:
        names = {row.site: 0 for row in frame}
        names = {name: code for code, name in enumerate(names)}
        arrays: dict[str, NDArray[Any]] = {
            "time": np.array([row.time for row in frame]),
            "site": np.array([names[row.site] for row in frame], np.int32),
            "amount": np.array([row.amount for row in frame]),
            "late": np.array([row.late for row in frame], np.int8),
        }
        encoded.append(pack({"names": list(names)}, arrays))

    def run() -> int:
        codes: dict[str, int] = {}
        index = Index()
        columns = [np.zeros(1 << 13, np.int64) for _ in range(4)]
        for start in range(0, len(encoded), per_call):
            batch = [unpack(data) for data in encoded[start : start + per_call]]
            _fold_columns(batch, codes, index, columns)
        return int(columns[2].sum())

    return run


def _fold_columns(batch: list[Any], codes: dict[str, int], index: Index, columns: list[NDArray[Any]]) -> None:
    sites = []
    for meta, arrays in batch:
        own = np.array([codes.setdefault(name, len(codes)) for name in meta["names"]])
        sites.append(own[arrays["site"]])
    time_, amount, late = (np.concatenate([a[name] for _, a in batch]) for name in ("time", "amount", "late"))
    cells = index.upsert(pair(time_ // MINUTE, np.concatenate(sites), 20))[0].astype(np.int64)
    chosen = (late == 1) & (amount >= 1000)
    np.add.at(columns[0], cells, 1)
    np.add.at(columns[1], cells[chosen], 1)
    np.add.at(columns[2], cells[chosen], amount[chosen])
    np.maximum.at(columns[3], cells, amount)


def main() -> None:
    rows = events()
    told = set()
    for size in (20, 100, 500, 1_000):
        frames = [rows[start : start + size] for start in range(0, EVENTS, size)]
        runs = {"rows, generated loop": by_rows(frames)}
        runs |= {f"columns, numpy, {n} frame(s) a call": by_columns(frames, n) for n in (1, 4, 16)}
        for name, run in runs.items():
            run()
            started = time.process_time()
            told.add(run())
            spent = time.process_time() - started
            print(f"frames of {size:5}: {name:32} {EVENTS / spent / 1e3:7,.0f} thousand events/s")
    assert len(told) == 1, "the two forms must agree"


if __name__ == "__main__":
    main()
