"""JUDGE: sums over source partitions, windows that move, slots that close and are restated, runs and attempts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.catalogue import (
    Agg,
    Catalogue,
    Direction,
    Kpi,
    KpiType,
    MeasureSpec,
    Target,
    Window,
    WindowKind,
)
from services.domain.compile import compile_catalogue
from services.domain.facts import ClosedWindow, ClosedWindows, DeadLetter, KpiValue, KpiValues, Reason, Status
from services.domain.filters import compile_filter
from services.domain.judge import Judge
from services.domain.partials import ENDLESS
from services.domain.program import BASE, Program
from services.domain.state import Emission
from services.domain.windows import DAY, HOUR, MINUTE
from tests.unit.domain.teller import Teller, catalogue

NOON = 1_714_910_400_000  # 2024-05-05T12:00Z
ROLLING = Window(WindowKind.ROLLING, length_ms=HOUR)
SOLD = MeasureSpec(Agg.COUNT, event="sold")


def kpi(name: str, type_: KpiType = KpiType.SIMPLE, window: Window = ROLLING, **more: Any) -> Kpi:
    given: dict[str, Any] = {"dimensions": ("site",), "unit": "1", "grain": "1h", **more}
    return Kpi(name, name, "owner@example.com", type_, window, **given)


def simple(name: str, agg: Agg, field: str | None = "price", event: str = "sold", **more: Any) -> Kpi:
    percentile = more.pop("percentile", None)
    return kpi(name, measure=MeasureSpec(agg, event=event, field=field, percentile=percentile), **more)


def compiled(content: Catalogue) -> Program:
    return compile_catalogue(content, compile_filter, judges=1)


def judge_of(*programs: Program, sources: int | None = None) -> Judge:
    known = {program.digest: program for program in programs}
    return Judge(0, known.__getitem__, sources)


class Reader:
    """Feeds a judge and remembers what it said, as its readers do."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.values: dict[tuple[str, tuple[str, ...]], KpiValue] = {}
        self.windows: dict[tuple[str, tuple[str, ...], int], ClosedWindow] = {}
        self.records: list[KpiValues] = []
        self.histories: list[ClosedWindows] = []

    def say(self, *records: bytes, everything: bool = False) -> list[Emission]:
        start = self.judge.applied + 1
        self.judge.fold(list(enumerate(records, start)))
        emissions = self.judge.emit(everything=everything)
        for _, _, value in emissions:
            if isinstance(value, KpiValues):
                self.records.append(value)
                for name, scope in value.removed:
                    self.values.pop((name, tuple(scope.values())), None)
                self.values |= {(one.kpi, tuple(one.scope.values())): one for one in value.values}
            elif isinstance(value, ClosedWindows):
                self.histories.append(value)
                for window in value.windows:
                    self.windows[window.kpi, tuple(window.scope.values()), window.start] = window
        return emissions

    def value(self, name: str, *scope: str) -> float | None:
        return self.values[name, scope].value

    def history(self, name: str, *scope: str) -> dict[int, float | None]:
        return {
            start: one.value
            for (each, key, start), one in self.windows.items()
            if (each, key) == (name, scope)
        }


def test_partitions_add_up_for_the_total_and_each_scope() -> None:
    """Each source partition's latest cumulative cell counts once; scopes are brought together."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    one, two = Teller(program, 0), Teller(program, 1)
    reader = Reader(judge_of(program))
    one.row("sold", NOON, site="A")
    reader.say(one.tell(NOON))
    one.row("sold", NOON, site="A")
    two.row("sold", NOON, site="A")
    two.row("sold", NOON, site="B")
    reader.say(one.tell(NOON), two.tell(NOON), two.tell(NOON))
    assert (reader.value("sales"), reader.value("sales", "A"), reader.value("sales", "B")) == (4, 3, 1)


def test_every_kind_of_kpi_is_read_from_its_parts() -> None:
    """Sums and means undo the scale, a ratio is scaled, a derived KPI reads others, percentiles use nearest rank."""
    sum_, mean = simple("revenue", Agg.SUM), simple("mean", Agg.AVG)
    returns = MeasureSpec(Agg.COUNT, event="returned")
    program = compiled(
        catalogue(
            sum_,
            mean,
            simple("least", Agg.MIN),
            simple("most", Agg.MAX),
            simple("latest", Agg.LAST),
            simple("different", Agg.DISTINCT),
            simple("median", Agg.PERCENTILE, percentile=50.0),
            kpi("returned", KpiType.RATIO, numerator=returns, denominator=SOLD, scale=100),
            kpi("twice", KpiType.DERIVED, expr="revenue / mean * 2"),
            kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=returns),
        )
    )
    teller, reader = Teller(program), Reader(judge_of(program))
    for minute, price in enumerate((100, 250, 400, 250)):
        teller.row("sold", NOON + minute * MINUTE, price, site="A")
    teller.row("returned", NOON, site="A")
    reader.say(teller.tell(NOON + 5 * MINUTE))
    for scope in ((), ("A",)):
        assert {name: reader.value(name, *scope) for name in program.kpis if name != "median"} == {
            "revenue": 10.0,
            "mean": 2.5,
            "least": 1.0,
            "most": 4.0,
            "latest": 2.5,
            "different": 3.0,
            "returned": 25.0,
            "twice": 8.0,
            "stock": 3.0,
        }
        assert reader.value("median", *scope) == pytest.approx(2.5, rel=0.01)


def test_a_rolling_window_forgets_what_leaves_it() -> None:
    """As engine time passes, panes leave; a minimum is found again among those that stay."""
    program = compiled(catalogue(kpi("sales", measure=SOLD), simple("least", Agg.MIN)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, 100, site="A")
    teller.row("sold", NOON + 30 * MINUTE, 300, site="A")
    reader.say(teller.tell(NOON + 30 * MINUTE))
    assert (reader.value("sales", "A"), reader.value("least", "A")) == (2, 1.0)
    reader.say(teller.tell(NOON + HOUR + MINUTE))
    assert (reader.value("sales", "A"), reader.value("least", "A")) == (1, 3.0)
    reader.say(teller.tell(NOON + 5 * HOUR))
    assert (reader.value("sales", "A"), reader.value("least", "A")) == (0, None)
    assert reader.values["least", ("A",)].reason is Reason.NO_DATA


def test_a_level_sums_everything_up_to_now() -> None:
    """A level counts from the beginning, what was carried to BASE included, and nothing of the future."""
    program = compiled(catalogue(kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=_returned())))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON - 40 * DAY, site="A")
    for cells in teller.cells.values():
        for (scope, pane), cell in list(cells.items()):
            del cells[scope, pane]
            cells[scope, BASE] = cell
    teller.row("sold", NOON, site="A")
    teller.row("sold", NOON + 2 * HOUR, site="A")
    reader.say(teller.tell(NOON))
    assert reader.value("stock", "A") == 2
    reader.say(teller.tell(NOON + 2 * HOUR))
    assert reader.value("stock", "A") == 3


def _returned() -> MeasureSpec:
    return MeasureSpec(Agg.COUNT, event="returned")


def test_a_slot_closes_at_the_watermark_and_is_restated_when_it_changes() -> None:
    """Closed once the watermark is past its end by the lateness; later changes come as higher versions."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    reader.say(teller.tell(NOON + HOUR, NOON + HOUR + MINUTE - 1))
    assert reader.history("sales", "A") == {}
    reader.say(teller.tell(NOON + HOUR + MINUTE))
    assert reader.history("sales", "A") == {NOON: 1}
    first = reader.windows["sales", ("A",), NOON]
    reader.say(teller.tell(NOON + 2 * HOUR))
    assert reader.windows["sales", ("A",), NOON] is first
    teller.row("sold", NOON + 1, site="A")
    reader.say(teller.tell(NOON + 2 * HOUR))
    again = reader.windows["sales", ("A",), NOON]
    assert (again.value, again.version > first.version, again.end) == (2, True, NOON + HOUR)


def test_the_slots_of_a_level_hold_its_value_at_their_end() -> None:
    """Each closed slot says the level at its end; a change of an early one has the later ones told again."""
    program = compiled(catalogue(kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=_returned())))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    teller.row("sold", NOON + HOUR, site="A")
    teller.row("returned", NOON + 2 * HOUR, site="A")
    teller.row("sold", NOON + 4 * HOUR, site="A")
    reader.say(teller.tell(NOON + 4 * HOUR))
    expected = {NOON: 1, NOON + HOUR: 2, NOON + 2 * HOUR: 1}
    assert reader.history("stock", "A") == expected
    teller.row("sold", NOON + 5, site="A")
    reader.say(teller.tell(NOON + 4 * HOUR))
    assert reader.history("stock", "A") == {start: value + 1 for start, value in expected.items()}


def test_the_later_slots_of_a_level_are_restated_though_a_bound_keeps_them_back() -> None:
    """A change of the first hour reaches the second one of every scope, however many calls it takes to say so."""
    program = compiled(catalogue(kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=_returned())))
    teller, reader = Teller(program), Reader(judge_of(program))
    sites = [f"W{site}" for site in range(1_500)]
    for site in sites:
        teller.row("sold", NOON, site=site)
        teller.row("sold", NOON + HOUR, site=site)
    teller.row("sold", NOON + 4 * HOUR, site=sites[0])
    reader.say(teller.tell(NOON + 4 * HOUR))
    while reader.say():
        pass
    for site in sites:
        teller.row("sold", NOON + 5, site=site)
    reader.say(teller.tell(NOON + 4 * HOUR))
    while reader.say():
        pass
    told = {site: reader.history("stock", site) for site in sites}
    assert all(slots == {NOON: 2, NOON + HOUR: 3} for slots in told.values())


def test_the_watermark_is_that_of_the_slowest_partition() -> None:
    """A partition that has spoken holds slots open; one that never spoke does so for a minute only."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    one, two = Teller(program, 0), Teller(program, 1)
    one.row("sold", NOON, site="A")
    reader = Reader(judge_of(program, sources=3))
    reader.say(one.tell(NOON + 3 * HOUR), two.tell(NOON + HOUR))
    assert reader.history("sales", "A") == {}
    reader.say(two.tell(NOON + 3 * HOUR))
    assert reader.history("sales", "A") == {}
    reader.say(one.tell(NOON + 3 * HOUR + MINUTE))
    assert reader.history("sales", "A") == {NOON: 1}
    assert reader.records[-1].watermark == NOON + 3 * HOUR


def test_an_import_is_complete_when_every_partition_has_ended() -> None:
    """At the end every slot closes, engine time is the end's, and a keyframe says complete."""
    program = compiled(catalogue(kpi("sales", measure=SOLD, window=Window(WindowKind.ALL_TIME))))
    tellers = [Teller(program, number, "history") for number in range(2)]
    reader = Reader(judge_of(program, sources=2))
    for teller in tellers:
        teller.row("sold", NOON, site="A")
        reader.say(teller.tell(NOON, begin=True))
    reader.say(tellers[0].tell(NOON + 9, ENDLESS, complete=True))
    assert not reader.records[-1].complete
    reader.say(tellers[1].tell(NOON + 9, ENDLESS, complete=True))
    last = reader.records[-1]
    assert (last.complete, last.keyframe, last.time) == (True, True, NOON + 9)
    assert {tuple(value.scope.values()): value.value for value in last.values} == {(): 2, ("A",): 2}
    assert reader.history("sales", "A") == {NOON: 2}
    assert [told.begin for told in reader.histories] == [True, False]
    assert [told.complete for told in reader.histories] == [False, True]


def test_a_new_attempt_replaces_the_run() -> None:
    """What an earlier attempt left is dropped, and what it says later is void."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    old, new = Teller(program, 0, "history", 1), Teller(program, 0, "history", 2)
    old.row("sold", NOON, site="A")
    new.row("sold", NOON, site="B")
    reader = Reader(judge_of(program))
    reader.say(old.tell(NOON, begin=True))
    reader.say(new.tell(NOON, begin=True), old.tell(NOON + HOUR))
    last = reader.records[-1]
    assert (last.attempt, last.keyframe, last.time) == (2, True, NOON)
    assert {tuple(value.scope.values()): value.value for value in last.values} == {(): 1, ("B",): 1}
    assert [(told.attempt, told.begin) for told in reader.histories] == [(1, True), (2, True)]


def test_a_silent_source_makes_its_kpis_unknown() -> None:
    """An old number is not shown as live once the source has been silent for longer than the KPI allows."""
    target = Target(1, 0, Direction.AT_LEAST)
    program = compiled(catalogue(kpi("sales", measure=SOLD, stale_ms=10 * MINUTE, target=target)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    reader.say(teller.tell(NOON))
    before = reader.values["sales", ()]
    assert (before.status, before.reason, before.gap) == (Status.ON_PLAN, Reason.WITHIN_TARGET, 0)
    silent = Teller(program, 0, offset=1)
    reader.say(silent.tell(NOON + 11 * MINUTE, sources=()))
    assert (reader.values["sales", ()].status, reader.values["sales", ()].reason) == (
        Status.UNKNOWN,
        Reason.STALE,
    )


def test_a_keyframe_comes_every_ten_seconds_and_when_asked() -> None:
    """In between only what has changed is told."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    for second in (0, 1, 9, 10, 11):
        reader.say(teller.tell(NOON + second * 1000))
    reader.say(everything=True)
    assert [record.keyframe for record in reader.records] == [True, False, False, True, False, True]
    assert [len(record.values) for record in reader.records] == [2, 0, 0, 2, 0, 2]


def test_what_exceeds_a_bound_is_said_by_the_next_calls() -> None:
    """A call says so many values; who goes on asking until nothing comes has heard all of them, the total first."""
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    teller, judge = Teller(program), judge_of(program)
    for site in range(9_000):
        teller.row("sold", NOON, site=f"W{site}")
    judge.fold([(0, teller.tell(NOON))])
    heard: list[KpiValue] = []
    calls = 0
    while emissions := judge.emit():
        calls += 1
        for _, _, value in emissions:
            if isinstance(value, KpiValues):
                heard += value.values
    assert calls == 3
    assert heard[0].scope == {}
    assert len({tuple(value.scope.values()) for value in heard}) == 9_001


def test_wide_groupings_are_told_less_often_under_load_and_catch_up() -> None:
    """Each call with news tells the total and what is narrow; the many values come with every fourth, or when it is
    quiet, or when there is nothing else to say.
    """
    program = compiled(catalogue(kpi("sales", measure=SOLD)))
    teller, reader = Teller(program), Reader(judge_of(program))
    sites = [f"W{number}" for number in range(300)]
    heard = []
    for call in range(6):
        for site in sites:
            teller.row("sold", NOON, site=site)
        reader.say(teller.tell(NOON + call * MINUTE // 6))
        heard.append((reader.value("sales"), reader.value("sales", "W7")))
    assert heard == [(300, 1), (600, 1), (900, 1), (1200, 1), (1500, 5), (1800, 5)]
    reader.say()
    assert reader.value("sales", "W7") == 6
    teller.row("sold", NOON, weight=-1, site="W7")
    teller.row("sold", NOON, site="W8")
    reader.say(teller.tell(NOON + MINUTE))
    assert (reader.value("sales"), reader.value("sales", "W7"), reader.value("sales", "W8")) == (1800, 5, 7)


def test_what_goes_in_the_call_that_would_have_told_it_is_only_told_as_gone() -> None:
    """Whoever heard of its value in the same breath would keep it."""
    program = compiled(catalogue(kpi("sales", measure=SOLD, reopen_ms=HOUR), kpi("all", measure=SOLD)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    reader.say(teller.tell(NOON + 2 * HOUR))
    later = Teller(program, 0, offset=1)
    later.row("sold", NOON + 40 * DAY, site="B")
    reader.say(later.tell(NOON + 40 * DAY))
    gone = {(name, *scope.values()) for name, scope in reader.records[-1].removed}
    told = {(value.kpi, *value.scope.values()) for value in reader.records[-1].values}
    assert ("sales", "A") in gone
    assert not gone & told


def test_scopes_beyond_the_horizon_are_removed() -> None:
    """When nothing is left of a scope within the horizon, it is told as gone."""
    program = compiled(catalogue(kpi("sales", measure=SOLD, reopen_ms=HOUR)))
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="A")
    reader.say(teller.tell(NOON + 2 * HOUR))
    assert ("sales", ("A",)) in reader.values
    later = Teller(program, 0, offset=1)
    later.row("sold", NOON + 2 * DAY, site="B")
    reader.say(later.tell(NOON + 2 * DAY))
    assert set(reader.values) == {("sales", ()), ("sales", ("B",))}
    assert reader.records[-1].removed == [("sales", {"site": "A"})]


def test_a_scope_is_told_of_every_kpi_of_its_cube_before_and_after_a_restart() -> None:
    """Where nothing came back, returns are zero, not missing; a scope that is gone stays away."""
    program = compiled(
        catalogue(
            kpi("sales", measure=SOLD, reopen_ms=HOUR), kpi("returns", measure=_returned(), reopen_ms=HOUR)
        )
    )
    teller, reader = Teller(program), Reader(judge_of(program))
    teller.row("sold", NOON, site="gone")
    reader.say(teller.tell(NOON))
    later = Teller(program, 0, offset=1)
    later.row("sold", NOON + 2 * DAY, site="A")
    later.row("returned", NOON + 2 * DAY, site="B")
    reader.say(later.tell(NOON + 2 * DAY))
    assert (reader.value("sales", "A"), reader.value("returns", "A")) == (1, 0)
    again = Reader(judge_of(program))
    again.judge.restore(list(reader.judge.chunks()))
    again.say(everything=True)
    assert again.values.keys() == reader.values.keys()


def test_a_changed_catalogue_keeps_what_has_not_changed() -> None:
    """The first partition that switches switches all; a KPI that stays keeps its numbers and its closed slots."""
    old = compiled(catalogue(kpi("sales", measure=SOLD), kpi("gone", measure=SOLD, dimensions=())))
    new = compiled(catalogue(kpi("sales", measure=SOLD), simple("revenue", Agg.SUM), digest="two"))
    one, two = Teller(old, 0), Teller(old, 1)
    reader = Reader(judge_of(old, new))
    for teller in (one, two):
        teller.row("sold", NOON, 100, site="A")
    reader.say(one.tell(NOON + 2 * HOUR), two.tell(NOON + 2 * HOUR))
    told = len(reader.windows)
    late = Teller(new, 0, offset=1)
    reader.say(late.tell(NOON + 2 * HOUR))
    two.row("sold", NOON + 2 * HOUR, 100, site="A")
    reader.say(two.tell(NOON + 2 * HOUR))
    assert reader.value("sales") == 1
    assert reader.records[-1].digest == "two"
    assert {name for name, _ in reader.values} == {"sales", "revenue"}
    assert len(reader.windows) == told


def test_what_cannot_be_read_is_a_dead_letter() -> None:
    """A foreign record is told and passed over."""
    judge = judge_of()
    judge.fold([(0, b"nonsense that is no partial")])
    (emission,) = judge.emit()
    assert (emission.topic, judge.applied) == ("dead_letters", 0)


events = st.tuples(
    st.integers(0, 2),  # source partition
    st.integers(0, 8 * 60),  # minutes
    st.sampled_from("ABC"),
    st.integers(1, 900),
    st.booleans(),
)


@settings(deadline=None, max_examples=60)  # each example compiles and folds; machines differ
@given(st.lists(st.lists(events, max_size=12), min_size=1, max_size=6), st.integers(0, 6))
def test_a_restored_judge_goes_on_as_if_nothing_had_happened(batches: list[list[Any]], cut: int) -> None:
    """Restarting from a snapshot changes nothing, and what was said in between makes no difference at the end."""
    program = compiled(
        catalogue(
            kpi("sales", measure=SOLD),
            simple("median", Agg.PERCENTILE, percentile=50.0),
            simple("least", Agg.MIN, window=Window(WindowKind.TO_DATE, period="day")),
            kpi("stock", KpiType.LEVEL, numerator=SOLD, denominator=_returned()),
            kpi("mix", KpiType.DERIVED, expr="stock / sales"),
        )
    )
    tellers = [Teller(program, number) for number in range(3)]
    busy, plain = Reader(judge_of(program)), Reader(judge_of(program))
    records = []
    for number, batch in enumerate(batches):
        for source, minute, site, price, sold in batch:
            tellers[source].row("sold" if sold else "returned", NOON + minute * MINUTE, price, site=site)
        now = NOON + (number + 1) * HOUR
        records += [teller.tell(now, now - 30 * MINUTE) for teller in tellers]
    for number, record in enumerate(records):
        if number == cut:
            fresh = judge_of(program)
            fresh.restore(list(busy.judge.chunks()))
            busy.judge = fresh
        busy.say(record)
    busy.say(everything=True)
    plain.say(*records, everything=True)
    # Groups that only one of them has ever named say nothing.
    for key in busy.values.keys() | plain.values.keys():
        one, other = busy.values.get(key), plain.values.get(key)
        assert one is not None
        assert other is not None
        assert (one.value, one.samples, one.window_end) == (other.value, other.samples, other.window_end)
    said = {key: (one.value, one.samples) for key, one in busy.windows.items()}
    for place, window in plain.windows.items():
        assert said[place] == (window.value, window.samples)
    assert all(np.isclose(one.end - one.start, HOUR) for one in busy.windows.values())


def test_a_partial_is_passed_over_when_told_to() -> None:
    """As a dead letter with the reason."""
    judge = judge_of()
    judge.refuse(0, b"", "KeyError: 'x'")
    (emission,) = judge.emit()
    assert isinstance(emission.value, DeadLetter)
    assert (emission.value.origin, emission.value.message) == ("judging:0:0", "KeyError: 'x'")
    assert judge.applied == 0
