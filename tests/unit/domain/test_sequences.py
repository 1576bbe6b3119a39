"""Missing numbers: named, healed, the same in whatever order the others come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.domain.sequences import Gap, Sequences

runs = st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def missing(gaps: list[Gap]) -> set[int]:
    """The numbers that gaps name."""
    return {number for gap in gaps for number in range(gap.first, gap.last + 1)}


@given(st.lists(runs, min_size=1, max_size=30))
def test_what_is_missing_is_what_did_not_come_between_the_lowest_and_the_highest(
    heard: list[tuple[int, int]],
) -> None:
    """A naive model that keeps every number says the same after each arrival, in any order."""
    numbers = Sequences()
    seen: set[int] = set()
    for at, (first, last) in enumerate(heard):
        numbers.hear(first, last, 10 * last, at)
        seen |= set(range(first, last + 1))
        gaps = numbers.gaps()
        assert missing(gaps) == set(range(min(seen), max(seen))) - seen
        assert numbers.highest == max(seen)
        # The event before a gap came, and tells up to when the source is complete.
        assert all(gap.first - 1 in seen and gap.after == 10 * (gap.first - 1) for gap in gaps)


@given(st.lists(runs, min_size=1, max_size=30))
def test_a_gap_is_known_since_the_first_arrival_behind_it(heard: list[tuple[int, int]]) -> None:
    """``since`` is when a later number had come and the gap's had not, and does not move while the gap shrinks."""
    numbers = Sequences()
    seen: set[int] = set()
    known: dict[int, int] = {}
    for at, (first, last) in enumerate(heard):
        numbers.hear(first, last, 0, at)
        seen |= set(range(first, last + 1))
        absent = set(range(min(seen), max(seen))) - seen
        known = {number: known.get(number, at) for number in absent}
        for gap in numbers.gaps():
            assert {known[number] for number in range(gap.first, gap.last + 1)} == {gap.since}


@given(st.lists(runs, min_size=1, max_size=30), st.integers(0, 29))
def test_what_was_stored_goes_on_as_if_nothing_had_happened(heard: list[tuple[int, int]], cut: int) -> None:
    """A restart from a snapshot changes nothing."""
    one, other = Sequences(), Sequences()
    for at, (first, last) in enumerate(heard):
        one.hear(first, last, last, at)
        other.hear(first, last, last, at)
        if at == cut:
            other = Sequences.of(other.state())
    assert one.gaps() == other.gaps()


def test_too_many_gaps_give_the_oldest_up_and_say_so() -> None:
    """Memory is bounded: what is given up is counted."""
    numbers = Sequences(most=3)
    for number in (1, 3, 5, 9):
        numbers.hear(number, number, 0, 0)
    assert missing(numbers.gaps()) == {4, 6, 7, 8}
    assert numbers.given_up == 1
