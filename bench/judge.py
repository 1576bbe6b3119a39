"""What JUDGE costs, and what follows it: partials → values and history, records, the live view, the stream.

Run ``python -m bench.judge [TURNS]``. The records of ``bench processors`` go through OBSERVE and on, without a log:
each partition of OBSERVE tells once per turn, as it does while it catches up, and each partition of JUDGE answers each
time. CPU time per event of OBSERVE.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from api.present import Scopes, changes
from api.shapes import encode as as_json
from bench.processors import LOAD
from bench.simulated import Made, made
from services.catalogue.canonical import load_program
from services.domain.facts import ClosedWindows, KpiValues
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.state import Emission
from services.live import LiveView
from services.records import decode, encode
from services.topics import JUDGE_PARTITIONS

FRAMES, TURNS = 24, 12
T = TypeVar("T")


class Bench:
    """Two processors and a reader, in one thread."""

    def __init__(self, records: Made) -> None:
        self.observers = [
            Observer(number, load_program, JUDGE_PARTITIONS) for number in range(LOAD.partitions)
        ]
        self.judges = [Judge(number, load_program, LOAD.partitions) for number in range(JUDGE_PARTITIONS)]
        self.live = LiveView(None, "kpis")  # type: ignore[arg-type]  # it is handed its records
        self.changes = self.live.subscribe()
        self.spent: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self.calls: dict[str, list[float]] = defaultdict(list)
        self._queues: list[list[tuple[bytes, int]]] = [[] for _ in self.observers]
        self._warm = [0] * len(self.observers)
        for number, (partition, value, count) in enumerate(records.records):
            self._queues[partition].append((value, count))
            self._warm[partition] += number < records.warm

    def fill(self) -> None:
        """Fold what only fills the state, and tell it."""
        for number, observer in enumerate(self.observers):
            end = self._warm[number]
            for start in range(0, end, 32):
                values = [value for value, _ in self._queues[number][start : min(start + 32, end)]]
                observer.fold(list(enumerate(values, start)))
            self._forward(observer)
        while any(self._answer(judge) for judge in self.judges):
            pass
        self.changes.take()
        for known in (self.spent, self.said, self.calls):
            known.clear()

    def turn(self) -> None:
        """Each partition of OBSERVE folds some frames and tells; the stream ticks once."""
        for number, observer in enumerate(self.observers):
            start = observer.applied + 1
            some = self._queues[number][start : start + FRAMES]
            self.said["events"] += sum(count for _, count in some)
            self._time("observe", observer.fold, list(enumerate([value for value, _ in some], start)))
            self._forward(observer)
            for judge in self.judges:
                self._answer(judge)
        self._time("stream", self._stream)

    def _forward(self, observer: Observer) -> None:
        for emission in self._time("observe", observer.emit):
            if emission.topic == "judging":
                judge = self.judges[emission.partition]
                self._time("judge fold", judge.fold, [(judge.applied + 1, emission.value)])

    def _answer(self, judge: Judge) -> list[Emission]:
        emissions = self._time("judge emit", judge.emit)
        for emission in emissions:
            value = emission.value
            if isinstance(value, bytes):
                continue
            data = self._time("encode", encode, value)
            self.said[f"{emission.topic} bytes"] += len(data)
            self.said[f"{emission.topic} records"] += 1
            if isinstance(value, KpiValues):
                self.said["values"] += len(value.values)
                self._time("live view", self._hear, data)
            elif isinstance(value, ClosedWindows):
                self.said["windows"] += len(value.windows)
        return emissions

    def _hear(self, data: bytes) -> None:
        self.live.apply(decode(KpiValues, data))

    def _stream(self) -> None:
        widest = {("default", "live"): Scopes.SINGLE.widest}
        for (tenant, run), keys in self.changes.take(widest).items():
            shape = changes(self.live.get(tenant, run), keys, now=0, ready=True)
            self.said["stream bytes"] += len(as_json(shape))

    def _time(self, name: str, work: Callable[..., T], *given: Any) -> T:
        started = time.process_time()
        found = work(*given)
        took = time.process_time() - started
        self.spent[name] += took  # type: ignore[assignment]  # seconds, added up
        self.calls[name].append(took)
        return found


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    bench = Bench(made(LOAD))
    bench.fill()
    for _ in range(turns):
        bench.turn()
    events = bench.said["events"]
    for name, spent in bench.spent.items():
        calls = sorted(bench.calls[name])
        print(
            f"{name:10} {spent / events * 1e6:6.2f} µs per event, {len(calls):5} calls, "
            f"median {calls[len(calls) // 2] * 1e3:6.2f} ms, longest {calls[-1] * 1e3:6.2f} ms"
        )
    print(", ".join(f"{count:,} {name}" for name, count in bench.said.items()))


if __name__ == "__main__":
    main()
