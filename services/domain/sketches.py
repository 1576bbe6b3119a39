"""Percentiles and distinct counts as sparse counts per bucket: adding is merging, in any order, and can be undone.

Percentiles: buckets whose ends are at most 101/99 apart, so that a value is told within 1 % (DDSketch, Masson et al.,
VLDB 2019), over integers: small ones are exact, and no logarithm decides where a value falls. Distinct: HyperLogLog
with 4,096 registers (1.6 % standard error), a bucket per (register, rank); an entry's count says how many values
are there, so that they can be taken back. The estimate is Ertl's (arXiv:1702.01284, algorithm 6).

An entry is (group, bucket, count); a group is whatever is summed up: a cell, a scope.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.index import pair, unpair
from services.domain.rows import Codes, Hashes, Numbers

BUCKET_BITS = 18
"""Every bucket of either sketch is below 2**18."""

_ZERO = 4096
_REGISTERS = 4096
_RANK_BITS = 6
_LOW = 52  # bits of the hash below the register


def _upper_ends() -> Numbers:
    ends, low = [], 1
    while low <= 2**63 - 1:
        ends.append(min(low * 101 // 99, 2**63 - 1))
        low = ends[-1] + 1
    return np.array(ends)


_ENDS = _upper_ends()
_STARTS = np.concatenate([[1], _ENDS[:-1] + 1])
_MIDDLES = 2.0 / (1.0 / _STARTS + 1.0 / _ENDS)


class Sketch(NamedTuple):
    """Entries in order of (group, bucket), each such pair once."""

    group: NDArray[np.int64]
    bucket: Codes
    count: Numbers  # type: ignore[assignment]  # hides tuple.count, which nobody asks of entries


def value_buckets(values: Numbers) -> Codes:
    """The percentile bucket of each value."""
    size = np.searchsorted(_ENDS, np.abs(values)) + 1
    return np.where(values > 0, _ZERO + size, np.where(values < 0, _ZERO - size, _ZERO)).astype(np.int32)


def bucket_values(buckets: Codes) -> NDArray[np.float64]:
    """What stands for the values of each percentile bucket, within 1 % of any of them."""
    size = np.abs(buckets - _ZERO)
    return np.sign(buckets - _ZERO) * np.where(size > 0, _MIDDLES[size - 1], 0.0)


def hash_buckets(hashes: Hashes) -> Codes:
    """The distinct bucket of each hash: register and rank (position of the first 1 among the lower 52 bits)."""
    low = (hashes & np.uint64((1 << _LOW) - 1)).astype(np.float64)  # exact: 52 bits
    rank = _LOW + 1 - np.frexp(low)[1]
    return ((hashes >> np.uint64(_LOW)).astype(np.int32) << _RANK_BITS) | rank.astype(np.int32)


def consolidate(group: NDArray[np.int64], bucket: Codes, count: Numbers) -> Sketch:
    """Sum up entries that share group and bucket; drop those of groups below 0 and those that come to 0."""
    wanted = group >= 0
    keys = pair(group[wanted], bucket[wanted], BUCKET_BITS)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, keys.size), np.bool_), keys[1:] != keys[:-1]]))
    total = np.add.reduceat(count[wanted][order], starts) if starts.size else np.empty(0, np.int64)
    left = total != 0
    groups, buckets = unpair(keys[starts[left]], BUCKET_BITS)
    return Sketch(groups, buckets.astype(np.int32), total[left])


def percentiles(sketch: Sketch, groups: int, percent: float) -> NDArray[np.float64]:
    """The nearest-rank percentile of each of ``groups`` groups (the value of rank ⌈percent/100 · count⌉, at least
    1); NaN where a group is empty.
    """
    count = np.maximum(sketch.count, 0)  # what was taken back may be known before what was added
    total = np.zeros(groups + 1, np.int64)
    np.add.at(total, sketch.group + 1, count)
    filled = np.flatnonzero(total[1:] > 0)
    # Rounding keeps 99 % of 100 at rank 99 although 0.99 · 100 is a hair more in binary.
    rank = np.maximum(np.ceil(np.round(total[1:] * (percent / 100.0), 9)).astype(np.int64), 1)
    before = np.cumsum(total)[:-1]
    at = np.searchsorted(np.cumsum(count), (before + rank)[filled])
    result = np.full(groups, np.nan)
    result[filled] = bucket_values(sketch.bucket[at])
    return result


def distinct(sketch: Sketch, groups: int) -> NDArray[np.float64]:
    """How many different values each of ``groups`` groups has seen, rounded to a whole number."""
    present = sketch.count > 0
    key = pair(sketch.group[present], sketch.bucket[present] >> _RANK_BITS, 12)
    rank = sketch.bucket[present] & ((1 << _RANK_BITS) - 1)
    last = np.concatenate(
        [key[1:] != key[:-1], np.ones(min(1, key.size), np.bool_)]
    )  # the highest rank comes last
    group, _ = unpair(key[last], 12)
    ranks = np.zeros((groups, _LOW + 2))
    np.add.at(ranks, (group, rank[last]), 1.0)
    ranks[:, 0] = _REGISTERS - ranks.sum(axis=1)
    return np.round(_ertl(ranks))


def _ertl(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    m = float(_REGISTERS)
    z = m * _tau(1.0 - ranks[:, -1] / m)
    for rank in range(ranks.shape[1] - 2, 0, -1):
        z = 0.5 * (z + ranks[:, rank])
    empty = ranks[:, 0] == m
    z += m * _sigma(np.where(empty, 0.0, ranks[:, 0] / m))
    estimate = np.full(z.size, m * m / (2.0 * np.log(2.0)))
    np.divide(estimate, z, out=estimate, where=~empty)
    return np.where(empty, 0.0, estimate)


def _sigma(x: NDArray[np.float64]) -> NDArray[np.float64]:
    total, power = x.copy(), 1.0
    while True:
        x = x * x
        grown = total + x * power
        if np.array_equal(grown, total):
            return total
        total, power = grown, power * 2.0


def _tau(x: NDArray[np.float64]) -> NDArray[np.float64]:
    total, power = 1.0 - x, 1.0
    while True:
        x = np.sqrt(x)
        power *= 0.5
        grown = total - (1.0 - x) ** 2 * power
        if np.array_equal(grown, total):
            return total / 3.0
        total = grown
