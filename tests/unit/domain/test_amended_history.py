"""History that late events amend: one of memory or history takes each fact, whatever the lateness, batching, restarts.

The live engine holds panes for a week; events come up to sixty days late. What JUDGE says of closed slots, merged with
what OBSERVE says amends them, must be what a naive model of all facts says.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Kpi,
    KpiType,
    MeasureSpec,
    Time,
    Window,
    WindowKind,
)
from services.domain.facts import Amendment, Amendments, ClosedWindow, DeadLetter
from services.domain.frames import Kind
from services.domain.history import Point, combine
from services.domain.observe import Observer
from services.domain.program import LIVE
from services.domain.readings import reading
from tests.naive import calendar, model
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


def compare(engine: Live, naive: model.Engine, catalogue: Catalogue) -> None:
    """History and current values."""
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


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(naive_test.catalogues(), st.integers(0, 2**32), st.integers(1, 3))
def test_history_with_its_amendments_equals_the_naive_model(
    catalogue: Catalogue, seed: int, partitions: int
) -> None:
    """Every kind of KPI, by every scope, for events up to sixty days late that may amend history for 300 days."""
    engine, naive = Live(catalogue, partitions), model.Engine(catalogue, FILTERS, partitions)
    play(engine, naive, script(seed, partitions))
    compare(engine, naive, catalogue)


class Dated(model.Engine):
    """Knows what is too old for ``reopen`` when it comes, and lets it count then."""

    def __init__(self, catalogue: Catalogue, partitions: int) -> None:
        super().__init__(catalogue, FILTERS, partitions)
        self.watermarks: dict[tuple[int, int], int] = {}

    def keep(
        self,
        partition: model.Partition,
        ingest: int,
        event: model.Event,
        process: str,
        key: str,
        primary: bool,  # noqa: FBT001  # as in the class above
    ) -> bool:
        fresh = super().keep(partition, ingest, event, process, key, primary)
        if fresh and primary:
            self.watermarks[event.identity, ingest] = partition.watermark
        return fresh

    def counts_at(self, event: model.Event, ingest: int, kpi: Kpi) -> int:
        time = super().counts_at(event, ingest, kpi)
        watermark = self.watermarks.get((event.identity, ingest))
        if watermark is None or not too_old(kpi, time, watermark):
            return time
        assert kpi.measure is None or kpi.measure.agg is not Agg.LAST
        return ingest // MINUTE * MINUTE


def too_old(kpi: Kpi, time: int, watermark: int) -> bool:
    """Whether the pane of ``time`` began before the longest slot, ``reopen`` and an hour, in steps of a sixteenth."""
    pane = calendar.pane(kpi)
    slot = {"1h": HOUR, "1d": DAY + HOUR, "1w": 7 * DAY + HOUR}[kpi.grain]
    reach = -(-(slot + kpi.reopen_ms + HOUR) // pane) * pane
    step = pane * (reach // pane // 16)
    return time // pane * pane < (watermark - reach) // step * step


@st.composite
def visits(draw: st.DrawFn) -> Catalogue:
    """KPIs over events alone, with the usual ``reopen``."""
    grain = draw(st.sampled_from(["1h", "1d", "1w"]))
    measures = naive_test.event_measures.filter(lambda one: one.event == "visit" and one.agg is not Agg.LAST)
    kpis: dict[str, Kpi] = {}
    for number in range(draw(st.integers(1, 3))):
        shape: dict[str, object] = {"type": KpiType.SIMPLE, "measure": draw(measures)}
        if draw(st.booleans()):
            count = MeasureSpec(Agg.COUNT, event="visit")
            total = MeasureSpec(Agg.SUM, event="visit", field="price")
            shape = {"type": KpiType.RATIO, "numerator": total, "denominator": count}
        window = Window(WindowKind.ROLLING, length_ms=draw(st.sampled_from([HOUR, DAY, 4 * DAY])))
        kpis[f"k{number}"] = Kpi(
            f"k{number}",
            "",
            "a@example.com",
            window=window,
            grain=grain,
            unit="1",
            dimensions=draw(naive_test.dimensions),
            time=draw(st.sampled_from(list(Time))),
            **shape,  # type: ignore[arg-type]  # as drawn
        )
    return with_digest(Catalogue(naive_test.events_of(()), {"orders": naive_test.ORDERS}, kpis))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(visits(), st.integers(0, 2**32), st.integers(1, 3))
def test_what_is_older_than_reopen_counts_when_it_comes(
    catalogue: Catalogue, seed: int, partitions: int
) -> None:
    """In history, in the current values and in the list: whatever is not in the slot of its own time."""
    engine, naive = Live(catalogue, partitions), Dated(catalogue, partitions)
    play(engine, naive, script(seed, partitions))
    compare(engine, naive, catalogue)
    aged = {
        event.id
        for event, ingest in naive.primaries
        for kpi in catalogue.kpis.values()
        if event.type == "visit"
        and too_old(
            kpi, model.Engine.counts_at(naive, event, ingest, kpi), naive.watermarks[event.identity, ingest]
        )
    }
    assert {letter.event_id for letter in engine.letters.values() if letter.code == "too_old"} == aged


def test_a_change_of_an_old_case_amends_both_slots_that_it_moves_between() -> None:
    """An order's delivery, told weeks late as earlier than was known, is taken from one day and given to another."""
    one = MeasureSpec(Agg.COUNT, process="orders", step="delivered")
    kpi = Kpi("done", "", "a", KpiType.SIMPLE, Window(WindowKind.ROLLING, HOUR), "1d", "1", measure=one)
    catalogue = with_digest(Catalogue(naive_test.events_of(()), {"orders": naive_test.ORDERS}, {"done": kpi}))
    engine = Live(catalogue, 1)
    midnight = START // DAY * DAY

    def order(number: int, name: str, time: int) -> model.Event:
        return model.Event(str(number), "erp", name, time, "o", {"order": "o1"})

    def days() -> dict[int, float | None]:
        found = {(at - midnight) // DAY: one.value for (_, at), one in engine.history(kpi).items()}
        return {day: value for day, value in found.items() if value}

    for number, (name, at) in enumerate([("placed", 0), ("delivered", 5)]):
        engine.frame(midnight + at * DAY, [order(number, name, midnight + at * DAY)])
    for day in range(6, 27):
        engine.frame(midnight + day * DAY, [])
    engine.turn(0)
    for number in range(JUDGES):
        engine.judge(number)
    assert days() == {5: 1.0}
    engine.frame(midnight + 27 * DAY, [order(2, "delivered", midnight + 3 * DAY)])
    engine.frame(midnight + 27 * DAY + MINUTE, [])
    engine.turn(0)
    assert days() == {3: 1.0}


def test_a_frame_told_again_by_another_worker_amends_once() -> None:
    """A worker that folds the same log in other batches says the same under the same numbers."""
    catalogue = with_digest(
        Catalogue(
            naive_test.events_of(()),
            {"orders": naive_test.ORDERS},
            {"k": Kpi("k", "", "a", KpiType.SIMPLE, Window(WindowKind.ROLLING, HOUR), "1h", "1",
                      measure=MeasureSpec(Agg.COUNT, event="visit"))},
        )
    )  # fmt: skip
    engine = Live(catalogue, 1)
    engine.frame(START - MINUTE, [])
    for number in range(12):
        late = model.Event(str(number), "erp", "visit", START - 20 * DAY, f"s{number}", {})
        engine.frame(START + number * 5_000, [late])
        engine.frame(START + number * 5_000 + 1_000, [])
    engine.mark(Kind.TICK, START + HOUR)
    engine.turn(0, most=1)
    once = dict(engine.amendments)
    engine.observers[0] = Observer(0, load_program, JUDGES)
    engine.turn(0)
    assert engine.amendments == once
    assert len(once) > 1
    (point,) = engine.history(catalogue.kpis["k"]).values()
    assert (point.value, point.samples) == (12.0, 12)
