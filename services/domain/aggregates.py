"""What an aggregate keeps, how two of them become one, and what number comes out.

Every aggregate is a few columns (and for percentile and distinct a sketch) with one operation: *combine*. A row is
lifted to the aggregate of itself; cells, partitions, panes, scopes and stored windows all merge by the same
operation, so the order never matters. Values are int64 fixed point until ``values``.

Rows may be taken back (weight -1). Counts, sums and sketches follow; a minimum, maximum or last value cannot and
keeps what it saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Agg
from services.domain.columns import pack, unpack
from services.domain.rows import Codes, Hashes, Numbers
from services.domain.sketches import (
    Sketch,
    consolidate,
    distinct,
    hash_buckets,
    percentiles,
    value_buckets,
)

Arrays = Mapping[str, NDArray[Any]]

_LOWEST = int(np.iinfo(np.int64).min)
_HIGHEST = int(np.iinfo(np.int64).max)


class Column(NamedTuple):
    """A column of an aggregate: its type, and the value that changes nothing when combined."""

    name: str
    dtype: type[np.int64 | np.uint64]
    neutral: int


_N = Column("n", np.int64, 0)
_SUM = Column("sum", np.int64, 0)
COLUMNS: Mapping[Agg, tuple[Column, ...]] = {
    Agg.COUNT: (_N,),
    Agg.SUM: (_N, _SUM),
    Agg.AVG: (_N, _SUM),
    Agg.MIN: (_N, Column("min", np.int64, _HIGHEST)),
    Agg.MAX: (_N, Column("max", np.int64, _LOWEST)),
    Agg.LAST: (
        _N,
        Column("time", np.int64, _LOWEST),
        Column("identity", np.uint64, 0),
        Column("value", np.int64, 0),
    ),
    Agg.DISTINCT: (_N,),
    Agg.PERCENTILE: (_N,),
}
"""The columns of each aggregate; ``n``, the number of samples, comes first."""

SKETCHED = frozenset({Agg.DISTINCT, Agg.PERCENTILE})

_NO_SKETCH = Sketch(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Aggregates:
    """``size`` aggregates of one kind side by side: a cell's, a scope's, a window's.

    ``columns`` as in ``COLUMNS``, each with ``size`` elements; groups of ``sketch`` are 0 … size - 1.
    """

    agg: Agg
    columns: Arrays
    sketch: Sketch = field(default=_NO_SKETCH)

    @property
    def size(self) -> int:
        """How many."""
        return int(self.columns["n"].size)

    @property
    def samples(self) -> Numbers:
        """What each was computed from."""
        samples: Numbers = self.columns["n"]
        return samples


def empty(agg: Agg, size: int) -> dict[str, NDArray[Any]]:
    """Columns of ``size`` aggregates of nothing."""
    return {column.name: np.full(size, column.neutral, column.dtype) for column in COLUMNS[agg]}


def lift(
    agg: Agg, values: Numbers | None, time: Numbers, identity: Hashes, weight: Numbers | None
) -> dict[str, NDArray[Any]]:
    """Each row as the aggregate of itself (its columns). ``values`` may be None where the agg needs none."""
    n = np.ones(time.size, np.int64) if weight is None else weight
    if values is None or agg in (Agg.COUNT, Agg.DISTINCT, Agg.PERCENTILE):
        return {"n": n}
    if agg in (Agg.SUM, Agg.AVG):
        return {"n": n, "sum": values if weight is None else values * weight}
    added = np.True_ if weight is None else weight > 0
    if agg is Agg.MIN:
        return {"n": n, "min": np.where(added, values, _HIGHEST)}
    if agg is Agg.MAX:
        return {"n": n, "max": np.where(added, values, _LOWEST)}
    return {"n": n, "time": np.where(added, time, _LOWEST), "identity": identity, "value": values}


def buckets(agg: Agg, values: Numbers | None, hashes: Hashes | None) -> Codes:
    """The sketch bucket of each row, for the aggs in ``SKETCHED``."""
    if agg is Agg.PERCENTILE and values is not None:
        return value_buckets(values)
    if hashes is None:
        raise TypeError(f"{agg} has no buckets for these rows")
    return hash_buckets(hashes)


def combine(agg: Agg, into: Arrays, at: NDArray[np.int64], other: Arrays) -> None:
    """Combine aggregate i of ``other`` into aggregate ``at[i]`` of ``into``, in place; ``at`` may repeat."""
    np.add.at(into["n"], at, other["n"])
    if agg in (Agg.SUM, Agg.AVG):
        np.add.at(into["sum"], at, other["sum"])
    elif agg is Agg.MIN:
        np.minimum.at(into["min"], at, other["min"])
    elif agg is Agg.MAX:
        np.maximum.at(into["max"], at, other["max"])
    elif agg is Agg.LAST:
        _latest(into, at, other)


def _latest(into: Arrays, at: NDArray[np.int64], other: Arrays) -> None:
    """By (time, identity); of what remains equal the highest value, so that no order decides."""
    order = np.lexsort((other["value"], other["identity"], other["time"], at))
    chosen = order[np.concatenate([at[order][1:] != at[order][:-1], np.ones(min(1, at.size), np.bool_)])]
    to = at[chosen]
    names = ("time", "identity", "value")
    (time, identity, value), (time_, identity_, value_) = (
        [other[name][chosen] for name in names],
        [into[name][to] for name in names],
    )
    tie = time == time_
    newer = (time > time_) | (tie & ((identity > identity_) | ((identity == identity_) & (value > value_))))
    for name, column in zip(names, (time, identity, value), strict=True):
        into[name][to[newer]] = column[newer]


def reduce(aggregates: Aggregates, groups: NDArray[np.int64], size: int) -> Aggregates:
    """Combine aggregate i into aggregate ``groups[i]`` of ``size`` new ones; where that is -1 it is left out."""
    kept = groups >= 0
    columns = empty(aggregates.agg, size)
    combine(
        aggregates.agg,
        columns,
        groups[kept],
        {name: column[kept] for name, column in aggregates.columns.items()},
    )
    sketch = aggregates.sketch
    if aggregates.agg in SKETCHED:
        sketch = consolidate(groups[sketch.group], sketch.bucket, sketch.count)
    return Aggregates(aggregates.agg, columns, sketch)


def repeat(given: Aggregates, times: int) -> Aggregates:
    """Each of them so often, one behind the other."""
    columns = {name: np.repeat(column, times) for name, column in given.columns.items()}
    group, bucket, count = given.sketch
    groups = (group[:, None] * times + np.arange(times)).ravel()
    return Aggregates(given.agg, columns, Sketch(groups, np.repeat(bucket, times), np.repeat(count, times)))


def concatenate(parts: Sequence[Aggregates]) -> Aggregates:
    """Several side by side (at least one, of one agg): those of ``parts[0]`` first."""
    starts = np.cumsum([0] + [part.size for part in parts])
    names = parts[0].columns
    return Aggregates(
        parts[0].agg,
        {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        Sketch(
            np.concatenate(
                [part.sketch.group + start for part, start in zip(parts, starts[:-1], strict=True)]
            ),
            np.concatenate([part.sketch.bucket for part in parts]),
            np.concatenate([part.sketch.count for part in parts]),
        ),
    )


def merge(parts: Sequence[Aggregates]) -> Aggregates:
    """The i-th of every part combined, for each i; all parts have the same size."""
    groups = np.tile(np.arange(parts[0].size), len(parts))
    return reduce(concatenate(parts), groups, parts[0].size)


def take(aggregates: Aggregates, at: NDArray[np.int64]) -> Aggregates:
    """Those at the (distinct) indices ``at``, in that order."""
    groups = np.full(aggregates.size, -1)
    groups[at] = np.arange(at.size)
    return reduce(aggregates, groups, at.size)


def values(aggregates: Aggregates, scale: int, percent: float | None = None) -> NDArray[np.float64]:
    """The number of each, in the field's unit (``scale`` decimal digits undone); NaN where there is none.

    Counts, sums and distinct counts of nothing are 0, everything else of nothing is NaN. ``percent`` (0 … 100) says
    which percentile.
    """
    agg, columns, unit = aggregates.agg, aggregates.columns, 10.0**scale
    n = aggregates.samples
    if agg is Agg.COUNT:
        return n.astype(np.float64)
    if agg is Agg.DISTINCT:
        return distinct(aggregates.sketch, aggregates.size)
    if agg is Agg.PERCENTILE:
        return percentiles(aggregates.sketch, aggregates.size, 50.0 if percent is None else percent) / unit
    if agg is Agg.SUM:
        return columns["sum"] / unit
    if agg is Agg.AVG:
        mean = np.full(n.size, np.nan)
        np.divide(columns["sum"], n, out=mean, where=n > 0)
        return mean / unit
    name = "value" if agg is Agg.LAST else agg.value
    return np.where(n > 0, columns[name] / unit, np.nan)


def pack_state(parts: Mapping[str, Aggregates]) -> bytes:
    """Aggregates by role as bytes: what history keeps of a closed window, so that windows can be merged later."""
    arrays: dict[str, NDArray[Any]] = {}
    for role, part in parts.items():
        arrays |= {f"{role}/{name}": column for name, column in part.columns.items()}
        if part.agg in SKETCHED:
            arrays |= {f"{role}/.{name}": column for name, column in part.sketch._asdict().items()}
    return pack({role: part.agg.value for role, part in parts.items()}, arrays)


def unpack_state(data: bytes) -> dict[str, Aggregates]:
    """The inverse of ``pack_state``. Raises ``ValueError`` on foreign bytes."""
    meta, arrays = unpack(data)
    found: dict[str, Aggregates] = {}
    for role, word in meta.items():
        agg = Agg(word)
        columns = {column.name: arrays[f"{role}/{column.name}"] for column in COLUMNS[agg]}
        sketch = _NO_SKETCH
        if agg in SKETCHED:
            sketch = Sketch(arrays[f"{role}/.group"], arrays[f"{role}/.bucket"], arrays[f"{role}/.count"])
        found[role] = Aggregates(agg, columns, sketch)
    return found
