from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.case_facts import notable
from services.domain.cases import CaseTable
from services.domain.catalogue import Due, Process, Quantity, Step
from services.domain.facts import CaseFacts
from services.domain.rows import Strings
from services.domain.stored import next_due
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


def test_a_case_that_ended_nobody_knows_when_is_closed_without_a_moment() -> None:
    """It says so, and the status that was seen is its last step, without a time."""
    steps = (Step("placed", "a"), Step("shipped", "b"), Step("cancelled", "c", timeless=True))
    process = replace(
        PROCESS, steps=steps, ends=("shipped", "cancelled"), attributes={}, dues=PROCESS.dues[:1]
    )
    cases = CaseTable(process, EVENTS, [], Strings())
    cases.update(events_in_columns([event("a", "o-1", 10, due=15), event("c", "o-1", 20)], cases.strings))
    cases.advance(30)
    (case,) = told(cases).cases
    assert (case.step, case.closed, case.steps) == ("cancelled", None, {"placed": 10})
    assert case.flags == ["closed", "moment_unknown"]
    assert next_due(case) is None
    cases.update(events_in_columns([event("b", "o-1", 18)], cases.strings))
    (case,) = told(cases).cases
    assert (case.closed, case.flags) == (18, ["closed"])


def test_both_promises_and_what_is_left_are_told() -> None:
    """The first and the current promise; quantities with their digits, and remainders."""
    process = replace(
        PROCESS,
        attributes={},
        dues=(Due("promised", "placed", "shipped", field="due", renewed_by=("placed", "packed")),),
        quantities={"ordered": Quantity("placed", "amount"), "shipped": Quantity("packed", "amount")},
        remainders={"to_ship": "ordered - shipped"},
    )
    cases = CaseTable(process, EVENTS, [], Strings())
    events = [
        event("a", "o-2", 9, due=99, amount=1),
        event("a", "o-1", 10, due=20, amount=5),
        event("b", "o-1", 12, due=25, amount=2),
        event("b", "o-1", 13, due=None, amount=None),
    ]
    cases.update(events_in_columns(events, cases.strings))
    cases.advance(22)
    case = next(case for case in told(cases).cases if case.case == "o-1")
    assert case.dues == {"promised": (20, None), "promised/current": (25, None)}
    assert case.quantities == {"ordered": "5", "shipped": "2", "to_ship": "3"}
    assert "overdue" in case.flags


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
        for promise in ("first", "current")
        if case.time(due.until) is None
        and any(time <= naive.now for time in naive.due_times(due, case, promise))
    }
    stuck = {
        name for name, case in opened.items() if stuck_ms is not None and case.last + stuck_ms <= naive.now
    }
    last = [max([*case.steps, *case.done], key=names.index) for case in opened.values()]
    timeless = {step.name for step in process.steps if step.timeless}
    assert facts.waiting == {name: last.count(name) for name in names}
    assert (facts.open, facts.overdue, facts.stuck) == (len(opened), len(overdue), len(stuck))
    assert {case.case for case in facts.cases if "overdue" in case.flags} == overdue
    assert {case.case: dict(case.steps) for case in facts.cases} == {
        name: {
            step: case.time(step) for step in names if case.time(step) is not None and step not in timeless
        }
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
