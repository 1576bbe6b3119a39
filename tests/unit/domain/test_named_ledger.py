"""Corrections by id that name corrections: whatever the order in which they come, one fact stands."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from services.domain.ledger import FINAL, FIRST, LAST_RANK, Change, Kept, Said
from services.domain.named_ledger import NamedLedger
from services.domain.rows import Columns, Strings

HOUR = 3_600_000
NOW = 1_700_000_000_000
Word = tuple[int, int, int, bool]
"""(own identity, identity that is named, amount, whether it is cancelled)."""

CHAIN: list[Word] = [(1, 1, 50, False), (2, 1, 60, False), (3, 2, 70, False), (4, 3, 80, False)]
CANCELLED: list[Word] = [(1, 1, 50, False), (2, 1, 60, False), (3, 2, 0, True)]


def said(*words: Word, came: int = NOW) -> Said[Columns]:
    own, named, amounts = (np.array([word[at] for word in words]) for at in range(3))
    cancels = np.array([word[3] for word in words])
    n = own.size
    # What is corrected later says an earlier time: it is the chain that decides.
    numbers = {"time": NOW - own * HOUR, "amount": amounts}
    rows = Columns(n, Strings(), numbers, hashes={"identity": own.astype(np.uint64)})
    version = np.where(cancels, FINAL, np.where(own == named, FIRST, numbers["time"]))
    rank = np.where(cancels, np.uint64(LAST_RANK), amounts.astype(np.uint64))
    cases = np.full(n, 9, np.uint64)
    return Said(rows, named.astype(np.uint64), version, rank, cancels, np.full(n, came), cases, primary=True)


def ledger() -> NamedLedger:
    return NamedLedger(Kept(numbers=frozenset({"amount"})), Strings(), 240 * HOUR)


def total(changes: list[Change]) -> int:
    """What was told in sum."""
    found = 0
    for one in changes:
        assert one.told.weight is not None
        found += int((one.told.number("amount") * one.told.weight).sum())
    return found


@pytest.mark.parametrize("words", [CHAIN, CANCELLED])
@pytest.mark.parametrize("at_once", [1, 2])
def test_a_correction_of_a_correction_belongs_to_the_first_event(words: list[Word], at_once: int) -> None:
    """In every order of coming, alone or together, through a restart: the end of the chain stands, once."""
    expected = [] if words[-1][3] else [words[-1][2]]
    for order in permutations(words):
        one, changes = ledger(), list[Change]()
        for start in range(0, len(order), at_once):
            changes.append(one.update(said(*order[start : start + at_once])))
            restored = ledger()
            restored.load(one.arrays())
            one = restored
        assert one.told().number("amount").tolist() == expected, order
        assert total(changes) == sum(expected), order
        gone = sum(change.gone.n for change in changes)
        heard = sum(change.heard.size for change in changes)
        assert heard - gone == len(expected), order


def test_what_names_itself_in_a_circle_is_followed_no_further() -> None:
    """It is no chain; each stays what it is, and nothing hangs."""
    one = ledger()
    change = one.update(said((2, 3, 60, False), (3, 2, 70, False)))
    assert total([change]) == 130


def test_names_are_known_as_long_as_what_they_are_names_of() -> None:
    """A correction that comes long after the one it names finds the first event, as long as somebody spoke of it."""
    one = ledger()
    one.update(said((1, 1, 50, False), (2, 1, 60, False)))
    one.update(said((3, 1, 0, False), came=NOW + 200 * HOUR))
    one.leave(NOW + 300 * HOUR)
    assert total([one.update(said((4, 2, 80, False), came=NOW + 300 * HOUR))]) == 20
    one.leave(NOW + 600 * HOUR)
    assert (len(one), one.arrays()["names"].size) == (0, 0)
