"""History that late events amend: one of memory or history takes each fact, whatever the lateness, batching, restarts.

The live engine holds panes for a week; events come up to sixty days late. What JUDGE says of closed slots, merged with
what OBSERVE says amends them, must be what a naive model of all facts says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text
from services.domain.catalogue import Catalogue, Kpi, KpiType
from services.domain.facts import Amendment, Amendments, ClosedWindow, DeadLetter
from services.domain.frames import Kind
from services.domain.history import Point, combine
from services.domain.observe import Observer
from services.domain.program import LIVE
from services.domain.readings import reading
from tests.naive import model
from tests.unit.domain import test_engine_equals_naive as naive_test
from tests.unit.domain.test_engine_equals_naive import DAY, FILTERS, HOUR, JUDGES, MINUTE, START

Place = tuple[int, int, str, tuple[tuple[str, str], ...], int]


@dataclass
class Live(naive_test.Engine):
    """The live run; each observer can fall back to a snapshot and say again what it said since."""

    run: str = LIVE
    amendments: dict[Place, Amendment] = field(default_factory=dict)
    letters: dict[str, DeadLetter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.logs: dict[int, list[bytes]] = {number: [] for number in range(self.partitions)}
        self.snapshots: dict[int, list[bytes]] = {}
        super().__post_init__()
        self.queued = self.logs

    def append(self, records: list[object]) -> None:
        for record in records:
            self.logs[record.partition].append(record.value)  # type: ignore[attr-defined]  # as in the class above

    def turn(self, observer: int, *, restart: bool = False, most: int = 1 << 30) -> None:
        """``restart``: from the snapshot before, if there is one; what follows is said again."""
        if restart and observer in self.snapshots:
            self.observers[observer] = Observer(observer, load_program, JUDGES)
            self.observers[observer].restore(self.snapshots[observer])
            self.pass_on(observer, everything=True)
        state = self.observers[observer]
        while records := self.logs[observer][state.applied + 1 :][:most]:
            state.fold(list(enumerate(records, state.applied + 1)))
            self.pass_on(observer)

    def snapshot(self, observer: int) -> None:
        self.pass_on(observer)
        self.snapshots[observer] = list(self.observers[observer].chunks())

    def pass_on(self, observer: int, *, everything: bool = False) -> None:
        for emission in self.observers[observer].emit(everything=everything):
            if emission.topic == "judging":
                judge = self.judges[emission.partition]
                assert isinstance(emission.value, bytes)
                judge.fold([(judge.applied + 1, emission.value)])
            elif isinstance(emission.value, Amendments):
                self.keep(emission.value)
            elif isinstance(emission.value, DeadLetter):
                self.letters[emission.value.id] = emission.value

    def keep(self, told: Amendments) -> None:
        """As the recorder does: what is known by its identity is the same."""
        for one in told.amendments:
            place = (told.partition, told.sequence, one.kpi, tuple(one.scope.items()), one.start)
            assert self.amendments.setdefault(place, one) == one

    def history(self, kpi: Kpi) -> dict[tuple[model.Scope, int], Point]:
        """(full scope, start) → the slot as it reads in the end."""
        read = reading(load_program(to_text(self.catalogue)), kpi.name)
        windows = [one for one in self.windows.values() if one.kpi == kpi.name]
        windows += [as_window(one) for one in self.amendments.values() if one.kpi == kpi.name]
        points = combine(read, windows, None, kpi.dimensions)
        return {(tuple(one.scope.items()), one.start): one for one in points}


def as_window(one: Amendment) -> ClosedWindow:
    return ClosedWindow(one.kpi, one.kpi_version, one.scope, one.start, one.end, 0, None, 0, one.state)


@dataclass
class Step:
    """Events that arrive together; then each observer: falls back, folds so many records at once, snapshots."""

    ingest: int
    events: list[model.Event]
    turns: list[tuple[int, bool, int, bool]]
    judges: list[int]


def script(seed: int, partitions: int) -> list[Step]:
    """Two months of business: most events come soon, some days or weeks late, some twice."""
    rng = random.Random(seed)
    now, known, steps = START, list[model.Event](), list[Step]()
    for number in range(rng.randint(3, 16)):
        now += rng.choice([MINUTE, HOUR, DAY, 8 * DAY]) * rng.randint(1, 3)
        events = list[model.Event]()
        for _ in range(rng.randint(0, 10)):
            event = naive_test.business_event(rng, now, len(known) + len(events), number)
            back = rng.choice([0, 0, 1, 5, 12, 40, 60]) * DAY + rng.randint(0, 600) * MINUTE
            events.append(replace(event, time=event.time - back))
        again = rng.choices(known, k=rng.choice([0, 0, 1, 3])) if known else []
        known += events
        turns = [
            (rng.randrange(partitions), rng.random() < 0.3, rng.randint(1, 4), rng.random() < 0.4)
            for _ in range(rng.randint(0, 3))
        ]
        steps.append(Step(now, events + again, turns, rng.choices(range(JUDGES), k=rng.randint(0, 4))))
    return steps


def play(engine: Live, naive: model.Engine, steps: list[Step]) -> None:
    for step in steps:
        engine.frame(step.ingest, step.events)
        naive.frame(step.ingest, step.events)
        for observer, restart, most, snapshot in step.turns:
            engine.turn(observer, restart=restart, most=most)
            if snapshot:
                engine.snapshot(observer)
        for number in step.judges:
            engine.judge(number)
    now = max(
        naive_test.latest([naive_test.Frame(step.ingest, step.events, [], []) for step in steps]), START
    )
    end = (now // HOUR + 2) * HOUR - 1
    engine.mark(Kind.TICK, end)
    for number in range(engine.partitions):
        engine.turn(number, restart=True)
    engine.finish(end)
    naive.finish(end)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(naive_test.catalogues(), st.integers(0, 2**32), st.integers(1, 3))
def test_history_with_its_amendments_equals_the_naive_model(
    catalogue: Catalogue, seed: int, partitions: int
) -> None:
    """Every kind of KPI, by every scope, for events up to sixty days late that may amend history for 300 days."""
    engine, naive = Live(catalogue, partitions), model.Engine(catalogue, FILTERS, partitions)
    play(engine, naive, script(seed, partitions))
    for kpi in catalogue.kpis.values():
        expected, said = naive.history(kpi), engine.history(kpi)
        for place, told in expected.items():
            if place in said:
                naive_test.check(kpi, said[place].value, said[place].samples, told, place)
            else:  # what came and went before anybody was told
                assert kpi.type is KpiType.LEVEL, (kpi, place)
        for place in said.keys() - expected.keys():
            assert said[place].samples == 0 or kpi.type is KpiType.LEVEL, (kpi, place)
        told_last = [one for told in engine.last.values() for one in told.values if one.kpi == kpi.name]
        current = {tuple(one.scope.items()): one for one in told_last}
        for scope, told in naive.current(kpi).items():
            if scope in current:
                naive_test.check(kpi, current[scope].value, current[scope].samples, told, scope)
            else:  # whatever happened there is history
                assert told[1] == 0, (kpi, scope)
