from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.case_events import CaseEvents
from services.domain.case_rows import Facts
from services.domain.cases import CaseTable
from services.domain.catalogue import Due, EventType, Field, FieldType, Process, Quantity, Schedule, Step
from services.domain.columns import pack, unpack
from services.domain.identity import hash64
from services.domain.program import (
    QUANTITY,
    CohortFeed,
    ConversionFeed,
    DueFeed,
    DurationFeed,
    Feed,
    OpenFeed,
    OverdueFeed,
    QuantityFeed,
    StepFeed,
    WaitingFeed,
    WorkedFeed,
)
from services.domain.rows import NULL, Columns, Mask, Places, Rows, Strings
from services.domain.texts import Packed
from tests.unit.domain.naive_cases import Fact, NaiveEvent, NaiveTable

TEXT, INT, BOOL, TIME = FieldType.STRING, FieldType.INTEGER, FieldType.BOOLEAN, FieldType.TIMESTAMP
FIELDS = {
    name: Field(name, type_)
    for name, type_ in (("site", TEXT), ("amount", INT), ("rush", BOOL), ("due", TIME), ("item", TEXT))
}
EVENTS = {name: EventType(name, "", FIELDS, {"order": "order"}) for name in "abc"}


@dataclass(frozen=True)
class Rushed:
    """The filter ``rush``."""

    source: str = "rush"
    fields: frozenset[str] = frozenset({"rush"})
    errors: int = 0

    def mask(self, rows: Rows) -> Mask:
        chosen: Mask = rows.flag("rush") == 1
        return chosen


def events_in_columns(events: Sequence[NaiveEvent], strings: Strings) -> list[CaseEvents]:
    """As the engine gets them: one block per type."""
    blocks = []
    for kind in sorted({event.type for event in events}):
        mine = [event for event in events if event.type == kind]

        def column(name: str, absent: int, mine: list[NaiveEvent] = mine) -> list[int]:
            return [absent if (v := event.values.get(name)) is None else int(v) for event in mine]

        texts = {name: [event.values.get(name) for event in mine] for name in ("site", "item")}
        texts[""] = [event.case for event in mine]
        rows = Columns(
            len(mine),
            strings,
            {
                "time": np.array([event.time for event in mine], np.int64),
                "amount": np.array(column("amount", NULL), np.int64),
                "due": np.array(column("due", NULL), np.int64),
            },
            {"site": np.array([-1 if t is None else strings.code(t) for t in texts["site"]], np.int32)},
            {"rush": np.array(column("rush", -1), np.int8)},
            {
                "identity": np.array([event.identity for event in mine], np.uint64),
                "item": np.array([0 if t is None else hash64(t.encode()) for t in texts["item"]], np.uint64),
            },
        )
        keys = np.array([hash64(event.case.encode()) for event in mine], np.uint64)
        blocks.append(CaseEvents(kind, keys, rows, partial(packed, texts)))
    return blocks


def packed(texts: dict[str, list[Any]], name: str, at: Places) -> Packed:
    return Packed.of([texts[name][row].encode() for row in at.tolist()])


def tally(told: Sequence[Facts], process: Process, cases: dict[int, str]) -> Counter[Fact]:
    """What facts add up to, in the naive model's words."""
    total: Counter[Fact] = Counter()
    for feed, rows in [(feed, rows) for facts in told for feed, _, rows in facts.feeds]:
        assert rows.weight is not None
        assert set(np.abs(rows.weight).tolist()) <= {1}
        told_numbers = ("duration", "lateness", "converted", QUANTITY)
        names = [name for name in told_numbers if name in rows.numbers]
        for index in range(rows.n):
            number = int(rows.number(names[0])[index]) if names else None
            attributes = []
            for name, (_, field) in sorted(process.attributes.items()):
                value: Any = None
                if FIELDS[field].type is TEXT and (code := int(rows.code(name)[index])) >= 0:
                    value = rows.strings.texts[code]
                elif FIELDS[field].type is BOOL and (flag := int(rows.flag(name)[index])) >= 0:
                    value = bool(flag)
                elif FIELDS[field].type in {INT, TIME} and (read := int(rows.number(name)[index])) != NULL:
                    value = read
                if value is not None:
                    attributes.append((name, value))
            case = cases[int(rows.hash("case")[index])]
            fact = (feed, case, int(rows.number("time")[index]), number, tuple(attributes))
            total[fact] += int(rows.weight[index])
    return total


def nonzero(total: Counter[Fact]) -> Counter[Fact]:
    """What does not cancel out. Of what is left of cases at one moment only their number and the sum are promised."""
    added: Counter[Fact] = Counter()
    for (feed, case, time, number, attributes), weight in total.items():
        if isinstance(feed, QuantityFeed):
            added[feed, case, time, "cases", attributes] += weight
            added[feed, case, time, "left", attributes] += weight * number
        else:
            added[feed, case, time, number, attributes] += weight
    return Counter({fact: weight for fact, weight in added.items() if weight})


STEPS = ("s0", "s1", "s2", "s3")
HOURS = Schedule(opens_ms=10, closes_ms=25)


@st.composite
def processes(draw: st.DrawFn) -> Process:
    names = STEPS[: draw(st.integers(2, 4))]
    step = st.sampled_from(names)
    steps = tuple(
        Step(
            n,
            draw(st.sampled_from("abc")),
            draw(st.sampled_from([None, None, "rush"])),
            timeless=draw(st.integers(0, 3)) == 0,
        )
        for n in names
    )
    later = step
    counted: dict[str, Any] = {}
    if draw(st.booleans()):
        quantities = {name: Quantity(draw(step), "amount") for name in ("asked", "given", "cut")}
        counted = {
            "quantities": quantities,
            "remainders": {"rest": "asked - given - cut", "open": "asked - cut"},
        }
        steps = (*steps, Step("done", "", done="rest"))
        later = st.sampled_from([*names, "done"])
    dues = []
    for index in range(draw(st.integers(0, 3))):
        timed: dict[str, Any] = {"field": "due"}
        if draw(st.booleans()):
            timed = {"within_ms": draw(st.integers(0, 30))}
        elif draw(st.booleans()):
            timed["renewed_by"] = tuple(draw(st.sets(step, min_size=1, max_size=2)))
        item = None if "renewed_by" in timed else draw(st.sampled_from([None, "item"]))
        dues.append(Due(f"d{index}", draw(step), draw(later), item=item, **timed))
    attributes = draw(
        st.dictionaries(
            st.sampled_from(["site", "x", "y"]),
            st.tuples(step, st.sampled_from(["site", "amount", "rush", "due"])),
            max_size=3,
        )
    )
    ends = tuple(draw(st.sets(later, max_size=2)))
    grace = draw(st.integers(0, 40))
    return Process("p", "order", steps, draw(step), ends, attributes, tuple(dues), None, grace, **counted)


def feeds_of(process: Process) -> list[Feed]:
    names = [step.name for step in process.steps]
    feeds: list[Feed] = [OpenFeed("p")]
    for name in names:
        feeds += [StepFeed("p", name), WaitingFeed("p", name)]
    for start, end in pairwise(names):
        feeds += [DurationFeed("p", start, end), ConversionFeed("p", start, end, 12)]
    by = "site" if process.attributes.get("site", ("", ""))[1] == "site" else None
    feeds.append(WorkedFeed("p", names[0], names[1], HOURS, by, (("W2", Schedule(opens_ms=30)),)))
    feeds += [CohortFeed("p", start, name, 12) for start in names for name in process.quantities]
    for due in process.dues:
        for promise in ("first", "current") if due.renewed_by else ("first",):
            outcomes = ("met", "on_time", "late", "due", "kept", "missed", "unknown")
            feeds += [DueFeed("p", due.name, outcome, promise) for outcome in outcomes]
            feeds.append(OverdueFeed("p", due.name, promise))
    prices = [name for name, (_, field) in process.attributes.items() if field == "amount"]
    for remainder in process.remainders:
        for price in (None, *prices[:1]):
            feeds.append(QuantityFeed("p", "open", "", "first", remainder, price))
            feeds.append(QuantityFeed("p", "waiting", names[0], "first", remainder, price))
            feeds += [
                QuantityFeed(
                    "p", "overdue", due.name, "current" if due.renewed_by else "first", remainder, price
                )
                for due in process.dues
                if due.item is None
            ]
    return feeds


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


EVENT = st.builds(
    NaiveEvent,
    st.sampled_from("abc"),
    st.sampled_from(["k1", "k2", "a-much-longer-case-id-than-the-others", "ü"]),
    st.integers(0, 50),
    st.integers(0, 3),
    st.fixed_dictionaries(
        {
            "site": maybe(st.sampled_from(["W1", "W2"])),
            "amount": maybe(st.integers(-2, 2)),
            "rush": maybe(st.booleans()),
            "due": maybe(st.integers(0, 60)),
            "item": maybe(st.sampled_from(["i1", "i2", "i3"])),
        }
    ),
)


def unambiguous(events: list[NaiveEvent]) -> list[NaiveEvent]:
    """An identity is one event; what ties by time and identity is left out. ``identity`` is drawn as 0 to 3."""
    chosen = {(event.time, event.identity): event for event in events}
    return [replace(event, identity=event.identity << 62 | event.time) for event in chosen.values()]


BATCHES = st.lists(st.one_of(st.lists(EVENT, max_size=12), st.integers(0, 120)), max_size=8)


def table_of(process: Process, strings: Strings) -> CaseTable:
    filters = {step.name: Rushed() for step in process.steps if step.filter}
    return CaseTable(process, EVENTS, feeds_of(process), strings, filters=filters)


def naive_of(process: Process) -> NaiveTable:
    rushed = {step.name: lambda event: event.values["rush"] is True for step in process.steps if step.filter}
    return NaiveTable(process, feeds_of(process), rushed)


def distinct(batches: list[list[NaiveEvent] | int]) -> list[list[NaiveEvent] | int]:
    """Ties by time and identity do not occur between different events."""
    seen: set[tuple[int, int]] = set()
    result: list[list[NaiveEvent] | int] = []
    for batch in batches:
        if isinstance(batch, int):
            result.append(batch)
            continue
        fresh = [event for event in unambiguous(batch) if (event.time, event.identity) not in seen]
        seen |= {(event.time, event.identity) for event in fresh}
        result.append(fresh)
    return result


def case_names(batches: list[list[NaiveEvent] | int]) -> dict[int, str]:
    events = [event for batch in batches if not isinstance(batch, int) for event in batch]
    return {hash64(event.case.encode()): event.case for event in events}


def fold(table: CaseTable, batch: list[NaiveEvent] | int) -> list[Facts]:
    if isinstance(batch, int):
        return table.advance(batch)
    return table.update(events_in_columns(batch, table.strings))


@settings(max_examples=200, deadline=None)
@given(processes(), BATCHES.map(distinct))
def test_what_is_told_adds_up_to_what_the_cases_say(
    process: Process, batches: list[list[NaiveEvent] | int]
) -> None:
    """Whatever the process, the order of events and the passing of time, as a model of dicts says it."""
    table, naive = table_of(process, Strings()), naive_of(process)
    total: Counter[Fact] = Counter()
    for batch in batches:
        for fact, weight in tally(fold(table, batch), process, case_names(batches)).items():
            total[fact] += weight
        if isinstance(batch, int):
            naive.advance(batch)
        else:
            for event in batch:
                naive.update(event)
        assert nonzero(total) == nonzero(naive.facts())


@settings(max_examples=100, deadline=None)
@given(processes(), st.lists(EVENT, max_size=15).map(unambiguous), st.randoms(use_true_random=False))
def test_any_order_and_any_split_tell_the_same(
    process: Process, events: list[NaiveEvent], chance: Any
) -> None:
    """Folding is commutative, and where a batch ends does not matter."""
    totals = []
    for shuffled in (False, True):
        table = table_of(process, Strings())
        if shuffled:
            chance.shuffle(events)
        told = table.advance(55)
        cut = chance.randint(0, len(events))
        for batch in (events[:cut], events[cut:]):
            told = told + fold(table, batch)
        totals.append(nonzero(tally(told, process, case_names([events]))))
    assert totals[0] == totals[1]


@settings(max_examples=100, deadline=None)
@given(processes(), BATCHES.map(distinct), st.integers(0, 8))
def test_a_restored_table_goes_on_as_if_nothing_had_happened(
    process: Process, batches: list[list[NaiveEvent] | int], at: int
) -> None:
    """A snapshot at any point, through the container it is kept in, tells the same afterwards."""
    names = case_names(batches)
    strings = Strings()
    table = table_of(process, strings)
    for batch in batches[:at]:
        fold(table, batch)
    other = table_of(process, Strings(list(strings.texts)))
    other.load(*unpack(pack(*table.arrays())))
    for batch in batches[at:]:
        assert tally(fold(other, batch), process, names) == tally(fold(table, batch), process, names)
    assert nonzero(tally(list(other.standing()), process, names)) == nonzero(
        tally(list(table.standing()), process, names)
    )


@settings(max_examples=100, deadline=None)
@given(processes(), st.lists(EVENT, max_size=20).map(unambiguous))
def test_what_stands_is_what_was_told(process: Process, events: list[NaiveEvent]) -> None:
    """As long as nothing has left, telling everything at once gives the sum of what was told bit by bit."""
    names = case_names([events])
    table = table_of(process, Strings())
    told = [*table.advance(-10), *fold(table, events)]
    assert nonzero(tally(told, process, names)) == nonzero(tally(list(table.standing()), process, names))


@settings(max_examples=100, deadline=None)
@given(processes(), st.lists(EVENT, max_size=15).map(unambiguous), st.integers(0, 15), st.integers(0, 2**15))
def test_what_is_taken_back_and_told_again_is_as_if_it_had_not_been(
    process: Process, events: list[NaiveEvent], cut: int, which: int
) -> None:
    """Some events never happened, and what is left of their cases is folded again: promises and movements, too."""
    process = replace(process, dues=tuple(due for due in process.dues if due.item is None))
    names = case_names([events])
    gone = [event for number, event in enumerate(events[:cut]) if which >> number & 1]
    kept = [event for event in events if event not in gone]
    table = table_of(process, Strings())
    told = [*table.advance(55), *fold(table, events[:cut])]
    told += table.take_back(events_in_columns(gone, table.strings))
    told += fold(table, [event for event in events[:cut] if event not in gone]) if gone else []
    told += fold(table, events[cut:])
    other = table_of(process, Strings())
    expected = [*other.advance(55), *fold(other, kept)]
    assert nonzero(tally(told, process, names)) == nonzero(tally(expected, process, names))
