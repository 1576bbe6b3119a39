"""Olist through importer, OBSERVE and JUDGE, and what they say of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue, KpiType
from services.domain.facts import ClosedWindows, KpiValues
from services.domain.frames import Kind, decode
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.program import Program
from services.importing.deriving import Deriver
from services.importing.load import load_mapping
from services.importing.run import Importer, Report
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.ports import Append, Log
from services.settings import Intake as IntakeSettings
from services.topics import JUDGE_PARTITIONS, Topics
from tests.servers import ROOT
from tests.unit.intake.given import ListLog, StoppedClock

EXAMPLE = ROOT / "examples" / "olist"
RUN = "olist"
SPAN = 30 * 86_400_000
"""What an append may cover; the catalogue reopens for 35 days."""
Scoped = tuple[str, tuple[tuple[str, str], ...]]


def load(text: str) -> Program:
    return load_program(text, EVALUATOR)


EVALUATOR = CelEvaluator()


def catalogue() -> Catalogue:
    return load_catalogue(EXAMPLE / "catalogue", EVALUATOR)


async def run_import(
    data: Path, log: Log, topics: Topics, *, as_of: int | None = None, attempt: int = 1
) -> Report:
    """The example's mapping over the files in ``data``, into ``log``."""
    known = catalogue()
    importer = Importer(log, topics, StoppedClock(attempt), known, EVALUATOR, "default", IntakeSettings())
    return await importer.run(load_mapping(EXAMPLE / "import.yaml", known), [data], as_of=as_of)


@dataclass(frozen=True)
class Imported:
    """The records that an import appends, and its report."""

    records: list[Append]
    report: Report


TOPICS = Topics("olist", 16)


def imported(data: Path, *, as_of: int | None = None, attempt: int = 1) -> Imported:
    return asyncio.run(importing(data, as_of=as_of, attempt=attempt))


async def importing(data: Path, *, as_of: int | None = None, attempt: int = 1) -> Imported:
    log = ListLog()
    report = await run_import(data, log, TOPICS, as_of=as_of, attempt=attempt)
    return Imported(log.records, report)


@dataclass
class Said:
    """What JUDGE said at last: values by (KPI, scope), windows by (KPI, scope, start)."""

    values: dict[Scoped, float | None] = field(default_factory=dict)
    windows: dict[tuple[str, tuple[tuple[str, str], ...], int], tuple[int, float | None]] = field(
        default_factory=dict
    )
    counters: dict[str, int] = field(default_factory=dict)
    complete: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)
    attempt: int = 0

    def hear(self, told: KpiValues | ClosedWindows) -> None:
        """Take what is new."""
        if isinstance(told, KpiValues):
            self.values |= {(value.kpi, _key(value.scope)): value.value for value in told.values}
            for kpi, scope in told.removed:
                self.values.pop((kpi, _key(scope)), None)
            self.counters = dict(told.counters)
            if told.complete and told.part == told.parts - 1:
                self.complete.add(told.partition)
            return
        if told.attempt < self.attempt:
            return
        if told.attempt > self.attempt:  # a new one voids the windows of those before, as it does in history
            self.attempt, self.windows = told.attempt, {}
        if told.complete:
            self.told.add(told.partition)
        for window in told.windows:
            place = (window.kpi, _key(window.scope), window.start)
            if place not in self.windows or self.windows[place][0] <= window.version:
                self.windows[place] = (window.version, window.value)

    def value(self, kpi: str, **scope: str) -> float | None:
        """A KPI's current value."""
        return self.values[kpi, _key(scope)]

    def everything(self) -> tuple[object, object]:
        """All values and windows, whatever their versions: equal means equal results.

        A scope or slot in which nothing (or nothing any more) counts may be told as zero, as a share of nothing, or not
        at all; so may a slot in which a level is what it was in the slot before.
        """
        levels = {kpi.name for kpi in catalogue().kpis.values() if kpi.type is KpiType.LEVEL}
        windows: dict[object, float] = {}
        before: tuple[object, float | None] = None, None
        for (kpi, scope, start), (_, value) in sorted(self.windows.items()):
            if value and (kpi not in levels or before != ((kpi, scope), value)):
                windows[kpi, scope, start] = value
            before = (kpi, scope), value
        return {place: value for place, value in self.values.items() if value}, windows

    def by_state(self, kpi: str) -> dict[tuple[int, str], float]:
        """(start, state) → value of the history's windows."""
        return {
            (start, dict(scope)["state"]): value
            for (name, scope, start), (_, value) in self.windows.items()
            if name == kpi and value is not None
        }


def _key(scope: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(scope.items()))


def fold(records: Iterable[Append], *, at_once: int = 50) -> Said:
    """Through OBSERVE and JUDGE in memory; ``at_once`` records are folded between two emissions."""
    said = Said()
    queues: dict[int, list[tuple[int, bytes]]] = {n: [] for n in range(TOPICS.partitions)}
    for record in records:
        queue = queues[record.partition]
        queue.append((len(queue), record.value or b""))
    observers = {n: Observer(n, load, JUDGE_PARTITIONS) for n in queues}
    judges = {n: Judge(n, load, TOPICS.partitions) for n in range(JUDGE_PARTITIONS)}
    offsets = dict.fromkeys(judges, 0)
    for first in range(0, max(map(len, queues.values())), at_once):
        for number, observer in observers.items():
            observer.fold(queues[number][first : first + at_once])
            for emission in observer.emit():
                if emission.topic == "judging":
                    assert isinstance(emission.value, bytes)
                    judges[emission.partition].fold([(offsets[emission.partition], emission.value)])
                    offsets[emission.partition] += 1
        for judge in judges.values():
            for emission in judge.emit():
                if isinstance(emission.value, KpiValues | ClosedWindows):
                    said.hear(emission.value)
    return said


def shuffled(records: Sequence[Append], seed: int, within: int, topics: Topics = TOPICS) -> list[Append]:
    """The same events, each up to ``within`` ms out of order, in frames of their own; marks stay where they are."""
    chance = random.Random(seed)
    known = catalogue()
    texts: list[bytes] = []
    for record in records:
        frame = decode(record.value or b"")
        for block in frame.blocks:
            if block.primary:
                texts += [frame.event(block.first + row) for row in range(block.n)]
    validator = Validator(known, max_event_bytes=1 << 17)
    events = [event for text in texts if isinstance(event := validator.validate(text), Event)]
    assert len(events) == len(texts)
    events.sort(key=lambda event: event.time + chance.randrange(within))
    framer = Framer(
        known, heads("default", RUN, 1, known.digest), topics.events.name, topics.partitions,
        frame_events=4000, frame_bytes=400 << 10,
    )  # fmt: skip
    deriver = Deriver(known, EVALUATOR, heads("default", RUN, 1, known.digest), topics)
    made = framer.mark(Kind.BEGIN, 0) + framer.mark(Kind.CATALOGUE, 0, catalogue=to_text(known))
    highest = passed = 0
    for event in events:
        if framer.events >= 3000 or event.time > passed + SPAN:
            made += deriver.completed(framer.take(passed, ticks=True), passed)
            passed = highest
        framer.add(event)
        highest = max(highest, event.time)
    last = deriver.completed(framer.take(passed, ticks=True), passed)
    return made + last + framer.mark(Kind.END, highest)
