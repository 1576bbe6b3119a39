"""The ledger: what is said of a key, in any order, and for how long it is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.ledger import FINAL, LAST_RANK, Change, Kept, Ledger, Said
from services.domain.rows import Columns, Strings

HOUR = 3_600_000
NOW = 1_700_000_000_000
KEPT = Kept(numbers=frozenset({"amount"}))


def said(
    *facts: tuple[int, int, int], came: int = NOW, time: int = NOW, withdrawn: bool = False
) -> Said[Columns]:
    """Facts as (key, version, amount)."""
    keys, versions, amounts = (np.array(column, np.int64) for column in zip(*facts, strict=True))
    n = keys.size
    numbers = {"time": np.full(n, time), "amount": amounts}
    rows = Columns(n, Strings(), numbers, hashes={"identity": np.arange(n).astype(np.uint64)})
    rank = np.full(n, LAST_RANK, np.uint64) if withdrawn else amounts.astype(np.uint64)
    return Said(
        rows,
        keys.astype(np.uint64),
        versions,
        rank,
        np.full(n, withdrawn),
        np.full(n, came),
        keys.astype(np.uint64),
        primary=True,
    )


def told(change: Change) -> list[tuple[int, int]]:
    assert change.told.weight is not None
    return list(zip(change.told.number("amount").tolist(), change.told.weight.tolist(), strict=True))


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(KEPT, Strings(), 24 * HOUR)


def test_a_higher_version_takes_back_what_stood(ledger: Ledger) -> None:
    """The old amount is told with weight -1, the new one with +1."""
    assert told(ledger.update(said((1, 1, 50)))) == [(50, 1)]
    assert told(ledger.update(said((1, 2, 70)))) == [(50, -1), (70, 1)]


def test_a_lower_version_that_comes_later_changes_nothing(ledger: Ledger) -> None:
    """The highest version stands, in whatever order they come."""
    ledger.update(said((1, 2, 70)))
    assert told(ledger.update(said((1, 1, 50)))) == []


def test_the_same_version_and_content_again_is_a_duplicate(ledger: Ledger) -> None:
    """Whether it comes in the same batch or in a later one."""
    assert ledger.update(said((1, 1, 50), (1, 1, 50))).duplicates == 1
    again = ledger.update(said((1, 1, 50)))
    assert (told(again), again.duplicates, again.corrections) == ([], 1, 0)


def test_of_equal_versions_the_order_of_coming_does_not_decide(ledger: Ledger) -> None:
    """New content under the same version is a correction; which content stands follows from the contents."""
    other = Ledger(KEPT, Strings(), 24 * HOUR)
    ledger.update(said((1, 1, 50)))
    ledger.update(said((1, 1, 70)))
    other.update(said((1, 1, 70)))
    other.update(said((1, 1, 50)))
    assert ledger.told().number("amount").tolist() == other.told().number("amount").tolist() == [70]


def test_a_withdrawal_that_precedes_its_original_waits_for_it(ledger: Ledger) -> None:
    """The original is then never told."""
    assert told(ledger.update(said((1, FINAL, 0), withdrawn=True))) == []
    assert told(ledger.update(said((1, 1, 50)))) == []


def test_a_withdrawal_takes_back_what_stood(ledger: Ledger) -> None:
    """And nothing stands in its place."""
    ledger.update(said((1, 1, 50)))
    assert told(ledger.update(said((1, FINAL, 0), withdrawn=True))) == [(50, -1)]
    assert ledger.told().n == 0


def test_standing_entries_of_the_same_case_are_named(ledger: Ledger) -> None:
    """So that a case can take another event for a step whose event has gone."""
    first, second = said((1, 1, 50)), said((2, 1, 60))
    ledger.update(first._replace(cases=np.array([9], np.uint64)))
    ledger.update(second._replace(cases=np.array([9], np.uint64)))
    gone = said((1, FINAL, 0), withdrawn=True)._replace(cases=np.array([9], np.uint64))
    change = ledger.update(gone)
    assert change.gone.number("amount").tolist() == [50]
    assert change.standing.number("amount").tolist() == [60]


def old(*facts: tuple[int, int, int], hours: int = 25, withdrawn: bool = False) -> Said[Columns]:
    """What comes ``hours`` later of facts that happened at NOW."""
    return said(*facts, came=NOW + hours * HOUR, time=NOW, withdrawn=withdrawn)


def times(change: Change) -> list[int]:
    """The hours after NOW at which the rows that are told count."""
    return [(time - NOW) // HOUR for time in change.told.number("time").tolist()]


def test_what_is_beyond_the_horizon_counts_when_it_came(ledger: Ledger) -> None:
    """Nobody knows any more what it corrects: it is named, and told at engine time."""
    ledger.update(said((1, 1, 50)))
    ledger.leave(NOW + 24 * HOUR)
    change = ledger.update(old((1, 2, 70)))
    assert (told(change), times(change)) == ([(70, 1)], [25])
    assert change.beyond.tolist() == [0]


def test_what_counts_when_it_came_is_remembered(ledger: Ledger) -> None:
    """A revision takes back what counted when the one before it came, and counts when it comes; the same again is a
    duplicate. They correct what is known, and so are not beyond the horizon.
    """
    ledger.update(old((1, 1, 50)))
    again = ledger.update(old((1, 1, 50), hours=26))
    assert (told(again), again.duplicates, again.beyond.size) == ([], 1, 0)
    change = ledger.update(old((1, 2, 70), hours=27))
    assert (told(change), times(change)) == ([(50, -1), (70, 1)], [25, 27])
    assert (change.corrections, change.beyond.size) == (1, 0)


def test_a_withdrawal_leaves_the_moment_at_which_an_old_fact_counted(ledger: Ledger) -> None:
    """Cases are told when it happened: they are known by that."""
    ledger.update(old((1, 1, 50)))
    change = ledger.update(said((1, FINAL, 0), came=NOW + 30 * HOUR, time=NOW + 30 * HOUR, withdrawn=True))
    assert (told(change), times(change)) == ([(50, -1)], [25])
    assert change.gone.number("time").tolist() == [NOW]


def test_an_old_withdrawal_is_named_and_waits(ledger: Ledger) -> None:
    """What it withdraws may still come; nothing counts."""
    change = ledger.update(old((1, FINAL, 0), withdrawn=True))
    assert (told(change), change.beyond.tolist()) == ([], [0])
    assert told(ledger.update(old((1, 1, 50), hours=26))) == []


def test_a_revision_that_moves_an_old_fact_into_the_horizon_counts_at_its_own_time(ledger: Ledger) -> None:
    """And one that moves it back counts when it comes."""
    ledger.update(old((1, 1, 50)))
    moved = ledger.update(said((1, 2, 60), came=NOW + 26 * HOUR, time=NOW + 20 * HOUR))
    assert (told(moved), times(moved)) == ([(50, -1), (60, 1)], [25, 20])
    back = ledger.update(old((1, 3, 70), hours=27))
    assert (told(back), times(back)) == ([(60, -1), (70, 1)], [20, 27])


def test_how_old_facts_are_batched_makes_no_difference(ledger: Ledger) -> None:
    """Several words of one old fact at once: the first is named, the highest version counts, when it came."""
    change = ledger.update(old((1, 2, 70), (1, 1, 50), (1, 3, 80)))
    assert (told(change), times(change), change.beyond.tolist()) == ([(80, 1)], [25], [0])


def test_an_entry_stays_for_the_horizon_after_the_last_word(ledger: Ledger) -> None:
    """A correction of an old fact finds what it corrects as long as somebody spoke of it."""
    ledger.update(said((1, 1, 50)))
    ledger.update(said((1, 2, 60), came=NOW + 20 * HOUR))
    ledger.leave(NOW + 30 * HOUR)
    change = ledger.update(said((1, 3, 70), came=NOW + 30 * HOUR))
    assert told(change) == [(60, -1), (70, 1)]


def test_a_restored_ledger_goes_on_as_the_one_it_was_taken_from(ledger: Ledger) -> None:
    """Entries, versions and cases."""
    ledger.update(said((1, 1, 50), (2, 1, 60)))
    restored = Ledger(KEPT, Strings(), 24 * HOUR)
    restored.load(ledger.arrays())
    assert told(restored.update(said((1, 2, 70)))) == [(50, -1), (70, 1)]


def test_under_another_catalogue_entries_know_nothing_of_new_columns(ledger: Ledger) -> None:
    """What they are told with later is what they were told with at the change."""
    ledger.update(said((1, 1, 50)))
    wider = Ledger(Kept(numbers=frozenset({"amount", "weight"})), Strings(), 24 * HOUR)
    wider.adopt(ledger)
    change = wider.update(said((1, FINAL, 0), withdrawn=True))
    assert change.told.number("amount").tolist() == [50]
    assert (change.told.number("weight") == np.iinfo(np.int64).min).all()


def test_the_order_of_events_never_decides(ledger: Ledger) -> None:
    """The same words in each of many orders leave the same entries."""
    words = [(key, version, 10 * key + version) for key in range(5) for version in range(4)]
    rng = np.random.default_rng(7)
    expected = None
    for _ in range(20):
        fresh = Ledger(KEPT, Strings(), 24 * HOUR)
        for at in np.array_split(rng.permutation(len(words)), 4):
            fresh.update(said(*(words[place] for place in at.tolist())))
        found = sorted(fresh.told().number("amount").tolist())
        expected = expected or found
        assert found == expected == [3, 13, 23, 33, 43]
