from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.case_facts import notable
from services.domain.cases import CaseTable
from services.domain.catalogue import Due, Process, Step
from services.domain.facts import CaseFacts
from services.domain.rows import Strings
from tests.unit.domain.naive_cases import NaiveEvent
from tests.unit.domain.test_cases import (
    BATCHES,
    EVENTS,
    distinct,
    events_in_columns,
    fold,
    naive_of,
    processes,
    table_of,
)

PROCESS = Process(
    "p",
    "order",
    (Step("placed", "a"), Step("packed", "b"), Step("shipped", "c")),
    "placed",
    ("shipped",),
    {"site": ("placed", "site"), "amount": ("placed", "amount"), "rush": ("placed", "rush")},
    (
        Due("promised", "placed", "shipped", field="due"),
        Due("limit", "packed", "shipped", within_ms=5, item="item"),
    ),
    stuck_ms=100,
    grace_ms=50,
)


def table() -> CaseTable:
    return CaseTable(PROCESS, EVENTS, [], Strings())


def event(kind: str, case: str, time: int, **values: object) -> NaiveEvent:
    return NaiveEvent(kind, case, time, time, values)


def told(cases: CaseTable) -> CaseFacts:
    return notable(cases, tenant="default", run="live", attempt=0, partition=3)


def test_a_case_is_told_with_all_that_is_known_of_it() -> None:
    """Steps, attributes as text, due times of the case and of its items, and why it is notable."""
    cases = table()
    events = [
        event("a", "o-1", 10, site="W1", amount=-5, rush=True, due=20),
        event("b", "o-1", 12, item="left shoe"),
    ]
    cases.update(events_in_columns(events, cases.strings))
    cases.advance(30)
    facts = told(cases)
    assert (facts.tenant, facts.run, facts.partition, facts.process, facts.time) == (
        "default",
        "live",
        3,
        "p",
        30,
    )
    assert (facts.open, facts.overdue, facts.stuck) == (1, 1, 0)
    assert facts.waiting == {"placed": 0, "packed": 1, "shipped": 0}
    (case,) = facts.cases
    assert (case.case, case.step, case.opened, case.closed, case.last) == ("o-1", "packed", 10, None, 12)
    assert case.attributes == {"site": "W1", "amount": "-5", "rush": "true"}
    assert case.steps == {"placed": 10, "packed": 12}
    assert case.dues == {"promised": (20, None), "limit/left shoe": (17, None)}
    assert case.flags == ["open", "overdue", "waiting"]


def test_a_case_without_events_for_long_is_stuck_until_it_moves() -> None:
    """Noticed when the time comes, forgotten with the next step."""
    cases = table()
    cases.update(events_in_columns([event("a", "o-1", 10)], cases.strings))
    cases.advance(109)
    assert told(cases).stuck == 0
    cases.advance(110)
    assert told(cases).stuck == 1
    assert "stuck" in told(cases).cases[0].flags
    cases.update(events_in_columns([event("b", "o-1", 105)], cases.strings))
    assert told(cases).stuck == 0


def test_closed_cases_are_told_while_they_are_remembered() -> None:
    """For the grace after their last event; then they are gone."""
    cases = table()
    cases.update(events_in_columns([event("a", "o-1", 10, due=5), event("c", "o-1", 20)], cases.strings))
    cases.advance(69)
    (case,) = told(cases).cases
    assert (case.closed, case.flags, case.dues) == (20, ["closed"], {"promised": (5, 20)})
    cases.advance(70)
    assert told(cases).cases == []


def test_the_longest_overdue_come_first_and_the_rest_is_counted() -> None:
    """More than the cap are counted, not listed."""
    cases = table()
    cases.update(
        events_in_columns([event("a", f"o-{due}", due, due=due) for due in range(600)], cases.strings)
    )
    cases.advance(599)
    facts = told(cases)
    assert facts.overdue == 600
    assert [case.case for case in facts.cases[:500]] == [f"o-{due}" for due in range(500)]


@settings(max_examples=100, deadline=None)
@given(processes(), BATCHES.map(distinct), st.one_of(st.none(), st.integers(0, 60)))
def test_counts_are_those_of_a_model_of_dicts(
    process: Process, batches: list[list[NaiveEvent] | int], stuck_ms: int | None
) -> None:
    """Open, overdue, stuck and waiting, whatever has happened."""
    process = replace(process, stuck_ms=stuck_ms)
    cases, naive = table_of(process, Strings()), naive_of(process)
    for batch in batches:
        fold(cases, batch)
        if isinstance(batch, int):
            naive.advance(batch)
        else:
            for one in batch:
                naive.update(one)
    facts = told(cases)
    names = [step.name for step in process.steps]
    opened = {
        name: case
        for name, case in naive.cases.items()
        if process.opens in case.steps and naive.ended(case) is None
    }
    overdue = {
        name
        for name, case in opened.items()
        for due in process.dues
        if due.until not in case.steps and any(time <= naive.now for time in naive.due_times(due, case))
    }
    stuck = {
        name for name, case in opened.items() if stuck_ms is not None and case.last + stuck_ms <= naive.now
    }
    last = [max(case.steps, key=names.index) for case in opened.values()]
    assert facts.waiting == {name: last.count(name) for name in names}
    assert (facts.open, facts.overdue, facts.stuck) == (len(opened), len(overdue), len(stuck))
    assert {case.case for case in facts.cases if "overdue" in case.flags} == overdue
    assert {case.case: dict(case.steps) for case in facts.cases} == {
        name: {step: case.steps[step].time for step in names if step in case.steps}
        for name, case in naive.cases.items()
        if name in opened or naive.ended(case) is not None
    }


def test_rows_close_ranks_when_many_cases_have_left() -> None:
    """Those that stay keep their steps, ids and items; memory is given back; events still find their case."""
    cases = table()
    placed = [event("a", f"o-{at}", 10, due=10_000 + at, site=f"W{at % 3}") for at in range(4_000)]
    packed = [event("b", f"o-{at}", 11, item=f"i{at}-{item}") for at in range(4_000) for item in range(2)]
    cases.update(events_in_columns([*placed, *packed], cases.strings))
    shipped = [event("c", f"o-{at}", 12) for at in range(4_000) if at % 100]
    cases.update(events_in_columns(shipped, cases.strings))
    before = cases.nbytes
    cases.advance(70)
    assert len(cases) == 40
    assert len(cases.items["limit"]) == 80
    assert cases.nbytes < before / 10
    cases.update(
        events_in_columns([event("b", "o-300", 13, item="late"), event("a", "o-1", 60)], cases.strings)
    )
    told_now = {case.case: case for case in told(cases).cases}
    assert len(told_now) == 41
    assert told_now["o-300"].dues == {
        "promised": (10_300, None),
        "limit/i300-0": (16, None),
        "limit/i300-1": (16, None),
        "limit/late": (18, None),
    }
    assert told_now["o-300"].attributes == {"site": "W0"}
    assert told_now["o-1"].steps == {"placed": 60}
