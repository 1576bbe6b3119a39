"""A list of ids against those that are here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.reconciling import Listed, compare

ids = st.lists(st.text("abc", min_size=1, max_size=3), max_size=30)


@given(ids, st.lists(ids, max_size=5), st.integers(0, 10))
async def test_what_differs_is_what_differs_between_sets(
    listed: list[str], here: list[list[str]], limit: int
) -> None:
    """However they come, and however often; at most so many are named, all are counted."""

    async def batches() -> AsyncIterator[Sequence[str]]:
        for batch in here:
            yield batch

    found = await compare(Listed(listed), listed, batches(), limit)
    events = [one for batch in here for one in batch]
    missing, surplus = set(listed) - set(events), set(events) - set(listed)
    assert (found.listed, found.here) == (len(set(listed)), len(events))
    assert found.missing_count == len(missing)
    assert found.surplus_count == len(surplus)
    assert set(found.missing) <= missing
    assert len(found.missing) == len(set(found.missing)) == min(limit, len(missing))
    assert set(found.surplus) <= surplus
    assert len(found.surplus) == min(limit, len(surplus))
