"""What follows from movements and from what is said of a balance, key by key."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.balances import COUNT, FOLDED, MOVEMENT, OPENING, Entries, course
from services.domain.case_columns import LONG_AGO, NEVER
from services.domain.catalogue import Opening
from services.domain.frames import Kind
from tests.naive.stock import Entry
from tests.unit.domain.test_balances_equal_naive import catalogue_of, moved
from tests.unit.domain.test_engine_equals_naive import DAY, HOUR, MINUTE, START, Engine

NOBODY = -1


def went(
    entries: list[tuple[int, int, int]], opened: int = LONG_AGO, openers: tuple[int, ...] = (OPENING,)
) -> list[list[int]]:
    """Per (time, kind, value) of one key: by how much it changes the balance, and the difference (``NOBODY``: none)."""
    time, kind, value = (np.array([one[at] for one in entries], np.int64) for at in range(3))
    listed = Entries(np.zeros(time.size, np.intp), time, kind.astype(np.int32), value)
    found = course(listed, np.array([opened]), openers)
    difference = np.where(found.differs, value - found.book, NOBODY)
    return [found.left.tolist(), difference.tolist()]


@pytest.mark.parametrize(
    ("entries", "left", "differences"),
    [
        ([(1, MOVEMENT, 10), (2, MOVEMENT, -4)], [10, -4], [NOBODY, NOBODY]),
        ([(1, MOVEMENT, 10), (2, COUNT, 7), (3, MOVEMENT, 1)], [10, -3, 1], [NOBODY, -3, NOBODY]),
        ([(1, MOVEMENT, 10), (2, OPENING, 7), (3, MOVEMENT, -9)], [0, 7, -9], [NOBODY] * 3),
        ([(1, OPENING, 5), (2, OPENING, 7)], [5, 2], [NOBODY, 2]),
        ([(1, COUNT, 4), (2, OPENING, 7), (2, COUNT, 8)], [0, 7, 1], [NOBODY, NOBODY, 1]),
        ([(1, FOLDED, 10), (2, COUNT, 10)], [10, 0], [NOBODY, 0]),
    ],
)  # fmt: skip
def test_what_is_said_holds_and_movements_change_it(
    entries: list[tuple[int, int, int]], left: list[int], differences: list[int]
) -> None:
    """The first opening has no difference, and contains what was before it."""
    assert went(entries) == [left, differences]


def test_what_was_before_the_opening_is_contained_in_it() -> None:
    """An announced instant opens a key that has no opening of its own; what is not announced opens nothing."""
    entries = [(1, MOVEMENT, 10), (3, MOVEMENT, 2), (4, COUNT, 3)]
    assert went(entries, opened=2) == [[0, 2, 1], [NOBODY, NOBODY, 1]]
    assert went(entries, opened=NEVER) == [[0, 0, 0], [NOBODY] * 3]
    assert went(entries, opened=NEVER, openers=(OPENING, COUNT)) == [[0, 0, 3], [NOBODY] * 3]


def test_keys_do_not_mix() -> None:
    """Each has a course of its own; one without entries has none."""
    listed = Entries(
        np.array([0, 0, 2, 2]),
        np.array([1, 2, 1, 2], np.int64),
        np.array([COUNT, MOVEMENT, MOVEMENT, COUNT], np.int32),
        np.array([5, 1, 3, 9], np.int64),
    )
    found = course(listed, np.full(3, LONG_AGO), (OPENING,))
    assert found.left.tolist() == [5, 1, 3, 6]
    assert found.first.tolist() == [1, NEVER, 1]


def test_a_count_that_comes_after_its_horizon_is_listed_and_changes_nothing() -> None:
    """Nobody remembers what the book said; a movement counts all the same, and is listed as well."""
    engine = Engine(catalogue_of(Opening.EACH, HOUR), 1)
    engine.frame(START + DAY, [
        moved(Entry("k0", START, "opening", 10), 0),
        moved(Entry("k0", START + HOUR, "receipt", 5), 1),
        moved(Entry("k0", START + 3 * HOUR, "receipt", 5), 2),
    ])  # fmt: skip
    engine.mark(Kind.TICK, START + 2 * DAY)
    late = [Entry("k0", START + 2 * HOUR, "count", 1), Entry("k0", START + 2 * HOUR, "issue", 4)]
    engine.frame(START + 3 * DAY, [moved(one, number) for number, one in enumerate(late, 3)])
    engine.turn(0)
    [letters] = [run.counters["beyond_horizon"] for run in engine.observers[0].runs.values()]
    engine.finish(START + 4 * DAY)
    assert engine.values["level", ()].value == 16
    assert letters == 5  # what the first frame brought was old as well


def test_a_million_movements_of_one_key_leave_a_handful_of_entries() -> None:
    """Older ones are kept in sum (here: five thousand, hour by hour)."""
    engine = Engine(catalogue_of(Opening.EACH, DAY), 1)
    engine.frame(START, [moved(Entry("k0", START, "opening", 10), 0)])
    for hour in range(1, 50):
        now = START + hour * HOUR
        entries = [Entry("k0", now - number * MINUTE // 2, "receipt", 1) for number in range(100)]
        engine.frame(now, [moved(one, hour * 1000 + number) for number, one in enumerate(entries)])
    engine.mark(Kind.TICK, START + 10 * DAY)
    engine.finish(START + 10 * DAY)
    balances = engine.observers[0].runs["default", "history"].cases["stock"].balances["on_hand"]
    assert len(balances) == 2
    assert engine.values["level", ()].value == 4910
