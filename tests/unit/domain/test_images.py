"""Rows before and after changes in a partition: what counts as an event, moves time, is late, or is a duplicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import (
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Images,
    Kpi,
    KpiType,
    MeasureSpec,
    Window,
    WindowKind,
)
from services.domain.facts import DeadLetter
from services.domain.frames import Kind
from services.domain.observe import Observer
from services.domain.runstate import RunState
from services.intake.amounts import rfc3339
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOON = 1_700_006_400_000
FIELDS = {
    "site": Field("site", FieldType.STRING),
    "amount": Field("amount", FieldType.INTEGER),
    "at": Field("at", FieldType.TIMESTAMP, required=True),
}
MEASURE = MeasureSpec(Agg.SUM, event="row", field="amount")
AMOUNT = Kpi(
    name="amount", title="Amount", owner="a@example.com", type=KpiType.SIMPLE, measure=MEASURE, grain="5m",
    window=Window(WindowKind.ROLLING, HOUR), unit="EUR", reopen_ms=DAY,
)  # fmt: skip
CATALOGUE = with_digest(
    Catalogue({"row": EventType("row", "", FIELDS, {}, images=Images("at"))}, {}, {"amount": AMOUNT})
)


class Partition:
    """The live run in one partition, to which a database speaks."""

    def __init__(self) -> None:
        self.validator = Validator(CATALOGUE, max_event_bytes=10_000)
        head = heads("default", "live", 0, CATALOGUE.digest)
        self.framer = Framer(CATALOGUE, head, "events", 1, frame_events=100, frame_bytes=1 << 18)
        self.observer = Observer(0, load_program)
        self.take(self.framer.mark(Kind.CATALOGUE, NOON, catalogue=to_text(CATALOGUE)))

    def take(self, records: list[Any]) -> None:
        start = self.observer.applied + 1
        self.observer.fold([(start + at, record.value) for at, record in enumerate(records)])

    def say(self, ingest: int, *changes: Mapping[str, Any]) -> None:
        """Changes that come in one frame."""
        for change in changes:
            event = self.validator.validate(msgspec.json.encode(change))
            assert isinstance(event, Event), event
            self.framer.add(event)
        self.take(self.framer.take(ingest))

    @property
    def run(self) -> RunState:
        return self.observer.runs["default", "live"]

    @property
    def sums(self) -> dict[int, tuple[int, int]]:
        """Pane → (samples, sum), where there is something."""
        [table] = self.run.cells.values()
        [measure] = table.cube.measures
        found = {}
        for pane in range(NOON - 2 * DAY, NOON + DAY, table.cube.pane_ms):
            one = table.aggregates(measure, pane, pane + table.cube.pane_ms)
            if one.size and (one.samples.any() or one.columns["sum"].any()):
                found[pane] = int(one.samples.sum()), int(one.columns["sum"].sum())
        return found

    def letters(self) -> list[DeadLetter]:
        return [one.value for one in self.observer.emit() if isinstance(one.value, DeadLetter)]


def change(
    id_: str, at: int, before: tuple[int, int] | None = None, after: tuple[int, int] | None = None
) -> dict[str, Any]:
    """A change at ``at`` of a row, given as (when it counts, amount)."""
    rows = {
        name: None if row is None else {"site": "W01", "at": rfc3339(row[0]), "amount": row[1]}
        for name, row in (("before", before), ("after", after))
    }
    return {"id": id_, "source": "db", "type": "row", "time": rfc3339(at), "data": rows}


@pytest.fixture
def partition() -> Partition:
    return Partition()


def test_a_change_is_one_event_and_moves_time_to_when_it_was_made(partition: Partition) -> None:
    """However old the rows are that it speaks of."""
    old = NOON - 2 * HOUR
    partition.say(NOON, change("1", NOON - MINUTE, after=(old, 5)))
    partition.say(NOON + MINUTE, change("2", NOON, before=(old, 5), after=(old - HOUR, 7)))
    partition.say(NOON + MINUTE, change("3", NOON + MINUTE, before=(old - HOUR, 7)))
    assert partition.run.counters["events"] == 3
    assert partition.run.watermark.value == NOON + MINUTE
    [source] = partition.run.watermark.sources(NOON + MINUTE)
    assert source.events == 3
    assert partition.sums == {}


def test_the_windows_that_counted_the_row_lose_it(partition: Partition) -> None:
    """At the time that the row before says; the row after enters at its own."""
    early, late = NOON - HOUR, NOON - 10 * MINUTE
    partition.say(NOON, change("1", NOON, after=(early, 5)), change("2", NOON, after=(early, 3)))
    assert partition.sums == {early: (2, 8)}
    partition.say(NOON, change("3", NOON, before=(early, 5), after=(late, 6)))
    assert partition.sums == {early: (1, 3), late: (1, 6)}


@pytest.mark.parametrize(
    ("before", "after", "late"),
    [
        ((NOON - HOUR, 1), (NOON - HOUR, 2), 1),  # both are of a closed pane: one event is late
        ((NOON - HOUR, 1), (NOON, 2), 1),
        ((NOON, 1), (NOON - HOUR, 2), 1),
        ((NOON - HOUR, 1), None, 1),
        ((NOON, 1), (NOON, 2), 0),
    ],
)
def test_an_event_is_late_once(
    partition: Partition, before: tuple[int, int], after: tuple[int, int] | None, late: int
) -> None:
    """Where any of its rows is of a pane that has closed."""
    partition.say(NOON, change("0", NOON, after=(NOON, 0)))
    partition.say(NOON + MINUTE, change("1", NOON + MINUTE, before, after))
    assert partition.run.counters["late"] == late
    assert partition.run.counters["late_dropped"] == 0


def test_what_is_taken_back_too_late_counts_when_it_comes(partition: Partition) -> None:
    """The row before is of a window that is not amended any more: it leaves the present one, and the letter holds the
    event that carries it.
    """
    gone = NOON - 2 * DAY
    partition.say(NOON, change("0", NOON, after=(NOON, 0)), change("x", NOON, after=(NOON, 9)))
    told = change("1", NOON + MINUTE, before=(gone, 5), after=(NOON, 7))
    partition.say(NOON + MINUTE, change("2", NOON + MINUTE, after=(NOON, 1)), told)
    [letter] = partition.letters()
    assert (letter.code, letter.event_id) == ("too_old", "1")
    assert msgspec.json.decode(letter.payload) == told
    assert (partition.run.counters["late"], partition.run.counters["counted_late"]) == (1, 1)
    assert partition.sums == {NOON: (3, 12)}


def test_a_row_may_be_of_the_future_but_not_its_change(partition: Partition) -> None:
    """A change of tomorrow is set aside with both its rows; a row of tomorrow waits for its windows."""
    tomorrow = NOON + 12 * HOUR
    partition.say(NOON, change("1", NOON, after=(tomorrow, 5)))
    partition.say(NOON, change("2", tomorrow, before=(tomorrow, 5), after=(NOON, 6)))
    assert partition.sums == {tomorrow: (1, 5)}
    assert (partition.run.counters["events"], partition.run.counters["quarantined"]) == (1, 1)
    assert partition.run.watermark.value == NOON
    [letter] = partition.letters()
    assert (letter.code, letter.event_id, letter.value) == ("future", "2", str(tomorrow))


def test_both_rows_stand_or_fall_with_their_event(partition: Partition) -> None:
    """Whatever comes under an id that was seen is a duplicate as a whole: in the same frame, or in a later one."""
    update = change("2", NOON, before=(NOON, 5), after=(NOON, 6))
    partition.say(NOON, change("1", NOON, after=(NOON, 5)), update, update)
    partition.say(NOON, update, change("1", NOON, before=(NOON, 5), after=(NOON, 8)))
    partition.say(
        NOON, change("1", NOON, before=(NOON, 5)), change("3", NOON, before=(NOON, 6), after=(NOON, 9))
    )
    assert partition.sums == {NOON: (1, 9)}
    assert (partition.run.counters["events"], partition.run.counters["duplicates"]) == (3, 4)


def test_the_pairing_holds_where_only_some_of_a_frame_are_repeated(partition: Partition) -> None:
    """Of a frame of created, changed and deleted rows, those that came before are left out, and nothing else."""
    rows = [change(f"c{n}", NOON, after=(NOON, n)) for n in range(6)]
    updates = [change(f"u{n}", NOON, before=(NOON, n), after=(NOON, 10 * n)) for n in range(6)]
    ends = [change(f"d{n}", NOON, before=(NOON, 10 * n)) for n in range(3)]
    partition.say(NOON, rows[0], updates[1], ends[2], updates[4])
    partition.say(NOON, *rows, *updates, *ends, *rows[:2])
    assert partition.sums == {NOON: (3, 10 * (3 + 4 + 5))}
    assert (partition.run.counters["events"], partition.run.counters["duplicates"]) == (15, 6)
