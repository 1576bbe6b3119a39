"""What OBSERVE's core costs on one core: frames → cells, cases, partials, snapshots. No log, no Faust.

Run ``python -m bench.fold [FRAMES …]`` (per call; 1, 4, 10 and 32 by default), or ``python -m bench.fold profile 32``.
The records are those of ``python -m bench processors``, of one of their partitions; those that fill its state are not
counted. Of several rounds the least that each call took counts: others may use the machine.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.processors import LOAD
from bench.simulated import made
from services.catalogue.canonical import load_program
from services.domain.frames import decode
from services.domain.observe import Observer

PER_CALL = (1, 4, 10, 32)
_WARMING = 32
_ROUNDS = 3
_LINES = 60

Records = Sequence[tuple[int, bytes]]


class Call(NamedTuple):
    """What a call took, in seconds of CPU, and the bytes that followed from it."""

    fold: float
    emit: float
    told: int


def main(words: Sequence[str]) -> None:
    """Measure, or profile."""
    records = made(LOAD)
    own = [(number < records.warm, value) for number, (at, value, _) in enumerate(records.records) if at == 0]
    warm = list(enumerate(value for before, value in own if before))
    rest = [
        (len(warm) + number, value)
        for number, value in enumerate(value for before, value in own if not before)
    ]
    if words[:1] == ["profile"]:
        _profile(warm, rest, int(words[1]))
        return
    events = sum(decode(value).head.count for _, value in rest)
    decoding = min(_decoding(rest) for _ in range(_ROUNDS))
    print(
        f"{events:,} events in {len(rest)} frames, {decoding / events * 1e6:.2f} µs CPU per event to decode them"
    )
    for frames in map(int, words or map(str, PER_CALL)):
        _measure(warm, rest, events, frames)
    _snapshot(warmed(warm))


def warmed(records: Records) -> Observer:
    """With its state filled, and all of that told."""
    observer = Observer(0, load_program)
    for start in range(0, len(records), _WARMING):
        observer.fold(records[start : start + _WARMING])
    observer.emit()
    return observer


def calls(observer: Observer, records: Records, frames: int) -> list[Call]:
    """Fold ``frames`` at once, and tell what has changed."""
    found = []
    for start in range(0, len(records), frames):
        begun = time.process_time()
        observer.fold(records[start : start + frames])
        folded = time.process_time()
        emissions = observer.emit()
        told = time.process_time()
        size = sum(len(one.value) for one in emissions if isinstance(one.value, bytes))
        found.append(Call(folded - begun, told - folded, size))
    return found


def _measure(warm: Records, rest: Records, events: int, frames: int) -> None:
    rounds = [calls(warmed(warm), rest, frames) for _ in range(_ROUNDS)]
    least = [Call(*map(min, zip(*same, strict=True))) for same in zip(*rounds, strict=True)]
    fold, emit, told = (sum(column) for column in zip(*least, strict=True))
    print(
        f"{frames} frames a call: {fold / events * 1e6:.2f} µs CPU per event to fold, "
        f"{emit / events * 1e6:.2f} to tell {told / events:.0f} B of it; "
        f"longest call {max(call.fold for call in least) * 1e3:.0f} ms; "
        f"{events / (fold + emit):,.0f} events per CPU second"
    )


def _decoding(records: Records) -> float:
    begun = time.process_time()
    for _, value in records:
        decode(value)
    return time.process_time() - begun


def _profile(warm: Records, rest: Records, frames: int) -> None:
    observer, profiler = warmed(warm), cProfile.Profile()
    profiler.enable()
    calls(observer, rest, frames)
    profiler.disable()
    for order in ("tottime", "cumtime"):
        pstats.Stats(profiler).sort_stats(order).print_stats(_LINES)


def _snapshot(observer: Observer) -> None:
    run = next(iter(observer.runs.values()))
    begun = time.process_time()
    chunks = observer.chunks()
    first = next(chunks)
    copied = time.process_time()
    size = len(first) + sum(map(len, chunks))
    print(
        f"{sum(map(len, run.cells.values())):,} cells, {sum(map(len, run.cases.values())):,} cases: "
        f"a snapshot of {size / 1e6:.0f} MB, {(copied - begun) * 1e3:.0f} ms to copy, "
        f"{(time.process_time() - copied) * 1e3:.0f} ms to pack"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
