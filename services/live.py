"""The live view: the latest value of every KPI at every scope, as the ``kpis`` topic tells it.

It starts about 20 seconds before the topic's end (a keyframe comes at least every 10 s of engine time) and follows.
Nothing in it is durable: whoever restarts reads the last seconds again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from services.domain.facts import Completeness, KpiValue, KpiValues, SourceFreshness, SourceState
from services.domain.live_values import LiveValues, Names, ValueKey, value_key
from services.domain.rows import Numbers
from services.domain.tables import grown
from services.ports import Log, Record
from services.records import decode

LOOK_BACK_MS = 20_000

RunKey = tuple[str, str]
"""(tenant, run)."""


@dataclass(slots=True)
class Keyframe:
    """A keyframe that comes in several records: the rows that it has named, one element per record."""

    named: list[Numbers] = field(default_factory=list)


@dataclass(slots=True)
class PartitionView:
    """What one judge partition has said of a run."""

    position: int = -1
    time: int = 0
    watermark: int = 0
    complete: bool = False
    values: LiveValues = field(default_factory=LiveValues)
    sources: Mapping[str, SourceFreshness] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, SourceState] = field(default_factory=dict)
    completeness: Mapping[str, Completeness] = field(default_factory=dict)
    keyframe: Keyframe = field(default_factory=Keyframe)


@dataclass(slots=True)
class RunView:
    """All that is known of one (tenant, run) now; times are epoch ms."""

    tenant: str
    run: str
    attempt: int = -1
    digest: str = ""
    partitions: dict[int, PartitionView] = field(default_factory=dict)

    @property
    def time(self) -> int:
        """Engine time: the furthest that any judge partition has told."""
        return max((part.time for part in self.partitions.values()), default=0)

    @property
    def watermark(self) -> int:
        """Up to where event time is complete: the minimum over judge partitions."""
        return min((part.watermark for part in self.partitions.values()), default=0)

    @property
    def complete(self) -> bool:
        """Whether the run has ended in every judge partition that speaks."""
        return bool(self.partitions) and all(part.complete for part in self.partitions.values())

    @property
    def sources(self) -> list[SourceFreshness]:
        """Each source, as the judge partition that heard most of it says, by name."""
        best: dict[str, SourceFreshness] = {}
        for part in self.partitions.values():
            for name, source in part.sources.items():
                if name not in best or source.events >= best[name].events:
                    best[name] = source
        return [best[name] for name in sorted(best)]

    @property
    def counters(self) -> dict[str, int]:
        """Totals of the run; every judge partition hears of all, so the most advanced one is right."""
        totals: dict[str, int] = {}
        for part in self.partitions.values():
            for name, count in part.counters.items():
                totals[name] = max(count, totals.get(name, 0))
        return totals

    @property
    def states(self) -> dict[str, SourceState]:
        """Each declared source, as the judge partition that is furthest in time says."""
        parts = sorted(self.partitions.values(), key=lambda part: part.time)
        return {name: state for part in parts for name, state in part.states.items()}

    @property
    def completeness(self) -> dict[str, Completeness]:
        """That of the KPIs that need a declared source."""
        return {name: one for part in self.partitions.values() for name, one in part.completeness.items()}

    def get(self, key: ValueKey) -> KpiValue | None:
        """The value filed under ``key``."""
        for part in self.partitions.values():
            if (value := part.values.get(key)) is not None:
                return value
        return None

    def find(self, key: ValueKey) -> tuple[KpiValue, PartitionView] | None:
        """The same with the judge partition that told it."""
        for part in self.partitions.values():
            if (value := part.values.get(key)) is not None:
                return value, part
        return None

    def values(
        self, keys: Iterable[ValueKey] | None = None
    ) -> Iterator[tuple[ValueKey, KpiValue, PartitionView]]:
        """Every value, or those filed under ``keys``, with the judge partition that told it."""
        for part in self.partitions.values():
            rows = part.values.all() if keys is None else part.values.rows_of(keys)
            for key, value in part.values.pick(rows):
                yield key, value, part


class _Marks:
    """Rows that have changed."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.rows = np.zeros(1, np.bool_)

    def mark(self, rows: Numbers) -> None:
        self.rows = grown(self.rows, len(self.names.keys))
        self.rows[rows] = True

    def keys(self, widest: float) -> Iterator[ValueKey]:
        rows = self.rows.nonzero()[0]
        return (self.names.keys[row] for row in rows[self.names.widths[rows] <= widest].tolist())


class Changes:
    """What has changed since it was last taken, coalesced: a key that changed five times is told once."""

    def __init__(self) -> None:
        self._pending: dict[RunKey, dict[int, _Marks]] = {}
        self._news = asyncio.Event()

    def note(self, run: RunKey, names: Names, rows: Numbers) -> None:
        """Called by the live view: these rows have changed."""
        marks = self._pending.setdefault(run, {}).setdefault(id(names), _Marks(names))
        marks.mark(rows)
        self._news.set()

    async def wait(self) -> None:
        """Until there is something to take."""
        await self._news.wait()

    def take(self, widest: Mapping[RunKey, float] | None = None) -> dict[RunKey, set[ValueKey]]:
        """Per run the keys whose value changed or went; a run with none has only moved on in time.

        ``widest`` says of which runs to tell, each up to how many dimensions; None: all of all. What is not told is
        taken all the same.
        """
        taken, self._pending = self._pending, {}
        self._news.clear()
        wanted = dict.fromkeys(taken, math.inf) if widest is None else widest
        return {
            run: {key for each in marks.values() for key in each.keys(wanted[run])}
            for run, marks in taken.items()
            if run in wanted
        }


class LiveView:
    """Follows the ``kpis`` topic; ``run`` is the task that does, everything else reads.

    ``heard`` is when the latest record was appended (epoch ms), None before the first.
    """

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._runs: dict[RunKey, RunView] = {}
        self._subscribers: list[Changes] = []
        self._waiting: dict[int, int] | None = None
        self._ready = asyncio.Event()
        self.unreadable = 0
        self.heard: int | None = None

    async def run(self) -> None:
        """Read for ever; returns only by cancellation."""
        offsets = await self._offsets()
        async for records in self._log.read(self._topic, offsets, follow=True):
            for record in records:
                self._take(record)

    @property
    def ready(self) -> bool:
        """Whether every judge partition that had spoken before the start was heard up to a keyframe."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        """Wait for that; needs ``run`` to run."""
        await self._ready.wait()

    @property
    def waiting(self) -> list[int] | None:
        """Judge partitions that are still being read; None before the topic was looked at."""
        return None if self._waiting is None else sorted(self._waiting)

    def runs(self, tenant: str) -> list[RunView]:
        """The runs of a tenant that spoke, by name."""
        return [self._runs[key] for key in sorted(self._runs) if key[0] == tenant]

    def get(self, tenant: str, run: str) -> RunView:
        """One run; an empty view where it never spoke."""
        return self._runs.get((tenant, run)) or RunView(tenant, run)

    def all(self) -> list[RunView]:
        """Every run of every tenant."""
        return list(self._runs.values())

    def subscribe(self) -> Changes:
        """Be told what changes; ``unsubscribe`` when done."""
        changes = Changes()
        self._subscribers.append(changes)
        return changes

    def unsubscribe(self, changes: Changes) -> None:
        """No more."""
        self._subscribers.remove(changes)

    def load(self, finals: Iterable[KpiValues]) -> None:
        """Take what the database kept of completed runs, which the topic may have forgotten."""
        for told in finals:
            self.apply(told)

    def apply(self, told: KpiValues) -> None:
        """Take one record. What is older than what is known (attempt, position) changes nothing."""
        key = (told.tenant, told.run)
        run = self._runs.get(key)
        if run is None or told.attempt > run.attempt:
            void = [] if run is None else [part.values for part in run.partitions.values()]
            run = self._runs[key] = RunView(*key, told.attempt, told.digest)
            for values in void:
                self._note(key, values.names, values.all())
        part = run.partitions.setdefault(told.partition, PartitionView())
        if told.attempt < run.attempt or told.position < part.position:
            return
        run.digest = told.digest
        names = part.values.names
        self._note(key, names, _merge(part, told))

    def _note(self, run: RunKey, names: Names, rows: Numbers) -> None:
        for subscriber in self._subscribers:
            subscriber.note(run, names, rows)

    async def _offsets(self) -> dict[int, int]:
        ends = await self._log.ends(self._topic)
        offsets, waiting = {}, {}
        for partition, (first, end) in ends.items():
            offsets[partition] = end
            if end > first:
                waiting[partition] = end
                offsets[partition] = await self._look_back(partition, end)
        self._waiting = waiting
        if not waiting:
            self._ready.set()
        return offsets

    async def _look_back(self, partition: int, end: int) -> int:
        async for records in self._log.read(self._topic, {partition: end - 1}, follow=False):
            for record in records:
                since = record.timestamp - LOOK_BACK_MS
                return min(end - 1, await self._log.offset_at(self._topic, partition, since))
        return end

    def _take(self, record: Record) -> None:
        self.heard = max(record.timestamp, self.heard or 0)
        keyframe = False
        if record.value is not None:
            try:
                told = decode(KpiValues, record.value)
            except msgspec.DecodeError:
                self.unreadable += 1
            else:
                self.apply(told)
                keyframe = told.keyframe and told.part == told.parts - 1
        if self._waiting and (keyframe or record.offset >= self._waiting.get(record.partition, 0) - 1):
            self._waiting.pop(record.partition, None)
            if not self._waiting:
                self._ready.set()


def _unnamed(part: PartitionView, told: KpiValues, rows: Numbers) -> Numbers:
    """What a keyframe does not name, with its last record; nothing before, or where its beginning was not heard."""
    if told.part == 0:
        part.keyframe = Keyframe()
    part.keyframe.named.append(rows)
    whole = len(part.keyframe.named) == told.parts == told.part + 1
    return part.values.others(part.keyframe.named) if whole else _NONE


def _merge(part: PartitionView, told: KpiValues) -> Numbers:
    """Bring a partition up to date; returns the rows whose value is another one than before, or gone."""
    gone = part.values.rows_of(value_key(kpi, scope) for kpi, scope in told.removed)
    rows, changed = part.values.lay(told.values)
    if told.keyframe:
        gone = np.concatenate([gone, _unnamed(part, told, rows)])
    part.values.drop(gone)
    if told.keyframe and told.part == told.parts - 1:
        part.keyframe = Keyframe()
        part.values.tidy()
    part.position, part.time, part.watermark, part.complete = (
        told.position,
        told.time,
        told.watermark,
        told.complete,
    )
    part.sources = {source.source: source for source in told.sources} or part.sources
    part.counters = told.counters or part.counters
    part.states = {state.source: state for state in told.states}
    part.completeness = told.completeness
    return np.concatenate([changed, gone])


_NONE = np.empty(0, np.int64)
