"""OBSERVE on the demo's catalogue and company: cases, dues and levels among the measures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.frames import Kind
from services.domain.observe import Observer
from services.domain.state import Emission
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.lookups.files import tables_of
from services.simulation.company import DAY, MINUTE, Company
from services.simulation.simulator import Simulator
from tests.unit.domain.shop import NOON, Reader, fold, told

DEMO = Path(__file__).parents[3] / "examples" / "demo"


@cache
def records() -> tuple[bytes, ...]:
    """A day of a small company, sent in order; a frame and a tick every half hour. Seen once per session."""
    catalogue = load_catalogue(DEMO)
    validator = Validator(catalogue, max_event_bytes=1 << 17, tables=tables_of(DEMO, catalogue))
    head = heads("default", "live", 0, catalogue.digest)
    framer = Framer(catalogue, head, "events", 1, frame_events=4000, frame_bytes=400 << 10)
    made = [framer.mark(Kind.CATALOGUE, NOON, catalogue=to_text(catalogue))[0].value]
    simulator = Simulator(Company(orders_per_hour=4, trucks_per_hour=3, calls_per_hour=2), 7, NOON)
    for now in range(NOON + 30 * MINUTE, NOON + DAY + 1, 30 * MINUTE):
        for sent in simulator.advance(now):
            event = validator.validate(msgspec.json.encode(sent.cloudevent()))
            assert isinstance(event, Event)
            framer.add(event)
        made += [record.value for record in framer.take(now)]
        made.append(framer.mark(Kind.TICK, now + 1_000)[0].value)
    return tuple(value for value in made if value is not None)


@cache
def undisturbed() -> tuple[Reader, Observer]:
    """What folding one record at a time comes to."""
    state = Observer(3, load_program)
    for record in records():
        fold(state, [record])
    return Reader().read(state.emit(everything=True)), state


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 96), st.lists(st.integers(1, 96), max_size=5), st.booleans())
def test_cuts_and_restarts_change_no_cell(at: int, cuts: list[int], tell: bool) -> None:  # noqa: FBT001  # drawn
    """Folded in other calls, told in between or not, and restored from a snapshot in the middle."""
    first = Observer(3, load_program)
    fold(first, records()[:at], cuts)
    if tell:
        first.emit()
    second = Observer(3, load_program)
    second.restore(list(first.chunks()))
    fold(second, records()[at:], cuts)
    reader, state = undisturbed()
    again = Reader().read(second.emit(everything=True))
    assert again.cells == reader.cells
    assert again.last[0].counters == reader.last[0].counters
    assert again.last[0].watermark == reader.last[0].watermark
    one, other = (next(iter(each.runs.values())).notable_cases() for each in (second, state))
    assert one == other


def test_what_is_told_now_and_then_adds_up_to_what_is_told_at_once() -> None:
    """A reader of changes has the cells that a reader of everything has; levels, durations and dues are there."""
    state, reader = Observer(3, load_program), Reader()
    for start in range(0, len(records()), 7):
        fold(state, records()[start : start + 7])
        reader.read(state.emit())
    everything = undisturbed()[0]
    assert reader.cells == everything.cells
    run = next(iter(state.runs.values()))
    measured = {measure.id for table in run.cells.values() for measure in table.cube.measures}
    filled = {
        name.split("|")[0] for cell in reader.cells.values() for name, n in cell.items() if "|n" in name and n
    }
    assert len(filled) > len(measured) // 2  # a day without a batch, and rates that are never missing


def test_notable_cases_are_told_when_they_change_and_of_an_import_at_its_end() -> None:
    """Engine time decides: every five seconds at most, after a minute at least; nothing is said twice at one time."""
    live, past = Observer(3, load_program), Observer(3, load_program)
    barrier = records()[0]
    fold(live, [barrier])
    assert told_cases(live) == []
    catalogue = load_catalogue(DEMO)
    every = len(catalogue.processes)
    for later, processes in ((1_000, every), (2_000, 0), (6_000, 0), (60_999, 0), (66_000, every)):
        fold(live, [told(Kind.TICK, NOON + later)])
        assert len(told_cases(live)) == processes
    fold(live, records()[1:])
    assert told_cases(live)
    fold(past, [told(Kind.CATALOGUE, NOON, "past", 1, catalogue=to_text(catalogue))])
    past.emit(everything=True)
    fold(past, [told(Kind.TICK, NOON + DAY, "past", 1)])
    assert told_cases(past) == []
    fold(past, [told(Kind.END, NOON + DAY, "past", 1)])
    assert len(told_cases(past)) == every
    assert told_cases(past) == []


def told_cases(state: Observer) -> list[Emission]:
    return [emission for emission in state.emit() if emission.topic == "cases"]
