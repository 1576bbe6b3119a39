from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.catalogue import Agg, Catalogue, Process, Schedule
from services.domain.contributions import AT_THE_DUE_TIME
from services.domain.facts import CaseFacts
from services.domain.frames import FrameBuilder, Head, Kind, Row
from services.domain.identity import hash64
from services.domain.observe import Observer
from services.domain.program import (
    QUANTITY,
    CohortFeed,
    ConversionFeed,
    Cube,
    DueFeed,
    DurationFeed,
    EventFeed,
    Feed,
    Measure,
    Program,
    QuantityFeed,
    WorkedFeed,
)
from tests.unit.domain.naive_cases import Fact, NaiveEvent, NaiveTable
from tests.unit.domain.shop import DAY, MINUTE, NOON, Reader, fold, told
from tests.unit.domain.test_cases import EVENT, EVENTS, FIELDS, Rushed, feeds_of, naive_of, processes

RUN = "import"
"""Not live: then nothing comes from the future, whatever the test draws."""

Cells = dict[tuple[str, tuple[str, ...], int, str], int]
"""(cube, scope, pane, measure's column) → what stands there, zeros left out."""

Said = list[list[NaiveEvent] | int]
"""Frames, and ticks by how much later they come (ms)."""

SAID = st.lists(
    st.one_of(st.lists(EVENT, min_size=1, max_size=10), st.integers(1, 40).map(lambda n: n * MINUTE // 2)),
    max_size=8,
)


def on_the_clock(said: Said) -> Said:
    """Steps of time become minutes after noon, and every event one of its own."""
    number = 0
    result: Said = []
    for each in said:
        if isinstance(each, int):
            result.append(each)
            continue
        events = []
        for event in each:
            number += 1
            due = event.values["due"]
            values = {**event.values, "due": None if due is None else NOON + due * MINUTE}
            identity = hash64(str(number).encode())
            events.append(replace(event, time=NOON + event.time * MINUTE, identity=identity, values=values))
        result.append(events)
    return result


def in_minutes(process: Process) -> Process:
    dues = tuple(
        due if due.within_ms is None else replace(due, within_ms=due.within_ms * MINUTE)
        for due in process.dues
    )
    return replace(process, dues=dues, grace_ms=process.grace_ms * MINUTE)


def number_of(feed: Feed) -> str | None:
    if isinstance(feed, DueFeed) and feed.outcome in AT_THE_DUE_TIME:
        return None
    numbers = {
        DurationFeed: "duration",
        WorkedFeed: "duration",
        CohortFeed: QUANTITY,
        DueFeed: "lateness",
        ConversionFeed: "converted",
        QuantityFeed: QUANTITY,
    }
    return numbers.get(type(feed))


def feeds_in_minutes(process: Process) -> list[Feed]:
    hours = Schedule(opens_ms=DAY // 2 + 10 * MINUTE, closes_ms=DAY // 2 + 25 * MINUTE)
    feeds: list[Feed] = []
    for feed in feeds_of(process):
        if isinstance(feed, ConversionFeed | CohortFeed):
            feeds.append(replace(feed, within_ms=feed.within_ms * MINUTE))
        else:
            feeds.append(replace(feed, usual=hours) if isinstance(feed, WorkedFeed) else feed)
    return feeds


def program_of(process: Process) -> Program:
    """Every feed counted, and its number summed: by the attributes, and as one running total."""
    measures = []
    for index, feed in enumerate(feeds_in_minutes(process)):
        measures.append(Measure(f"count{index}@1", feed, Agg.COUNT, None, 0, None))
        if number := number_of(feed):
            measures.append(Measure(f"sum{index}@1", feed, Agg.SUM, number, 0, None))
    events = [Measure(f"{kind}@1", EventFeed(kind), Agg.COUNT, None, 0, None) for kind in EVENTS]
    fine = Cube(
        "fine@1", 0, tuple(sorted(process.attributes)), 15 * MINUTE, 400 * DAY, MINUTE, False, tuple(measures)
    )
    total = Cube("total@1", 1, (), MINUTE, 16 * MINUTE, MINUTE, True, (*measures, *events))
    filters = {("p", step.name): Rushed() for step in process.steps if step.filter}
    return Program(Catalogue(EVENTS, {"p": process}, {}, "digest"), (fine, total), {}, filters)


def records_of(said: Said) -> list[bytes]:
    """Frames and ticks, each a little later than the one before."""
    ingest = NOON
    records = []
    for each in said:
        if isinstance(each, int):
            ingest += each
            records.append(told(Kind.TICK, ingest, RUN))
            continue
        ingest += 20_000
        builder = FrameBuilder({name: list(FIELDS.values()) for name in EVENTS})
        for event in each:
            values = tuple(event.values[name] for name in FIELDS)
            builder.add(
                Row(event.type, "p", True, event.case, event.time, "erp", event.identity, values, b"{}")
            )
        records.append(builder.build(Head(Kind.EVENTS, "default", RUN, 0, "digest", ingest)))
    return records


def naive_cells(process: Process, said: Said) -> tuple[NaiveTable, Cells]:
    """The same, one event at a time: time passes with ticks, and with the first frame of a minute."""
    model = naive_of(process)
    model.feeds = feeds_in_minutes(process)
    time = ingest = NOON
    cells: Counter[tuple[str, tuple[str, ...], int, str]] = Counter()
    seen = False
    for each in said:
        if isinstance(each, int):
            ingest += each
            model.advance(ingest)
        else:
            ingest += 20_000
            if not seen or ingest // MINUTE > time // MINUTE:
                model.advance(ingest)
            for event in each:
                model.update(event)
                cells["total@1", (), 0, f"{event.type}@1|n"] += 1
        time, seen = ingest, True
    for fact, weight in model.facts().items():
        _count(cells, process, model.feeds, fact, weight)
    return model, {key: value for key, value in cells.items() if value}


def _count(
    cells: Counter[tuple[str, tuple[str, ...], int, str]],
    process: Process,
    feeds: list[Feed],
    fact: Fact,
    weight: int,
) -> None:
    feed, _, time, number, attributes = fact
    known = dict(attributes)
    scope = tuple(_word(known.get(name)) for name in sorted(process.attributes))
    columns = {f"count{feeds.index(feed)}@1|n": weight}
    if number is not None:
        columns |= {f"sum{feeds.index(feed)}@1|n": weight, f"sum{feeds.index(feed)}@1|sum": weight * number}
    for name, value in columns.items():
        cells["fine@1", scope, pane(time), name] += value
        cells["total@1", (), 0, name] += value


def _word(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def pane(time: int) -> int:
    return time // (15 * MINUTE) * 15 * MINUTE


def cells_of(reader: Reader) -> Cells:
    """What partials come to; of the running total, all panes together."""
    cells: Counter[tuple[str, tuple[str, ...], int, str]] = Counter()
    for (cube, scope, at), columns in reader.cells.items():
        for name, value in columns.items():
            cells[cube, scope, 0 if cube == "total@1" else at, name] += value
    return {key: value for key, value in cells.items() if value}


def observing(process: Process) -> Observer:
    state = Observer(3, lambda _: program_of(process), hold=0)
    state.fold([(0, told(Kind.CATALOGUE, NOON, RUN, catalogue="{}"))])
    return state


@settings(max_examples=100, deadline=None)
@given(processes().map(in_minutes), SAID.map(on_the_clock), st.lists(st.integers(0, 8)), st.integers(0, 8))
def test_what_partials_say_of_cases_is_what_a_model_of_dicts_says(
    process: Process, said: Said, cuts: list[int], at: int
) -> None:
    """Every feed of a random process, however frames are cut into calls, with a restart in the middle."""
    records = records_of(said)
    state = observing(process)
    fold(state, records[:at], cuts)
    again = Observer(3, lambda _: program_of(process), hold=0)
    again.restore(list(state.chunks()))
    fold(again, records[at:], cuts)
    emissions = again.emit(everything=True)
    model, expected = naive_cells(process, said)
    assert cells_of(Reader().read(emissions)) == expected
    told_cases = [emission.value for emission in emissions if isinstance(emission.value, CaseFacts)]
    if said:
        (facts,) = told_cases
        opened = [c for c in model.cases.values() if process.opens in c.steps and model.ended(c) is None]
        assert facts.open == len(opened)


@settings(max_examples=60, deadline=None)
@given(processes().map(in_minutes), SAID.map(on_the_clock), st.integers(1, 3))
def test_partials_told_bit_by_bit_come_to_the_same(process: Process, said: Said, every: int) -> None:
    """A reader of all partials along the way has what a reader of everything at the end has."""
    records = records_of(said)
    state, reader = observing(process), Reader()
    reader.read(state.emit())
    for start in range(0, len(records), every):
        fold(state, records[start : start + every])
        reader.read(state.emit())
    assert cells_of(reader) == naive_cells(process, said)[1]
