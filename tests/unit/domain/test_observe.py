"""OBSERVE end to end on measures of events, against dicts; cases have tests of their own."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain import partials
from services.domain.catalogue import Agg, Field, FieldType
from services.domain.facts import DeadLetter
from services.domain.frames import FrameBuilder, Head, Kind, Row
from services.domain.identity import hash64
from services.domain.observe import Observer
from services.domain.partials import ENDLESS
from services.domain.program import BASE, Cube, EventFeed
from services.domain.rows import hash_numbers
from services.domain.sketches import hash_buckets, value_buckets
from services.domain.state import Emission
from tests.unit.domain.shop import (
    BY_SITE,
    DAY,
    MINUTE,
    NOON,
    SITES,
    TOTAL,
    Large,
    Reader,
    Sale,
    fold,
    frame,
    measure,
    numbers,
    observer,
    program,
    told,
)

sales = st.lists(
    st.builds(
        Sale,
        id=st.integers(0, 60),
        time=st.integers(NOON - 90 * MINUTE, NOON + 2 * MINUTE),
        site=st.sampled_from(["W01", "W02", None]),
        amount=st.one_of(st.none(), st.integers(-500, 5_000)),
        customer=st.sampled_from(["anna", "berta", "carla", None]),
        source=st.sampled_from(["till", "web"]),
        type=st.sampled_from(["sale", "sale", "visit"]),
    ),
    max_size=40,
)
cuts = st.lists(st.integers(0, 12), max_size=4)


def framed(events: list[Sale], size: int) -> list[bytes]:
    """Frames of ``size`` that arrive half a minute apart, with a tick after every third."""
    records = []
    for number, start in enumerate(range(0, len(events), size)):
        ingest = NOON + number * 20_000
        records.append(frame(events[start : start + size], ingest))
        if number % 3 == 2:
            records.append(told(Kind.TICK, ingest + 1_000))
    return records


def once(events: list[Sale]) -> list[Sale]:
    """The first of each identity."""
    return list({sale.identity: sale for sale in reversed(events)}.values())


def naive(events: list[Sale]) -> dict[tuple[str, tuple[str, ...], int], dict[str, int]]:
    """What the cells of ``SITES`` come to."""
    cells: dict[tuple[str, tuple[str, ...], int], list[Sale]] = defaultdict(list)
    for sale in once(events):
        cells["site@1", (sale.site or "",), sale.time // (15 * MINUTE) * 15 * MINUTE].append(sale)
    return {key: naive_cell(group) for key, group in cells.items()}


def naive_cell(group: list[Sale]) -> dict[str, int]:
    sold = [sale for sale in group if sale.type == "sale"]
    amounts = [sale.amount for sale in sold if sale.amount is not None]
    large = [amount for amount in amounts if amount >= 1000]
    customers = [sale.customer for sale in sold if sale.customer is not None]
    last = max(
        ((s.time, s.identity, s.amount) for s in sold if s.amount is not None), default=(-(2**63), 0, 0)
    )
    n = len(amounts)
    cell = {
        "count.None@1|n": len(sold),
        "sum.amount@1|n": n, "sum.amount@1|sum": sum(amounts),
        "avg.amount.large@1|n": len(large), "avg.amount.large@1|sum": sum(large),
        "min.amount@1|n": n, "min.amount@1|min": min(amounts, default=2**63 - 1),
        "max.amount@1|n": n, "max.amount@1|max": max(amounts, default=-(2**63)),
        "last.amount@1|n": n, "last.amount@1|time": last[0], "last.amount@1|identity": last[1],
        "last.amount@1|value": last[2],
        "distinct.customer@1|n": len(customers),
        "percentile.amount@1|n": n,
        "visits@1|n": len(group) - len(sold),
    }  # fmt: skip
    for customer in customers:
        bucket = hash_buckets(np.array([hash64(customer.encode())], np.uint64))[0]
        cell[f"distinct.customer@1#{bucket}"] = 1
    for bucket in value_buckets(numbers(amounts)).tolist():
        cell[f"percentile.amount@1#{bucket}"] = cell.get(f"percentile.amount@1#{bucket}", 0) + 1
    return cell


@settings(max_examples=40, deadline=None)
@given(sales, st.integers(1, 12), cuts)
def test_cells_equal_the_naive_model_however_frames_are_cut(
    events: list[Sale], size: int, bounds: list[int]
) -> None:
    """Whatever the frames, and whatever is folded in one call, told now and then: cells are what dicts come to."""
    state, reader = observer(SITES), Reader()
    records = framed(events, size)
    for start, end in zip([0, *sorted(bounds)], [*sorted(bounds), len(records)], strict=True):
        fold(state, records[start:end])
        reader.read(state.emit())
    assert reader.cells == naive(events)
    assert Reader().read(state.emit(everything=True)).cells == naive(events)
    assert reader.last[1].counters.get("events", 0) == len(once(events))
    assert reader.last[1].counters.get("duplicates", 0) == len(events) - len(once(events))


@settings(max_examples=40, deadline=None)
@given(sales, st.integers(1, 12), st.randoms())
def test_the_order_of_events_does_not_matter(events: list[Sale], size: int, random: object) -> None:
    """Within the horizon, and for events that are told once, any order gives the same cells."""
    shuffled = once(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    state = observer(SITES)
    fold(state, framed(shuffled, size))
    assert Reader().read(state.emit()).cells == naive(events)


@settings(max_examples=40, deadline=None)
@given(sales, st.integers(1, 6), st.integers(0, 20), cuts)
def test_a_snapshot_at_any_point_goes_on_as_if_nothing_had_happened(
    events: list[Sale], size: int, at: int, bounds: list[int]
) -> None:
    """A state restored in the middle and fed the rest is told, and is, what the undisturbed one is."""
    records = framed(events, size)
    whole, first = observer(SITES, TOTAL), observer(SITES, TOTAL)
    fold(whole, records, bounds)
    fold(first, records[:at])
    second = Observer(3, lambda _: program(SITES, TOTAL))
    second.restore(list(first.chunks()))
    assert second.applied == first.applied
    fold(second, records[at:])
    one, other = (Reader().read(state.emit(everything=True)) for state in (whole, second))
    assert one.cells == other.cells
    assert {j: (p.counters, p.time, p.watermark, p.sources) for j, p in one.last.items()} == {
        j: (p.counters, p.time, p.watermark, p.sources) for j, p in other.last.items()
    }


@settings(max_examples=40, deadline=None)
@given(sales, st.integers(1, 6))
def test_events_sent_again_change_nothing(events: list[Sale], size: int) -> None:
    """The same events in other frames are duplicates; partials read twice change nothing either."""
    state, reader = observer(SITES), Reader()
    fold(state, framed(events, size))
    emissions = state.emit()
    reader.read(emissions).read(emissions)
    assert reader.cells == naive(events)
    again = [frame(events, NOON + 30 * MINUTE)]
    fold(state, again)
    assert reader.read(state.emit()).cells == naive(events)
    assert reader.last[1].counters.get("duplicates", 0) == 2 * len(events) - len(once(events))


def test_what_passes_the_horizon_is_carried_to_the_running_cell() -> None:
    """The total does not change when panes leave; their cells are told as nothing."""
    state, reader = observer(TOTAL), Reader()
    fold(state, [told(Kind.CATALOGUE, 0, "past", catalogue="{}")])
    for day in range(5):
        times = [NOON + day * DAY + step * MINUTE for step in range(3)]
        fold(state, [frame([Sale(day * 10 + n, t) for n, t in enumerate(times)], times[-1], "past")])
        reader.read(state.emit())
    counts = reader.counts("total@1", "count.None@1")
    assert sum(counts.values()) == 15
    assert counts[(), BASE] == 9
    assert min(pane for _, pane in counts if pane != BASE) >= NOON + 3 * DAY - DAY // 16
    assert Reader().read(state.emit(everything=True)).cells == reader.cells
    base = reader.cells["total@1", (), BASE]
    assert sum(name.startswith("distinct") and "#" in name for name in base) == 1


def test_late_events_are_counted_and_what_is_too_old_counts_when_it_came_and_is_listed() -> None:
    """Late: the pane had closed before the frame; too old: history is amended no more, the event counts in the present
    pane. A frame does not make itself late.
    """
    short = Cube("short@1", 0, (), MINUTE, 16 * MINUTE, MINUTE, False, (measure(Agg.COUNT),))
    state = observer(short)
    fold(state, [frame([Sale(1, NOON), Sale(2, NOON - 10 * MINUTE)], NOON)])
    reader = Reader().read(state.emit())
    assert "late" not in reader.last[0].counters
    fold(state, [frame([Sale(3, NOON - 10 * MINUTE), Sale(4, NOON - 30 * MINUTE), Sale(5, NOON)], NOON)])
    reader.read(state.emit())
    assert reader.last[0].counters["late"] == 2
    assert reader.last[0].counters["counted_late"] == 1
    assert [(letter.code, letter.event_id, letter.value) for letter in reader.letters] == [
        ("too_old", "4", str(NOON - 30 * MINUTE))
    ]
    assert reader.counts("short@1", "count.None@1") == {((), NOON): 3, ((), NOON - 10 * MINUTE): 2}


def test_an_import_drops_what_comes_too_late_and_lists_it() -> None:
    """Its present is that of its events: nothing of theirs is moved."""
    short = Cube("short@1", 0, (), MINUTE, 16 * MINUTE, MINUTE, False, (measure(Agg.COUNT),))
    state = observer(short)
    fold(state, [told(Kind.CATALOGUE, 0, "past", catalogue="{}"), frame([Sale(1, NOON)], NOON, "past")])
    fold(state, [frame([Sale(2, NOON - 30 * MINUTE)], NOON, "past"), told(Kind.END, NOON, "past")])
    reader = Reader().read(state.emit())
    assert reader.last[0].counters["late_dropped"] == 1
    assert [letter.code for letter in reader.letters] == ["late"]
    assert reader.counts("short@1", "count.None@1") == {((), NOON): 1}


def test_the_future_moves_nothing() -> None:
    """More than five minutes ahead of its arrival an event is listed, counted, and not folded."""
    state = observer(SITES)
    fold(state, [frame([Sale(1, NOON), Sale(2, NOON + 5 * MINUTE + 1)], NOON)])
    reader = Reader().read(state.emit())
    assert reader.last[1].watermark == NOON
    assert reader.last[1].counters == {"events": 1, "quarantined": 1}
    assert [letter.code for letter in reader.letters] == ["future"]


def test_an_import_is_not_measured_by_the_clock() -> None:
    """A run that is not live may be of any time."""
    state = observer(SITES)
    fold(state, [told(Kind.CATALOGUE, 0, "past", 1, catalogue="{}"), frame([Sale(1, NOON)], 0, "past", 1)])
    reader = Reader().read(state.emit())
    assert sum(reader.counts("site@1", "count.None@1").values()) == 1


def test_runs_are_apart_and_a_new_attempt_replaces_its_run() -> None:
    """What attempt 1 left is gone with the first record of attempt 2; records of attempt 1 count for nothing then."""
    state = observer(SITES)
    fold(state, [frame([Sale(1, NOON)], NOON)])
    fold(state, [told(Kind.BEGIN, 0, "past", 1), told(Kind.CATALOGUE, 0, "past", 1, catalogue="{}")])
    fold(state, [frame([Sale(1, NOON), Sale(2, NOON)], NOON, "past", 1)])
    state.emit()
    fold(state, [told(Kind.BEGIN, 0, "past", 2), frame([Sale(2, NOON)], NOON, "past", 2)])
    fold(state, [frame([Sale(3, NOON)], NOON, "past", 1), told(Kind.END, NOON + DAY, "past", 2)])
    emissions = state.emit()
    past = [e for e in emissions if isinstance(e.value, bytes) and b'"past"' in e.value]
    reader = Reader().read(past)
    assert reader.cells == naive([Sale(2, NOON)])
    assert reader.last[1].attempt == 2
    assert reader.last[1].begin
    assert reader.last[1].complete
    assert reader.last[1].watermark == ENDLESS
    assert reader.last[1].time == NOON + DAY
    assert reader.last[1].counters["void"] == 1


def test_a_new_catalogue_keeps_the_measures_that_it_leaves_alone() -> None:
    """At the barrier the count goes on, the sum leaves, and a new measure starts from nothing."""
    few = Cube("site@1", 1, ("site",), 15 * MINUTE, 400 * DAY, MINUTE, False, BY_SITE[:2])
    new = Cube(
        "site@1", 1, ("site",), 15 * MINUTE, 400 * DAY, MINUTE, False,
        (BY_SITE[0], measure(Agg.COUNT, "amount", Large())),
    )  # fmt: skip
    state = Observer(0, {"old": program(few), "new": program(new)}.__getitem__)
    fold(state, [told(Kind.CATALOGUE, 0, catalogue="old"), frame([Sale(1, NOON, amount=5000)], NOON)])
    reader = Reader().read(state.emit())
    assert reader.last[1].catalogue == "old"
    fold(state, [told(Kind.CATALOGUE, 0, catalogue="new"), frame([Sale(2, NOON, amount=5000)], NOON)])
    reader = Reader().read(state.emit())
    assert reader.last[1].catalogue == "new"
    [cell] = reader.cells.values()
    assert cell == {"count.None@1|n": 2, "count.amount.large@1|n": 1}


def test_judges_are_told_the_time_and_little_else() -> None:
    """Without events a tick a second reaches every judge partition; nothing is said twice."""
    state = observer(SITES, TOTAL)
    assert {emission.partition for emission in state.emit()} == {0, 1, 2, 3}
    assert state.emit() == []
    fold(state, [told(Kind.TICK, NOON)])
    reader = Reader().read(state.emit())
    assert {
        judge: (p.time, p.watermark, p.since, p.offset) for judge, p in reader.last.items()
    } == dict.fromkeys(range(4), (NOON, NOON - MINUTE, 0, 1))
    assert reader.last[0].catalogue is None
    fold(state, [frame([Sale(1, NOON)], NOON + 10)])
    assert {emission.partition for emission in state.emit()} == {1, 2}


def test_bytes_that_are_no_record_become_a_dead_letter() -> None:
    """They are counted and passed over."""
    state = observer(SITES)
    fold(state, [b"what is this", frame([Sale(1, NOON)], NOON)])
    reader = Reader().read(state.emit())
    assert state.applied == 2
    assert reader.last[1].counters == {"events": 1, "undecodable": 1}
    assert [(letter.id, letter.code) for letter in reader.letters] == [
        ("undecodable:events:3:1", "undecodable")
    ]


def test_large_states_are_told_and_kept_in_pieces() -> None:
    """Twenty thousand cells with sketches: no partial above 512 KB, no chunk above 400 KiB, nothing lost."""
    state = observer(SITES)
    events = [Sale(n, NOON + n, f"W{n % 20_000}", n % 977, f"c{n}") for n in range(40_000)]
    fold(state, [frame(events[start : start + 4_000], NOON) for start in range(0, 40_000, 4_000)])
    emissions = state.emit()
    reader = Reader().read(emissions)
    assert sum(reader.counts("site@1", "count.None@1").values()) == 40_000
    more = [partial.more for partial in map(_partial, emissions) if partial is not None and partial.cubes]
    assert more == [True] * (len(more) - 1) + [False]
    assert len(more) > 3
    chunks = list(state.chunks())
    assert max(map(len, chunks)) <= 400 << 10
    other = Observer(3, lambda _: program(SITES))
    other.restore(chunks)
    assert Reader().read(other.emit()).cells == reader.cells


def _partial(emission: Emission) -> partials.Partial | None:
    return partials.decode(emission.value) if isinstance(emission.value, bytes) else None


@pytest.mark.parametrize("feed", ["sale", "visit"])
def test_events_of_a_type_that_nobody_measures_cost_nothing(feed: str) -> None:
    """They are counted and move the watermark, no more."""
    only = Cube("one@1", 0, (), MINUTE, DAY, MINUTE, False, (measure(Agg.COUNT, feed=EventFeed(feed)),))
    state = observer(only)
    fold(state, [frame([Sale(1, NOON, type="visit")], NOON)])
    reader = Reader().read(state.emit())
    assert reader.last[0].watermark == NOON
    assert len(reader.cells) == (feed == "visit")


def test_hashes_of_numbers_are_fixed() -> None:
    """Snapshots and partials of other versions depend on them."""
    assert hash_numbers(numbers([0, 1])).tolist() == [16294208416658607535, 10451216379200822465]


def test_an_import_is_told_of_as_it_begins_and_ends_and_seldom_between() -> None:
    """Nobody watches its numbers grow: what is held back comes once there is enough, and with the end at the latest."""
    state = Observer(3, lambda _: program(SITES), hold=3)
    fold(state, [told(Kind.BEGIN, 0, "past"), told(Kind.CATALOGUE, 0, "past", catalogue="{}")])
    reader = Reader().read(state.emit())
    fold(state, [frame([Sale(1, NOON), Sale(2, NOON)], NOON, "past")])
    assert state.emit() == []
    fold(state, [frame([Sale(3, NOON)], NOON, "past")])
    assert reader.read(state.emit()).cells == naive([Sale(1, NOON), Sale(2, NOON), Sale(3, NOON)])
    fold(state, [frame([Sale(4, NOON)], NOON, "past")])
    assert state.emit() == []
    fold(state, [told(Kind.END, NOON, "past")])
    assert reader.read(state.emit()).cells == naive([Sale(number, NOON) for number in range(1, 5)])


def odd(type_: str, process: str, site: int) -> bytes:
    """A frame of one event, built under a catalogue in which ``site`` has another type."""
    builder = FrameBuilder({type_: [Field("site", FieldType.INTEGER)]})
    builder.add(Row(type_, process, True, "key", NOON, "till", 7, (site,), b'{"id":"odd"}'))
    return builder.build(Head(Kind.EVENTS, "default", "live", 0, "other", NOON))


@pytest.mark.parametrize(("type_", "process"), [("sale", ""), ("sale", "parcel"), ("refund", "")])
def test_frames_of_another_catalogue_do_no_harm(type_: str, process: str) -> None:
    """A column of another type, a process or an event type that is not known: the others are folded as ever."""
    state = observer(SITES)
    records = [frame([Sale(1, NOON)], NOON), frame([Sale(2, NOON)], NOON), odd(type_, process, 5)]
    fold(state, records)
    cells = Reader().read(state.emit()).cells
    alone = observer(SITES)
    fold(alone, records[:2])
    assert Reader().read(alone.emit()).cells.items() <= cells.items()


def test_a_record_is_passed_over_when_told_to() -> None:
    """A dead letter names where it was, why, and its events; snapshots keep the count."""
    state = observer(SITES)
    fold(state, [frame([Sale(1, NOON)], NOON)])
    before = Reader().read(state.emit()).cells
    state.refuse(state.applied + 1, odd("sale", "", 5), "KeyError: 'site'")
    emissions = state.emit()
    [letter] = [each.value for each in emissions if isinstance(each.value, DeadLetter)]
    assert (letter.origin, letter.code, letter.message) == (
        f"events:{state.partition}:{state.applied}",
        "unfoldable",
        "KeyError: 'site'",
    )
    assert letter.payload == '[{"id":"odd"}]'
    other = observer(SITES)
    other.restore(list(state.chunks()))
    assert (other.applied, other.unfoldable) == (state.applied, 1)
    assert Reader().read(other.emit(everything=True)).cells == before
