"""Duplicates against a dict of when each identity was seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.dedupe import BUCKET_MS, HORIZON_MS, Dedupe

batches = st.lists(
    st.tuples(st.integers(0, 20 * 60_000), st.lists(st.integers(0, 30), max_size=30)), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(batches)
def test_within_an_hour_every_identity_is_fresh_once(told: list[tuple[int, list[int]]]) -> None:
    """Seen in a bucket that began at most an hour and a quarter ago: a duplicate; also within one batch."""
    dedupe, seen, now = Dedupe(), dict[int, int](), 0
    for later, identities in told:
        now += later
        seen = {one: at for one, at in seen.items() if at + BUCKET_MS + HORIZON_MS > now}
        expected = []
        for one in identities:
            expected.append(one not in seen)
            seen.setdefault(one, now - now % BUCKET_MS)
        assert dedupe.fresh(np.array(identities, np.uint64), now).tolist() == expected
        copy = Dedupe()
        copy.load(*dedupe.arrays())
        dedupe = copy


def test_memory_is_bounded_by_a_number_of_identities() -> None:
    """Beyond it the oldest go, however young they are; what is left is recognised."""
    dedupe = Dedupe(most=4_000)
    for start in range(0, 20_000, 500):
        assert dedupe.fresh(np.arange(start, start + 500, dtype=np.uint64), 0).all()
        assert len(dedupe) <= 4_500
    assert not dedupe.fresh(np.arange(18_000, 20_000, dtype=np.uint64), 0).any()
    assert dedupe.fresh(np.arange(100, dtype=np.uint64), 0).all()


def test_the_horizon_is_told() -> None:
    """From which engine time on duplicates are recognised: None before the first event."""
    dedupe = Dedupe()
    assert dedupe.since is None
    dedupe.fresh(np.array([1], np.uint64), 10 * BUCKET_MS + 1)
    assert dedupe.since == 10 * BUCKET_MS
