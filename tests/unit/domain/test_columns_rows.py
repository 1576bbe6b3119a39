"""Rows held as arrays."""

from __future__ import annotations

import numpy as np

from services.domain.identity import hash64
from services.domain.rows import NULL, Columns, Strings


def test_what_is_not_held_is_absent() -> None:
    """A name without an array reads as null in every kind."""
    rows = Columns(2, Strings())
    assert rows.number("x").tolist() == [NULL, NULL]
    assert rows.code("x").tolist() == [-1, -1]
    assert rows.flag("x").tolist() == [-1, -1]
    assert rows.hash("x").tolist() == [0, 0]


def test_hashes_follow_from_strings_and_numbers() -> None:
    """Equal values have equal hashes, absent ones 0, and strings that come later are hashed too."""
    strings = Strings()
    codes = np.array([strings.code("a"), -1, strings.code("b"), 0], np.int32)
    rows = Columns(4, strings, {"n": np.array([5, NULL, 6, 5])}, {"s": codes})
    assert rows.hash("s").tolist() == [hash64(b"a"), 0, hash64(b"b"), hash64(b"a")]
    numbers = rows.hash("n").tolist()
    assert numbers[0] == numbers[3] != numbers[2]
    assert numbers[1] == 0
    later = strings.code("c")
    assert strings.hashes()[later] == hash64(b"c")


def test_taking_rows_keeps_all_columns() -> None:
    """Both a mask and indices select the same rows."""
    rows = Columns(3, Strings(["a"]), {"n": np.array([1, 2, 3])}, weight=np.array([1, -1, 1]))
    by_mask = rows.take(np.array([True, False, True]))
    by_index = rows.take(np.array([0, 2]))
    for taken in (by_mask, by_index):
        assert taken.n == 2
        assert taken.number("n").tolist() == [1, 3]
        assert taken.weight is not None
        assert taken.weight.tolist() == [1, 1]
