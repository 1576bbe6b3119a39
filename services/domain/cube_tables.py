"""The cells of one cube as JUDGE holds them: the latest of each source partition, and their sum.

Partials are cumulative. A batch of them is laid over what each source partition had said before; the difference is
added to the sum and handed on, so that what follows (windows, slots) costs what has changed, not what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain import scopes
from services.domain.aggregates import COLUMNS, Aggregates, Arrays
from services.domain.cells import floor_behind
from services.domain.groups import ScopeGroups, Texts
from services.domain.index import Index, pair
from services.domain.partials import CubeCells, SketchCells
from services.domain.program import BASE, Cube
from services.domain.rows import Codes, Mask, Numbers, Strings
from services.domain.sketches import Sketch
from services.domain.tables import MONOTONE, Table, grown

_PANE_BITS = 28
_SOURCE_BITS = 12
_FLUSH_CELLS = 100_000
_NO_CAP = 2**31  # OBSERVE has bounded them


class Scopes:
    """The full scopes of a cube, numbered as they come, and their groups."""

    def __init__(self, dimensions: Texts, strings: Strings) -> None:
        self.dimensions = dimensions
        self.texts: list[Texts] = []
        self._strings = strings
        self._numbers = scopes.Scopes(dimensions, self._strings, cap=_NO_CAP)
        self._groups: dict[tuple[Texts, ...], ScopeGroups] = {}

    def admit(self, texts: Sequence[Texts]) -> Numbers:
        """The numbers of some scopes, given now to those that are new."""
        codes = [[self._strings.code(text) for text in scope] for scope in texts]
        return self._find(np.array(codes, np.int32).reshape(len(texts), len(self.dimensions)))

    def numbers(self, codes: Codes, strings: Sequence[str]) -> Numbers:
        """The numbers of scopes of shape (n, dimensions), as codes into ``strings``; new ones are added."""
        own = np.array([*(self._strings.code(text) for text in strings), self._strings.code("")], np.int32)
        return self._find(own[codes])

    def groups(self, groupings: tuple[Texts, ...]) -> ScopeGroups:
        """Scopes by ``groupings``; one object however often it is asked for."""
        found = self._groups.get(groupings)
        if found is None:
            found = self._groups[groupings] = ScopeGroups(groupings, self.dimensions, self._strings)
            found.add(self.texts)
        return found

    def _find(self, codes: Codes) -> Numbers:
        found = self._numbers.find(codes)
        fresh = [
            tuple(self._strings.texts[code] for code in row)
            for row in self._numbers.codes[len(self.texts) :].tolist()
        ]
        if fresh:
            self.texts += fresh
            for groups in self._groups.values():
                groups.add(fresh)
        return found


@dataclass(frozen=True, slots=True)
class Delta:
    """By how much the sum grew: per changed cell its row (-1: it is no more), scope and pane, and per measure what to
    combine.

    ``carried`` marks cells that went to BASE, which is no change of what happened in them.
    """

    cell: Numbers
    scope: Numbers
    pane: Numbers
    carried: Mask
    parts: Mapping[str, Aggregates]
    _touched: dict[Texts, Mask] = field(default_factory=dict)

    def touches(self, measures: Texts) -> Mask:
        """The cells in which one of ``measures`` changed; several KPIs ask the same."""
        touched = self._touched.get(measures)
        if touched is None:
            touched = self._touched[measures] = self._touches(measures)
        return touched

    def _touches(self, measures: Texts) -> Mask:
        touched = np.zeros(self.scope.size, np.bool_)
        for measure in measures:
            given = self.parts.get(measure)
            if given is not None:
                for name in ("n", "sum"):
                    if name in given.columns:
                        touched |= given.columns[name] != 0
                touched[given.sketch.group] = True
        return touched


@dataclass(slots=True)
class _Queued:
    """Cells that wait to be laid over what is known."""

    source: int
    scope: Numbers
    cells: CubeCells
    erased: bool = False
    """They hold nothing any more, nor do their sketches."""


@dataclass(slots=True)
class _Queue:
    items: list[_Queued] = field(default_factory=list)
    cells: int = 0


class CubeTable:
    """All cells of a cube in one run. ``strings`` may be shared with others; ``moves`` counts how often cells have got
    other rows.
    """

    def __init__(self, cube: Cube, strings: Strings) -> None:
        self.cube = cube
        self.scopes = Scopes(cube.dimensions, strings)
        aggs = {measure.id: measure.agg for measure in cube.measures}
        self.merged = Table(aggs)
        self.scope = np.empty(0, np.int64)
        self.pane = np.empty(0, np.int64)
        self._panes = Index()
        self._cells = Index()
        self._told = Table(aggs)
        self._told_cells = Index()
        self._queue = _Queue()
        self._deltas: list[Delta] = []
        self._floor = BASE
        self._carried = np.empty(0, np.int64)  # 1 where a told cell has gone to BASE
        self.moves = 0

    @property
    def floor(self) -> int:
        """The first pane that can still change."""
        return self._floor

    def take(self, source: int, cells: CubeCells, strings: Sequence[str]) -> None:
        """Queue the cells of a partial of ``source``."""
        gone = (cells.pane < self._floor) & (cells.pane != BASE)
        if gone.any() and (cells.carried or not self.cube.carry):
            cells = _without(cells, gone)
        if not cells.pane.size:
            return
        numbers = self.scopes.numbers(cells.scopes, strings)
        scope = numbers[cells.scope]
        if cells.carried:
            self._carry(source, scope, cells)
        else:
            self._enqueue(_Queued(source, scope, cells))

    def _enqueue(self, item: _Queued) -> None:
        queue = self._queue
        if queue.items and list(queue.items[-1].cells.columns) != list(item.cells.columns):
            self._lay()
        self._queue.items.append(item)
        self._queue.cells += item.scope.size
        if self._queue.cells > _FLUSH_CELLS:
            self._lay()

    def _carry(self, source: int, scope: Numbers, cells: CubeCells) -> None:
        """Note what cells held last, then that they hold nothing any more; once in a cell's life."""
        self._lay()
        told = self._rows(scope, cells.pane.astype(np.int64), np.full(scope.size, source))[1]
        self._carried = grown(self._carried, self._told.size)
        again = self._carried[told] != 0
        self._carried[told] = 1
        if again.all():
            return
        cells = replace(_without(cells, again), carried=False)
        self._enqueue(_Queued(source, scope[~again], cells))
        self._lay()
        columns = {
            (measure, name): np.full_like(column, _neutral(name))
            for (measure, name), column in cells.columns.items()
        }
        nothing = replace(cells, columns=columns, sketches={}, carried=True)
        self._enqueue(_Queued(source, scope[~again], nothing, erased=True))

    def clear(self, source: int, named: Iterable[tuple[CubeCells, Sequence[str]]], watermark: int) -> None:
        """Let go of what ``source`` has told of cells other than those ``named`` (with the strings of their scopes),
        as far as it still holds such panes at its ``watermark``.
        """
        self._lay()
        size = self._told.size
        keys = self._told_cells.keys()
        gone = (keys & np.uint64((1 << _SOURCE_BITS) - 1)).view(np.int64) == source
        for cells, strings in named:
            scope = self.scopes.numbers(cells.scopes, strings)[cells.scope]
            told = self._rows(scope, cells.pane.astype(np.int64), np.full(scope.size, source))[1]
            gone[told[told < size]] = False
        rows = (keys >> np.uint64(_SOURCE_BITS)).view(np.int64)
        pane = self.pane[rows]
        gone &= (pane != BASE) & (pane >= floor_behind(self.cube, watermark)) & ~self._empty(size)
        if not gone.any():
            return
        scope, pane = self.scope[rows[gone]], pane[gone]
        columns = {
            (measure, name): np.full(scope.size, _neutral(name))
            for measure, held in self._told.columns.items()
            for name in held
        }
        nowhere = np.empty((0, len(self.cube.dimensions)), np.int32)
        nothing = CubeCells(self.cube.id, nowhere, scope, pane, columns)
        self._enqueue(_Queued(source, scope, nothing, erased=True))

    def _empty(self, size: int) -> Mask:
        """Which of the first ``size`` told cells hold nothing."""
        empty = np.ones(size, np.bool_)
        for columns in self._told.columns.values():
            for name in ("n", "sum"):
                if name in columns:
                    empty &= columns[name][:size] == 0
        return empty

    def deltas(self) -> list[Delta]:
        """What has changed since this was last asked."""
        self._lay()
        deltas, self._deltas = self._deltas, []
        return deltas

    def between(self, low: int, high: int) -> Numbers:
        """The rows of cells whose pane starts in [low, high)."""
        pane = self.pane[: self.merged.size]
        return np.flatnonzero((pane >= low) & (pane < high))

    def evict(self, watermark: int) -> bool:
        """Forget what the sources have let go of at ``watermark``, the lowest of theirs; whether there was any."""
        floor = int(floor_behind(self.cube, watermark))
        if floor <= self._floor:
            return False
        self._lay()
        self._floor = floor
        pane = self.pane[: self.merged.size]
        gone = (pane < floor) & (pane != BASE)
        if self.cube.carry:
            gone &= self._nothing()
        if gone.any():
            self._keep(~gone)
        return bool(gone.any())

    def live_scopes(self) -> Mask:
        """Per full scope whether any cell is left."""
        alive = np.zeros(len(self.scopes.texts), np.bool_)
        alive[self.scope[: self.merged.size]] = True
        return alive

    def totals(self, measure: str) -> Aggregates:
        """Per full scope everything there is."""
        table = Table({measure: self.merged.aggs[measure]})
        table.grow(len(self.scopes.texts))
        rows = np.arange(self.merged.size)
        table.combine(measure, self.scope[rows], self.merged.pick(measure, rows))
        return table.pick(measure, np.arange(table.size))

    def adopt(self, old: CubeTable) -> None:
        """Take over what ``old`` knew of the measures that both have; for a change of the catalogue."""
        meta, arrays = old.snapshot()
        fresh = Table(self._told.aggs)
        fresh.grow(meta["told"])
        self.load(meta, {**{f"told/{name}": array for name, array in fresh.arrays().items()}, **arrays})

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of the state as ``load`` takes it; the sum is recomputed."""
        self._lay()
        rows = self.merged.size
        meta = {"told": self._told.size, "scopes": list(self.scopes.texts), "floor": self._floor}
        arrays = {f"told/{name}": array for name, array in self._told.arrays().items()}
        arrays |= {
            "scope": self.scope[:rows].copy(),
            "pane": self.pane[:rows].copy(),
            "sources": self._told_cells.keys().copy(),
            "carried": grown(self._carried, self._told.size)[: self._told.size].copy(),
        }
        return meta, arrays

    def load(self, meta: Mapping[str, Any], arrays: Arrays) -> None:
        """Become what ``snapshot`` gave; of other measures nothing is known."""
        self.scopes.admit(meta["scopes"])
        self._floor = meta["floor"]
        self.scope, self.pane = arrays["scope"].copy(), arrays["pane"].copy()
        ids, _ = self._panes.upsert(self.pane.view(np.uint64))
        self._cells = Index(pair(self.scope, ids, _PANE_BITS))
        self._told_cells = Index(arrays["sources"])
        self._carried = arrays["carried"].copy()
        names = {
            name.removeprefix("told/"): array for name, array in arrays.items() if name.startswith("told/")
        }
        self._told.load(meta["told"], names)
        self._sum()

    def _lay(self) -> None:
        """Lay the queued cells over what is known, and note the difference."""
        items, self._queue = self._queue.items, _Queue()
        items = [item for item in items if item.scope.size]
        if not items:
            return
        scope = np.concatenate([item.scope for item in items])
        pane = np.concatenate([item.cells.pane for item in items]).astype(np.int64)
        source = np.concatenate([np.full(item.scope.size, item.source) for item in items])
        carried = np.concatenate([np.full(item.scope.size, item.cells.carried) for item in items])
        erased = np.concatenate([np.full(item.scope.size, item.erased) for item in items])
        rows, told = self._rows(scope, pane, source)
        # Of several versions of a cell the last one counts; what comes too late for this table counts no more.
        last = np.empty(self._told.size, np.int64)
        last[told] = np.arange(told.size)
        kept = np.flatnonzero(last[told] == np.arange(told.size))
        place = np.full(self._told.size, -1)
        place[told[kept]] = np.arange(kept.size)
        parts = {}
        for measure in self.cube.measures:
            if all((measure.id, "n") in item.cells.columns for item in items):
                given = self._difference(measure.id, items, told, kept, place)
                if erased.any() and measure.id in self._told.entries:
                    given = self._erase(measure.id, given, told[kept[erased[kept]]], place)
                self.merged.combine(measure.id, rows[kept], given)
                parts[measure.id] = given
        self._deltas.append(Delta(rows[kept], scope[kept], pane[kept], carried[kept], parts))

    def _rows(self, scope: Numbers, pane: Numbers, source: Numbers) -> tuple[Numbers, Numbers]:
        """The rows of cells in the sum and in what was told; made now where they are new."""
        ids, _ = self._panes.upsert(pane.view(np.uint64))
        found, before = self._cells.upsert(pair(scope, ids, _PANE_BITS))
        rows = found.astype(np.int64)
        size = len(self._cells)
        self.merged.grow(size)
        self.scope, self.pane = grown(self.scope, size), grown(self.pane, size)
        if size > before:
            self.scope[rows], self.pane[rows] = scope, pane
        found, _ = self._told_cells.upsert(pair(rows, source, _SOURCE_BITS))
        self._told.grow(len(self._told_cells))
        return rows, found.astype(np.int64)

    def _difference(
        self, measure: str, items: Sequence[_Queued], told: Numbers, kept: Numbers, place: Numbers
    ) -> Aggregates:
        """What changes a measure from what was told of cells ``told[kept]`` to what is told now."""
        agg = self.merged.aggs[measure]
        known, at = self._told.columns[measure], told[kept]
        fresh = {
            column.name: np.concatenate([item.cells.columns[measure, column.name] for item in items])[kept]
            for column in COLUMNS[agg]
        }
        growth = {name: column - known[name][at] for name, column in fresh.items() if name in ("n", "sum")}
        if agg in MONOTONE:
            nothing = fresh["n"] == 0
            for column in COLUMNS[agg][1:]:
                fresh[column.name][nothing] = column.neutral
            growth = {**fresh, **growth}
        for name, values in fresh.items():
            known[name][at] = values
        if measure not in self._told.entries:
            return Aggregates(agg, growth)
        return Aggregates(agg, growth, self._sketch(measure, items, told, place))

    def _sketch(self, measure: str, items: Sequence[_Queued], told: Numbers, place: Numbers) -> Sketch:
        cell, bucket, count, start = [], [], [], 0
        for item in items:
            sketch = item.cells.sketches.get(measure)
            if sketch is not None:
                cell.append(sketch.cell.astype(np.int64) + start)
                bucket.append(sketch.bucket)
                count.append(sketch.count)
            start += item.scope.size
        if not cell:
            return Sketch(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))
        rows = told[np.concatenate(cell)]
        buckets, counts = np.concatenate(bucket), np.concatenate(count)
        if len(items) > 1:
            last = _last_of_each(pair(rows, buckets, 18))
            rows, buckets, counts = rows[last], buckets[last], counts[last]
        return Sketch(place[rows], buckets, self._told.entries[measure].put(rows, buckets, counts))

    def _erase(self, measure: str, given: Aggregates, rows: Numbers, place: Numbers) -> Aggregates:
        """Take back the sketches of carried cells: they are told as cells of nothing, without their entries."""
        entries = self._told.entries[measure]
        row, bucket, count = entries.rows()
        hit = np.flatnonzero(np.isin(row, rows) & (count != 0))
        group = np.concatenate([given.sketch.group, place[row[hit]]])
        sketch = Sketch(
            group,
            np.concatenate([given.sketch.bucket, bucket[hit]]),
            np.concatenate([given.sketch.count, -count[hit]]),
        )
        entries.count[hit] = 0
        return Aggregates(given.agg, given.columns, sketch)

    def _nothing(self) -> Mask:
        nothing = np.ones(self.merged.size, np.bool_)
        for columns in self.merged.columns.values():
            for name in ("n", "sum"):
                if name in columns:
                    nothing &= columns[name][: self.merged.size] == 0
        return nothing

    def _keep(self, kept: Mask) -> None:
        rows = self.merged.size
        moved = self.merged.keep(kept)
        self.moves += 1
        self._deltas = [replace(delta, cell=moved[delta.cell]) for delta in self._deltas]
        self.scope, self.pane = self.scope[:rows][kept], self.pane[:rows][kept]
        self._cells.keep(kept)
        keys = self._told_cells.keys()
        to = moved[(keys >> np.uint64(_SOURCE_BITS)).view(np.int64)]
        source = keys & np.uint64((1 << _SOURCE_BITS) - 1)
        self._carried = grown(self._carried, self._told.size)[: self._told.size][to >= 0]
        self._told.keep(to >= 0)
        self._told_cells = Index(pair(to[to >= 0], source[to >= 0], _SOURCE_BITS))

    def _sum(self) -> None:
        """Recompute the sum from what each source has told."""
        self.merged = Table(self.merged.aggs)
        self.merged.grow(self.scope.size)
        rows = (self._told_cells.keys() >> np.uint64(_SOURCE_BITS)).view(np.int64)
        for measure in self.merged.aggs:
            self.merged.combine(measure, rows, self._told.pick(measure, np.arange(rows.size)))


def _neutral(column: str) -> int:
    return next(one.neutral for columns in COLUMNS.values() for one in columns if one.name == column)


def _last_of_each(keys: NDArray[np.uint64]) -> Numbers:
    """The index of the last occurrence of each key."""
    _, first = np.unique(keys[::-1], return_index=True)
    last: Numbers = np.sort(keys.size - 1 - first)
    return last


def _without(cells: CubeCells, gone: Mask) -> CubeCells:
    """The cells that are not ``gone``: nobody knows any more what they would change."""
    kept = ~gone
    place = np.cumsum(kept) - 1
    sketches = {}
    for measure, sketch in cells.sketches.items():
        left = kept[sketch.cell]
        to = place[sketch.cell[left]].astype(np.int32)
        sketches[measure] = SketchCells(to, sketch.bucket[left], sketch.count[left])
    columns = {name: column[kept] for name, column in cells.columns.items()}
    return replace(cells, scope=cells.scope[kept], pane=cells.pane[kept], columns=columns, sketches=sketches)
