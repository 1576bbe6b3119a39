"""What is left of a case, and since when nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.case_columns import NEVER
from services.domain.quantities import course, terms


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("ordered - short_closed - delivered", {"ordered": 1, "short_closed": -1, "delivered": -1}),
        ("-a+b", {"a": -1, "b": 1}),
        (" a + a ", {"a": 2}),
    ],
)
def test_a_remainder_adds_and_subtracts(source: str, meant: dict[str, int]) -> None:
    """Blanks do not matter."""
    assert terms(source) == meant


@pytest.mark.parametrize("source", ["", "a b", "a * 2", "a -", "max(a, b)", "A - b"])
def test_anything_else_is_no_remainder(source: str) -> None:
    """It is refused, and named."""
    with pytest.raises(ValueError, match="is no sum and difference of quantities"):
        terms(source)


@pytest.mark.parametrize(
    ("moves", "left", "done"),
    [
        ([(1, 10), (2, -4), (3, -6)], [10, -4, -6], 3),
        ([(1, 10), (2, -4)], [10, -4], NEVER),
        ([(1, 10), (2, -10), (3, 5), (4, -5)], [10, -10, 5, -5], 4),
        ([(1, 10), (2, -10), (3, 10)], [10, -10, 10], NEVER),
        ([(1, 10), (2, -15)], [10, -10], 2),
        ([(1, -10), (2, 10)], [0, 0], 2),
        ([(1, -10)], [0], NEVER),
        ([(1, 10), (1, -10), (2, 5), (2, -5)], [10, -10, 5, -5], 1),  # what counts is the end of an instant
        ([], [], NEVER),
    ],
)
def test_it_is_done_from_the_moment_on_at_which_nothing_is_left(
    moves: list[tuple[int, int]], left: list[int], done: int
) -> None:
    """Of something that was asked; what is delivered beyond it is not less than nothing."""
    time, change = (np.array([move[at] for move in moves], np.int64) for at in (0, 1))
    went = course(np.zeros(time.size, np.intp), time, change, change > 0, 1)
    assert (went.left.tolist(), went.done.tolist()) == (left, [done])


def test_cases_do_not_mix() -> None:
    """Each has a course of its own, those without movements as well."""
    case, time = np.array([0, 0, 2, 2]), np.array([1, 2, 1, 2], np.int64)
    change = np.array([3, -3, 5, -1], np.int64)
    went = course(case, time, change, change > 0, 3)
    assert went.left.tolist() == [3, -3, 5, -1]
    assert went.done.tolist() == [2, NEVER, NEVER]
