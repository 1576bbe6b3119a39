"""The cells of one cube in one partition: a row per (scope, pane), a few columns per measure.

Rows of feeds are folded in, changed cells are told, and what lies beyond the horizon leaves: into the running cell
of pane ``BASE`` where the cube carries, else for good. The horizon is taken in steps of a sixteenth of itself, at
moments that the log decides, so that leaving is rare and the same in every replay.

A row whose pane has left is folded into cells apart, which amend history and are then forgotten. What is too old for
that counts in the present pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.aggregates import SKETCHED, Aggregates, buckets, combine, empty, lift
from services.domain.catalogue import Agg
from services.domain.cell_keys import BASE_KEY, cell_keys, pane_keys, places
from services.domain.entries import Entries
from services.domain.index import Index
from services.domain.partials import CubeCells, SketchCells
from services.domain.program import BASE, Cube, EventFeed, Measure
from services.domain.rows import Codes, Hashes, Mask, Numbers, Places, Rows
from services.domain.scopes import Scopes
from services.domain.sketches import Sketch, consolidate
from services.domain.snapshots import prefixed, under
from services.domain.told import Told

NEVER = -(2**62)
_UNCUT = 1 << 40
_PANES_AT_HAND = 2

Sketches = dict[str, tuple[NDArray[np.int64], Codes, Numbers]]
"""Entries to be told by measure: (which of the cells told, bucket, count), in order of the cells."""

Samples = Sequence[tuple[Measure, Mask | None]]
"""Measures, each with the rows that are its samples (None: all)."""


class Gone(NamedTuple):
    """Rows whose panes have ``left``; which of them are ``too_old`` to amend history."""

    left: Mask
    too_old: Mask


class CellTable:
    """Cells of ``cube``. ``floor``: panes that start before it have left; ``oldest``: those that start before it are
    too old to amend history.
    """

    def __init__(self, cube: Cube, scopes: Scopes) -> None:
        self.cube = cube
        self.scopes = scopes
        self.floor = self.oldest = NEVER
        self._amending: CellTable | None = None
        self._index = Index()
        self._panes: dict[int, Places] = {}
        self._room = 0
        self._dirty = np.zeros(0, np.bool_)
        self._touched = True
        self._columns: dict[str, dict[str, NDArray[Any]]] = {}
        self._entries: dict[str, Entries] = {}
        self._left = np.empty(0, np.uint64)
        self._last: dict[str, Aggregates] = {}
        self.measure_anew(cube)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Memory held by cells, without their sketches."""
        columns = sum(column.nbytes for held in self._columns.values() for column in held.values())
        return self._index.nbytes + columns

    @property
    def touched(self) -> bool:
        """Whether there may be something to tell."""
        return self._touched

    @property
    def measures(self) -> Iterable[str]:
        """The ids of what is measured."""
        return self._columns

    def measure_anew(self, cube: Cube) -> None:
        """Keep the cells of measures that ``cube`` (of the same id) still has; new ones start from nothing."""
        self.cube = cube
        held, entries = self._columns, self._entries
        self._columns, self._entries = {}, {}
        for measure in cube.measures:
            name = measure.id
            self._columns[name] = held[name] if name in held else empty(measure.agg, self._room)
            if measure.agg in SKETCHED:
                once = measure.agg is Agg.DISTINCT and not measure.revocable
                self._entries[name] = entries[name] if name in entries else Entries(once=once)
        self._names = [(name, column) for name, columns in self._columns.items() for column in columns]
        left = self._left.size
        self._last = {
            measure.id: self._last.get(measure.id, Aggregates(measure.agg, empty(measure.agg, left)))
            for measure in cube.measures
        }
        self._dirty[:] = True
        self._touched = True
        if self._amending is not None:
            self._amending.measure_anew(cube)

    def fold(self, told: Told, measures: Sequence[Measure]) -> None:
        """Fold rows into those of the cube's measures that read their feed."""
        samples = [(measure, told.mask(measure)) for measure in measures if told.rows.n]
        samples = [(measure, mask) for measure, mask in samples if mask is None or np.count_nonzero(mask)]
        if not samples:
            return
        panes, scopes = told.panes(self.cube.pane_ms), told.scopes(self.scopes)
        gone = self._gone(told)
        if gone is None:
            self.put(told.rows, panes, scopes, samples)
        else:
            self._put_late(told, panes, scopes, samples, gone)

    def _gone(self, told: Told) -> Gone | None:
        """The rows whose panes have left; None where there are none."""
        length = self.cube.pane_ms
        if told.earliest - told.earliest % length >= self.floor:
            return None
        time = told.rows.number("time")
        pane = time - time % length
        return Gone(pane < self.floor, pane < self.oldest)

    def _put_late(self, told: Told, panes: Hashes, scopes: Places, samples: Samples, gone: Gone) -> None:
        """Fold rows of which some are of panes that have left: each into its pane here, or in history, or into the
        present pane. What is carried needs its place in history alone.
        """
        if self.cube.carry:
            self.put(told.rows, np.where(gone.left, BASE_KEY, panes), scopes, samples)
        else:
            self.put(told.rows, panes, scopes, _among(samples, ~gone.left))
        self._amend(told.rows, panes, scopes, _among(samples, gone.left & ~gone.too_old))
        if told.present is None:
            return
        now = np.full(panes.size, pane_keys(np.array([told.present]), self.cube.pane_ms)[0])
        old = _among(samples, gone.too_old)
        if self.cube.carry:
            self._amend(told.rows, now, scopes, old)
        else:
            self.put(told.rows, now, scopes, [one for one in old if counts_late(one[0])])

    def _amend(self, rows: Rows, panes: Hashes, scopes: Places, samples: Samples) -> None:
        if samples:
            if self._amending is None:
                self._amending = CellTable(self.cube, self.scopes)
            self._amending.put(rows, panes, scopes, samples)

    def take_amending(self) -> CellTable | None:
        """The cells that amend history, as of now; they are forgotten here."""
        amending, self._amending = self._amending, None
        return amending

    def put(self, rows: Rows, panes: Hashes, scopes: Places, samples: Samples) -> None:
        """Fold the ``samples`` of rows into the cells of these panes (by key) and scopes."""
        if not samples:
            return
        wanted = _union([mask for _, mask in samples])
        if wanted is None:
            cells = self._cells(panes, scopes)
        else:
            at = wanted.nonzero()[0]
            cells = np.full(panes.size, -1)
            cells[at] = self._cells(panes[at], scopes[at])
        for measure, mask in samples:
            self._add(measure, rows, cells, mask)

    def leave(self, watermark: int) -> None:
        """Let go of what the horizon behind ``watermark`` has passed. What it held last is still told once."""
        self.oldest = max(self.oldest, int(oldest_behind(self.cube, watermark)))
        floor = int(floor_behind(self.cube, watermark))
        if floor <= self.floor:
            return
        self.floor = floor
        scopes, panes = self._where(np.arange(len(self)))
        gone = (panes < floor) & (panes != BASE)
        if not gone.any():
            return
        if self.cube.carry:
            self._depart(np.flatnonzero(gone))
            self._carry(np.flatnonzero(gone), scopes[gone])
        else:
            self._depart(np.flatnonzero(gone & self._dirty[: gone.size]))
        kept = np.ones(len(self), np.bool_)
        kept[: gone.size] = ~gone
        self._keep(kept)

    def aggregates(self, measure: Measure, start: int, end: int) -> Aggregates:
        """Per scope, ``measure`` over the panes in [start, end)."""
        scopes, panes = self._where(np.arange(len(self)))
        groups = np.where((panes >= start) & (panes < end), scopes, -1)
        cells = np.flatnonzero(groups >= 0)
        columns = empty(measure.agg, len(self.scopes))
        held = {name: column[cells] for name, column in self._columns[measure.id].items()}
        combine(measure.agg, columns, groups[cells], held)
        if measure.agg not in SKETCHED:
            return Aggregates(measure.agg, columns)
        cell, bucket, count = self._entries[measure.id].all()
        return Aggregates(measure.agg, columns, consolidate(groups[cell], bucket, count))

    def changed(self, limit: int, *, everything: bool = False) -> Iterator[CubeCells]:
        """What changed since this was last asked, in pieces of at most about ``limit`` bytes.

        ``scopes`` of a piece hold codes of the partition's strings. Take all pieces: they then count as told.
        """
        rows = np.arange(len(self)) if everything else self._dirty[: len(self)].nonzero()[0]
        self._dirty[rows] = False
        self._touched = False
        sketches = self._changed_entries(rows, everything=everything) if self._entries else {}
        width = 16 + 8 * len(self._names)
        yield from self._departed(limit, width)
        for start in range(0, rows.size, max(1, limit // width)):
            piece = rows[start : start + max(1, limit // width)]
            columns = {name: self._columns[name[0]][name[1]][piece] for name in self._names}
            yield from _split(
                self._piece(self._index.keys()[piece], columns), start, sketches, max(1, limit // 16)
            )

    def _changed_entries(self, rows: Places, *, everything: bool) -> Sketches:
        """Those of the cells ``rows``."""
        position = np.full(len(self), -1)
        position[rows] = np.arange(rows.size)
        sketches: Sketches = {}
        for name, entries in self._entries.items():
            cell, bucket, count = entries.all() if everything else entries.changed()
            if everything:
                entries.changed()
            at = position[cell]
            order = np.argsort(at, kind="stable")
            sketches[name] = at[order], bucket[order], count[order]
        return sketches

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything, for ``load``."""
        n = len(self)
        arrays = {"keys": self._index.keys().copy(), "left": self._left}
        for name, last in self._last.items():
            arrays |= {f"{name}|left {column}": array for column, array in last.columns.items()}
            arrays |= {f"{name}|left .{part}": array for part, array in last.sketch._asdict().items()}
        for name, columns in self._columns.items():
            arrays |= {f"{name}|{column}": array[:n].copy() for column, array in columns.items()}
        for name, entries in self._entries.items():
            arrays |= {f"{name}|.{part}": array for part, array in entries.arrays().items()}
        meta: dict[str, Any] = {"floor": self.floor, "oldest": self.oldest}
        if self._amending is not None:
            meta["amending"], held = self._amending.arrays()
            arrays |= prefixed("amending", held)
        return meta, arrays

    def load(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Become what ``arrays()`` gave, of a table with the same measures."""
        self.floor, self.oldest = meta["floor"], meta["oldest"]
        if "amending" in meta:
            self._amending = CellTable(self.cube, self.scopes)
            self._amending.load(meta["amending"], under("amending", arrays))
        self._index = Index(arrays["keys"])
        self._panes.clear()
        self._left = arrays["left"]
        for name, last in self._last.items():
            columns = {column: arrays[f"{name}|left {column}"] for column in last.columns}
            sketch = Sketch(*(arrays[f"{name}|left .{part}"] for part in Sketch._fields))
            self._last[name] = Aggregates(last.agg, columns, sketch)
        self._room = len(self)
        self._dirty = np.ones(self._room, np.bool_)
        self._touched = True
        for name, columns in self._columns.items():
            self._columns[name] = {column: np.array(arrays[f"{name}|{column}"]) for column in columns}
        for name, entries in self._entries.items():
            entries.load({part: arrays[f"{name}|.{part}"] for part in ("keys", "counts")})

    def _cells(self, panes: Hashes, scopes: Places) -> Places:
        """The cells of panes (by key) and scopes; new ones are added."""
        if not panes.size or np.count_nonzero(panes != panes[0]):
            return self._rows(cell_keys(panes, scopes))
        near = self._near(int(panes[0]))
        cells = near[scopes]
        missing = (cells < 0).nonzero()[0]
        if missing.size:
            cells[missing] = near[scopes[missing]] = self._rows(cell_keys(panes[missing], scopes[missing]))
        self._dirty[cells] = self._touched = True
        return cells

    def _near(self, pane: int) -> Places:
        """Cells of one pane by scope, as far as they have been looked up: mostly rows are of the newest one."""
        near = self._panes.get(pane)
        if near is None or near.size < len(self.scopes):
            larger = np.full(len(self.scopes) * 3 // 2, -1)
            if near is not None:
                larger[: near.size] = near
            elif len(self._panes) == _PANES_AT_HAND:
                del self._panes[next(iter(self._panes))]
            near = self._panes[pane] = larger
        return near

    def _rows(self, keys: Hashes) -> Places:
        found, _ = self._index.upsert(keys)
        if len(self) > self._room:
            self._grow(max(64, len(self) * 3 // 2))
        rows = found.astype(np.intp)
        self._dirty[rows] = self._touched = True
        return rows

    def _grow(self, room: int) -> None:
        added = room - self._room
        for measure in self.cube.measures:
            columns, more = self._columns[measure.id], empty(measure.agg, added)
            for name, column in columns.items():
                columns[name] = np.concatenate([column, more[name]])
        self._dirty = np.concatenate([self._dirty, np.zeros(added, np.bool_)])
        self._room = room

    def _add(self, measure: Measure, rows: Rows, cells: Places, mask: Mask | None) -> None:
        columns, agg, weight = self._columns[measure.id], measure.agg, rows.weight
        if agg is Agg.COUNT and mask is None:  # most of all: nothing is to be chosen or lifted
            np.add.at(columns["n"], cells, 1 if weight is None else weight)
            return
        at = None if mask is None else mask.nonzero()[0]

        def chosen(array: NDArray[Any]) -> NDArray[Any]:
            return array if at is None else array[at]

        own = chosen(cells)
        values = None
        if measure.field is not None and agg not in (Agg.COUNT, Agg.DISTINCT):
            values = chosen(rows.number(measure.field))
        time, identity = own, _NO_HASHES
        if agg is Agg.LAST:
            time, identity = chosen(rows.number("time")), chosen(rows.hash("identity"))
        lifted = lift(agg, values, time, identity, None if weight is None else chosen(weight))
        combine(agg, columns, own, lifted)
        if agg in SKETCHED:
            hashes = chosen(rows.hash(measure.field)) if agg is Agg.DISTINCT and measure.field else None
            self._entries[measure.id].add(own, buckets(agg, values, hashes), lifted["n"])

    def _where(self, cells: Places) -> tuple[NDArray[np.int64], Numbers]:
        """Scope and pane of each cell."""
        return places(self._index.keys()[cells], self.cube.pane_ms)

    def _carry(self, gone: Places, scopes: NDArray[np.int64]) -> None:
        base = self._rows(cell_keys(np.full(gone.size, BASE_KEY), scopes))
        to = np.full(len(self), -1)
        to[gone] = base
        for measure in self.cube.measures:
            columns = self._columns[measure.id]
            combine(measure.agg, columns, base, {name: column[gone] for name, column in columns.items()})
        for entries in self._entries.values():
            cell, bucket, count = entries.all()
            moving = to[cell] >= 0
            entries.add(to[cell[moving]], bucket[moving], count[moving])

    def _keep(self, kept: Mask) -> None:
        n = kept.size
        moved = self._index.keep(kept)
        self._panes.clear()
        for columns in self._columns.values():
            for name, column in columns.items():
                columns[name] = column[:n][kept]
        self._dirty = self._dirty[:n][kept]
        self._room = len(self)
        for entries in self._entries.values():
            entries.move(moved)

    def _depart(self, cells: Places) -> None:
        """Keep what ``cells`` hold until it has been told."""
        place = np.full(len(self), -1)
        place[cells] = np.arange(cells.size) + self._left.size
        self._left = np.concatenate([self._left, self._index.keys()[cells]])
        self._touched = True
        for measure in self.cube.measures:
            before = self._last[measure.id]
            columns = {
                name: np.concatenate([before.columns[name], column[cells]])
                for name, column in self._columns[measure.id].items()
            }
            sketch = before.sketch
            if measure.agg in SKETCHED:
                cell, bucket, count = self._entries[measure.id].all()
                at = place[cell]
                going = at >= 0
                more = at[going], bucket[going], count[going]
                sketch = Sketch(*(np.concatenate([old, new]) for old, new in zip(sketch, more, strict=True)))
            self._last[measure.id] = Aggregates(measure.agg, columns, sketch)

    def _departed(self, limit: int, width: int) -> Iterator[CubeCells]:
        """Cells that have left since the last time, with what they held last; no cell is cut in two."""
        left, last = self._left, self._last
        if not left.size:
            return
        self._left = np.empty(0, np.uint64)
        self._last = {
            measure.id: Aggregates(measure.agg, empty(measure.agg, 0)) for measure in self.cube.measures
        }
        sketches: Sketches = {}
        sizes = np.full(left.size, width)
        for name in self._entries:
            cell, bucket, count = last[name].sketch
            order = np.argsort(cell, kind="stable")
            sketches[name] = cell[order], bucket[order], count[order]
            sizes += 16 * np.bincount(cell, minlength=left.size)
        bounds = np.flatnonzero(np.diff(np.cumsum(sizes) // limit, prepend=-1))
        for start, end in pairwise([*bounds.tolist(), left.size]):
            columns = {
                (name, column): values[start:end]
                for name, held in last.items()
                for column, values in held.columns.items()
            }
            piece = self._piece(left[start:end], columns)
            for whole in _split(piece, start, sketches, _UNCUT):
                yield replace(whole, carried=self.cube.carry)

    def _piece(self, keys: Hashes, columns: dict[tuple[str, str], NDArray[Any]]) -> CubeCells:
        scopes, panes = places(keys, self.cube.pane_ms)
        there = np.zeros(len(self.scopes), np.bool_)
        there[scopes] = True
        used = there.nonzero()[0]
        number = np.empty(there.size, np.int32)
        number[used] = np.arange(used.size)
        return CubeCells(self.cube.id, self.scopes.codes[used], number[scopes], panes, columns)


def floor_behind(cube: Cube, watermark: int | Numbers) -> int | Numbers:
    """The ``floor`` that ``watermark`` leads to: panes that start before it have left."""
    return _behind(cube.horizon_ms, cube.pane_ms, watermark)


def oldest_behind(cube: Cube, watermark: int | Numbers) -> int | Numbers:
    """The ``oldest`` that ``watermark`` leads to: what counts in panes that start before it amends history no more."""
    return _behind(cube.reach_ms, cube.pane_ms, watermark)


def next_leave(cube: Cube, watermark: int) -> int:
    """The watermark, above this one, at which more panes leave, or become too old."""
    both = (cube.horizon_ms, cube.reach_ms)
    return min(
        int(_behind(each, cube.pane_ms, watermark)) + _step(each, cube.pane_ms) + each for each in both
    )


def counts_late(measure: Measure) -> bool:
    """Whether what is too old for history counts when it comes: events do, unless the last value is asked for. What a
    case contributed long ago only moves between old windows.
    """
    return isinstance(measure.feed, EventFeed) and measure.agg is not Agg.LAST


def _behind(horizon: int, pane: int, watermark: int | Numbers) -> int | Numbers:
    step = _step(horizon, pane)
    return (watermark - horizon) // step * step


def _step(horizon: int, pane: int) -> int:
    return pane * max(1, horizon // pane // 16)


def _among(samples: Samples, chosen: Mask) -> Samples:
    """The samples that are among ``chosen`` rows; measures without any are left out."""
    both = [(measure, chosen if mask is None else mask & chosen) for measure, mask in samples]
    return [(measure, mask) for measure, mask in both if mask.any()]


def _split(piece: CubeCells, start: int, sketches: Sketches, most: int) -> Iterator[CubeCells]:
    """``piece``, whose first cell is number ``start`` of all those told, with its entries: at most ``most`` each."""
    if not sketches:
        yield piece
        return
    here: dict[str, SketchCells] = {}
    held = 0
    for name, (at, bucket, count) in sketches.items():
        low, high = np.searchsorted(at, [start, start + piece.pane.size])
        for first in range(int(low), int(high), most):
            last = min(first + most, int(high))
            if held + last - first > most:
                yield replace(piece, sketches=here)
                here, held = {}, 0
            cell = (at[first:last] - start).astype(np.int32)
            here[name] = SketchCells(cell, bucket[first:last], count[first:last])
            held += last - first
    yield replace(piece, sketches=here)


_NO_HASHES = np.empty(0, np.uint64)


def _union(masks: list[Mask | None]) -> Mask | None:
    union = masks[0]
    for mask in masks:
        if mask is None or union is None:
            return None
        union = union | mask
    return union
