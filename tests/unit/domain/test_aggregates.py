"""Aggregates against lists of what was aggregated."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.aggregates import (
    SKETCHED,
    Aggregates,
    buckets,
    combine,
    concatenate,
    empty,
    lift,
    merge,
    pack_state,
    reduce,
    take,
    unpack_state,
    values,
)
from services.domain.catalogue import Agg
from services.domain.rows import NULL, hash_numbers
from services.domain.sketches import Sketch, bucket_values, consolidate, value_buckets

Row = tuple[int, int, int, int]
rows_of = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-(10**12), 10**12), st.integers(0, 5), st.integers(0, 5)),
    max_size=60,
)


def aggregated(agg: Agg, rows: list[Row], size: int, weight: list[int] | None = None) -> Aggregates:
    """Rows of (group, value, time, identity) folded as a cell table folds them."""
    columns = empty(agg, size)
    at = np.array([row[0] for row in rows], np.int64)
    value = np.array([row[1] for row in rows], np.int64)
    signs = None if weight is None else np.array(weight, np.int64)
    lifted = lift(
        agg,
        value,
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows], np.uint64),
        signs,
    )
    combine(agg, columns, at, lifted)
    if agg not in SKETCHED:
        return Aggregates(agg, columns)
    bucket = buckets(agg, value, hash_numbers(value))
    return Aggregates(agg, columns, consolidate(at, bucket, lifted["n"]))


def expected(agg: Agg, rows: list[Row]) -> float:  # noqa: PLR0911  # one line per aggregate reads best
    numbers = [row[1] for row in rows]
    if agg is Agg.COUNT:
        return len(numbers)
    if agg is Agg.SUM:
        return sum(numbers)
    if agg is Agg.DISTINCT:  # values whose hashes begin alike share a register, and are not told apart
        return len(set(hash_numbers(np.array(numbers, np.int64)) >> np.uint64(52)))
    if not numbers:
        return math.nan
    if agg is Agg.AVG:
        return sum(numbers) / len(numbers)
    if agg is Agg.LAST:
        return max((row[2], row[3], row[1]) for row in rows)[2]
    if agg is Agg.PERCENTILE:
        return sorted(numbers)[max(math.ceil(0.9 * len(numbers)), 1) - 1]
    return min(numbers) if agg is Agg.MIN else max(numbers)


def close(agg: Agg) -> float:
    return {Agg.PERCENTILE: 0.0101, Agg.DISTINCT: 0.01}.get(agg, 1e-12)


@pytest.mark.parametrize("agg", list(Agg))
@settings(max_examples=50, deadline=None)
@given(rows=rows_of, cut=st.integers(0, 60), seed=st.randoms())
def test_any_split_and_order_gives_the_same_number(agg: Agg, rows: list[Row], cut: int, seed: object) -> None:
    """Each group's number is that of the naive model, whether folded at once or in two shuffled halves, merged."""
    whole = aggregated(agg, rows, 4)
    shuffled = list(rows)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random
    halves = merge([aggregated(agg, shuffled[:cut], 4), aggregated(agg, shuffled[cut:], 4)])
    by_group: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_group[row[0]].append(row)
    for told in (whole, halves):
        assert values(told, 0, 90.0) == pytest.approx(
            [expected(agg, by_group[group]) for group in range(4)], rel=close(agg), nan_ok=True
        )
    assert repr(whole) == repr(halves)


@pytest.mark.parametrize("agg", [Agg.COUNT, Agg.SUM, Agg.AVG, Agg.PERCENTILE, Agg.DISTINCT])
@settings(max_examples=50, deadline=None)
@given(rows=rows_of, others=rows_of)
def test_what_is_taken_back_leaves_no_trace(agg: Agg, rows: list[Row], others: list[Row]) -> None:
    """Rows added and taken back change nothing."""
    weight = [1] * (len(rows) + len(others)) + [-1] * len(others)
    assert repr(aggregated(agg, rows + others + others, 4, weight)) == repr(aggregated(agg, rows, 4))


@pytest.mark.parametrize("agg", list(Agg))
@settings(max_examples=50, deadline=None)
@given(rows=rows_of)
def test_panes_merge_into_scopes_and_states_come_back_from_bytes(agg: Agg, rows: list[Row]) -> None:
    """Reducing groups 0 and 2 into one, 1 into another and leaving 3 out is folding just those rows there."""
    whole = unpack_state(pack_state({"value": aggregated(agg, rows, 4)}))["value"]
    reduced = reduce(whole, np.array([0, 1, 0, -1]), 2)
    moved = [({0: 0, 1: 1, 2: 0}[row[0]], *row[1:]) for row in rows if row[0] < 3]
    assert repr(reduced) == repr(aggregated(agg, moved, 2))
    both = concatenate([take(whole, np.array([2])), take(whole, np.array([0]))])
    assert repr(reduce(both, np.array([0, 0]), 1)) == repr(take(reduced, np.array([0])))


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_bucket_tells_its_values_within_one_percent(value: int) -> None:
    """Also the largest, negative ones and zero; below 50 every integer has a bucket of its own."""
    told = float(bucket_values(value_buckets(np.array([value])))[0])
    assert told == pytest.approx(value, rel=0.01)
    if abs(value) < 50:
        assert told == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("count", [0, 1, 100, 3_000, 20_000, 500_000])
def test_distinct_counts_are_within_a_few_percent_at_any_size(count: int) -> None:
    """Standard error is 1.6 %."""
    hashes = hash_numbers(np.arange(count))
    sketch = consolidate(
        np.zeros(count, np.int64), buckets(Agg.DISTINCT, None, hashes), np.ones(count, np.int64)
    )
    n = {"n": np.array([count])}
    assert values(Aggregates(Agg.DISTINCT, n, sketch), 0)[0] == pytest.approx(count, rel=0.04)


def test_numbers_come_in_the_unit_of_the_field() -> None:
    """Two decimal digits are undone; the mean of nothing is no number, the sum of nothing is 0."""
    told = aggregated(Agg.AVG, [(0, 1050, 0, 0), (0, 1051, 0, 0)], 2)
    assert values(told, 2)[0] == pytest.approx(10.505)
    assert math.isnan(values(told, 2)[1])
    assert values(aggregated(Agg.SUM, [], 1), 2).tolist() == [0.0]


def test_nearest_rank_is_not_moved_by_rounding() -> None:
    """Of 100 values the 99th percentile is that of rank 99, the 100th the largest, the 0th the smallest."""
    told = aggregated(Agg.PERCENTILE, [(0, min(value, 49), 0, 0) for value in range(-50, 50)], 1)
    ranks = [round(float(values(told, 0, percent)[0])) for percent in (0.0, 50.0, 60.0, 99.0, 100.0)]
    assert ranks == [-50, -1, 9, 48, 49]


def test_null_hashes_nowhere() -> None:
    """Absent values have hash 0, which callers leave out."""
    assert hash_numbers(np.array([NULL])).tolist() == [0]


def test_consolidating_nothing_gives_nothing() -> None:
    """No entries, no groups, no error."""
    nothing = np.empty(0, np.int64)
    assert consolidate(nothing, nothing.astype(np.int32), nothing).count.size == 0
    assert isinstance(consolidate(nothing, nothing.astype(np.int32), nothing), Sketch)
