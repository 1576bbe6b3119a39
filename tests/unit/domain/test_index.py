"""The hash table against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.index import Index, pair, unpair
from services.domain.rows import Hashes

few = st.integers(0, 40)
any_key = st.integers(0, 2**64 - 1)
batches = st.lists(st.lists(st.one_of(few, any_key), max_size=200), max_size=6)


def hashes(keys: list[int]) -> Hashes:
    return np.array(keys, np.uint64)


@settings(max_examples=50, deadline=None)
@given(batches)
def test_rows_are_numbered_in_order_of_first_sight(given_batches: list[list[int]]) -> None:
    """Whatever the batches and the repetitions in them, a key keeps the row it got when it first came."""
    index, model = Index(), dict[int, int]()
    for keys in given_batches:
        found = index.find(hashes(keys))
        assert found.tolist() == [model.get(key, -1) for key in keys]
        before = len(model)
        rows, told = index.upsert(hashes(keys))
        assert told == before
        assert rows.tolist() == [model.setdefault(key, len(model)) for key in keys]
        assert len(index) == len(model)
    assert index.keys().tolist() == list(model)


@settings(max_examples=50, deadline=None)
@given(batches, st.randoms())
def test_removed_keys_are_gone_and_the_rest_closes_ranks(
    given_batches: list[list[int]], random: object
) -> None:
    """After a removal the remaining keys are found at the rows that the removal told."""
    keys = list(dict.fromkeys(key for batch in given_batches for key in batch))
    index = Index(hashes(keys))
    kept = np.array([random.random() < 0.5 for _ in keys], np.bool_)  # type: ignore[attr-defined]  # a Random
    moved = index.keep(kept)
    assert moved[-1] == -1
    assert index.find(hashes(keys)).tolist() == moved[:-1].tolist()
    remaining = [key for key, keep in zip(keys, kept, strict=True) if keep]
    assert index.keys().tolist() == remaining
    again, before = index.upsert(hashes(keys))
    assert before == len(remaining)
    assert sorted(again.tolist()) == list(range(len(keys)))


def test_it_grows_over_many_batches() -> None:
    """A hundred thousand keys in batches of a thousand, each with keys seen before."""
    keys = np.random.default_rng(1).permutation(np.arange(100_000, dtype=np.uint64) * np.uint64(977))
    index = Index()
    for start in range(0, keys.size, 1000):
        rows, _ = index.upsert(
            np.concatenate([keys[max(0, start - 500) : start], keys[start : start + 1000]])
        )
        assert rows[-1] == start + 999
    assert (index.find(keys) == np.arange(keys.size)).all()
    assert index.nbytes / len(index) < 40


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**20 - 1)), max_size=20))
def test_pairs_come_back(pairs: list[tuple[int, int]]) -> None:
    """A pair of integers is one key, and no two pairs share one."""
    high = np.array([high for high, _ in pairs], np.int64)
    low = np.array([low for _, low in pairs], np.int64)
    back = unpair(pair(high, low, 20), 20)
    assert back[0].tolist() == high.tolist()
    assert back[1].tolist() == low.tolist()
