from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.importing.sorting import Item, Sorter

times = st.lists(st.integers(-(2**40), 2**45), max_size=60)


@given(times, st.sampled_from([0, 500, 2000, 1 << 20]))
def test_sorting_on_disk_is_sorting(times: list[int], memory: int) -> None:
    """In order of time, then of arrival, whether all of it fits in memory, some or nothing."""
    items = [
        Item(time, order, order % 3, order + 7, f"event {order}".encode()) for order, time in enumerate(times)
    ]
    with Sorter(memory) as sorter:
        for item in items:
            sorter.add(item)
        assert list(sorter) == sorted(items, key=lambda item: item[:2])
