"""The slots of a KPI's history: the mergeable state of each (full scope, slot), told when the slot closes.

A slot closes when the watermark has passed its end by the allowed lateness (and by the time that it takes to ripen).
What changes a closed slot has it told again, as a restatement. Slots are kept as long as something may still change
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.aggregates import SKETCHED, Aggregates, Arrays, pack_state
from services.domain.catalogue import Kpi
from services.domain.cells import floor_behind
from services.domain.cube_tables import CubeTable, Delta, Scopes
from services.domain.facts import Amendment, ClosedWindow, Scope
from services.domain.index import Index, pair
from services.domain.program import BASE
from services.domain.readings import Part, Reading
from services.domain.rows import Mask, Numbers, Strings
from services.domain.sketches import Sketch
from services.domain.tables import Table, grown
from services.domain.windows import slots

_SLOT_BITS = 28
_NEVER = 2**63 - 1


@dataclass(slots=True)
class _CellSlots:
    """Per row of a cube its slot, -1 where it is not known; void once the cube's rows are others (``moves``)."""

    moves: int = 0
    slot: Numbers = field(default_factory=lambda: np.empty(0, np.int64))


class SlotTable:
    """The slots of one KPI in one run, by full scope."""

    def __init__(self, reading: Reading, cubes: Mapping[str, CubeTable]) -> None:
        """``cubes`` are those that hold the reading's parts; each has all of the KPI's dimensions."""
        self._reading = reading
        self._cubes = cubes
        self._parts: dict[str, list[Part]] = {}
        for part in reading.parts:
            self._parts.setdefault(part.cube, []).append(part)
        self._measures = {cube: tuple(part.measure for part in parts) for cube, parts in self._parts.items()}
        self._scopes = Scopes(reading.kpi.dimensions, Strings())
        self._own = {cube: np.empty(0, np.int64) for cube in self._parts}
        self._of_cell = {cube: _CellSlots() for cube in self._parts}
        self._starts = Index()
        self._slots = Index()
        self._table = Table({part.role: part.agg for part in reading.parts})
        self._scope = np.empty(0, np.int64)
        self._start = np.empty(0, np.int64)
        self._end = np.empty(0, np.int64)
        self._dirty = np.empty(0, np.bool_)
        self._known = np.empty(0, np.bool_)
        self._due = _NEVER

    @staticmethod
    def keeps(reading: Reading, cubes: Mapping[str, CubeTable]) -> bool:
        """Whether there is history of it: every cube has all of the KPI's dimensions."""
        return all(set(reading.kpi.dimensions) <= set(cube.cube.dimensions) for cube in cubes.values())

    @property
    def kpi(self) -> Kpi:
        """Which."""
        return self._reading.kpi

    def add(self, cube: str, deltas: Sequence[Delta]) -> None:
        """Take changes of a cube; what was carried to BASE has not changed any slot."""
        parts = self._parts.get(cube)
        for delta in deltas if parts else ():
            touched = delta.touches(self._measures[cube])
            chosen = (touched & ~delta.carried & (delta.pane != BASE)).nonzero()[0]
            if not chosen.size:
                continue
            rows = np.full(delta.pane.size, -1)
            rows[chosen] = self._slots_of(cube, delta, chosen)
            for part in parts or ():
                given = delta.parts.get(part.measure)
                if given is not None:
                    self._table.combine(part.role, rows, given)
            self._mark(rows[chosen])

    def seed(self) -> None:
        """Start from the cells that the cubes hold; for a KPI that is new in a run.

        What of a level was carried to BASE is its opening balance: it stands in the slot before all others.
        """
        for name, cube in self._cubes.items():
            rows = np.arange(cube.merged.size)
            pane = cube.pane[rows]
            self._seed(name, rows, rows, pane, cube.merged.aggs)
            levels = {part.measure for part in self._parts[name] if part.accumulates}
            base = np.flatnonzero(pane == BASE)
            if levels and base.size:
                opens = int(np.min(pane[pane != BASE], initial=cube.floor)) - 1
                nowhere = np.full(base.size, -1)  # the opening slot is not the one that BASE would be in
                self._seed(name, nowhere, base, np.full(base.size, opens), levels)

    def _seed(self, name: str, cells: Numbers, rows: Numbers, pane: Numbers, measures: Iterable[str]) -> None:
        cube = self._cubes[name]
        parts = {measure: cube.merged.pick(measure, rows) for measure in measures}
        nothing = np.zeros(rows.size, np.bool_)
        self.add(name, [Delta(cells, cube.scope[rows], pane, nothing, parts)])

    def close(self, watermark: int, version: int, budget: int | None = None) -> list[ClosedWindow]:
        """The slots that have closed, and those closed before that have changed, oldest first."""
        if watermark - self.kpi.closes_ms < self._due:
            return []
        size = self._table.size
        closed = self._end[:size] <= watermark - self.kpi.closes_ms
        ready = self._dirty[:size] & closed & (self._known[:size] | ~self._nothing())
        if not ready.any():
            self._find_due()
            return []
        if self._reading.accumulates:
            ready |= self._after(ready) & self._known[:size] & closed
            self._dirty[:size] |= ready  # those that the budget keeps back are due in the next call
        rows = np.flatnonzero(ready)
        rows = rows[np.lexsort((self._scope[rows], self._start[rows]))][:budget]
        self._dirty[rows] = False
        self._known[rows] = True
        self._find_due()
        return self._tell(rows, version)

    def amendments(self) -> list[Amendment]:
        """All that there is, to be merged into what was told elsewhere, oldest first."""
        rows = np.lexsort((self._scope[: self._table.size], self._start[: self._table.size]))
        states = _states(
            {part.role: self._table.pick(part.role, rows) for part in self._reading.parts}, rows.size
        )
        places = zip(
            *(column[rows].tolist() for column in (self._scope, self._start, self._end)), strict=True
        )
        return [
            Amendment(self.kpi.name, self._reading.program.version, self._texts(scope), start, end, state)
            for (scope, start, end), state in zip(places, states, strict=True)
        ]

    def _texts(self, scope: int) -> Scope:
        return dict(zip(self._scopes.dimensions, self._scopes.texts[scope], strict=True))

    def _mark(self, rows: Numbers) -> None:
        """These have changed."""
        self._dirty[rows] = True
        self._due = min(self._due, int(self._end[rows].min()))

    def _find_due(self) -> None:
        """When the first of what has changed closes."""
        size = self._table.size
        self._due = int(self._end[:size][self._dirty[:size]].min(initial=_NEVER))

    def evict(self, time: int) -> None:
        """Forget told slots that nothing can change any more at ``time``: all of their panes have left."""
        size = self._table.size
        floor = min((int(floor_behind(table.cube, time)) for table in self._cubes.values()), default=time)
        gone = (self._end[:size] <= floor) & ~self._dirty[:size]
        if np.count_nonzero(gone) * 8 <= size:
            return  # closing ranks costs as much as there is: not for a few
        kept = ~gone
        self._of_cell = {cube: _CellSlots() for cube in self._parts}
        self._table.keep(kept)
        self._slots.keep(kept)
        for name in ("_scope", "_start", "_end", "_dirty", "_known"):
            setattr(self, name, getattr(self, name)[:size][kept])

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of the state as ``load`` takes it."""
        size = self._table.size
        arrays = {f"slots/{name}": array for name, array in self._table.arrays().items()}
        arrays |= {
            "scope": self._scope[:size].copy(),
            "start": self._start[:size].copy(),
            "end": self._end[:size].copy(),
            "dirty": self._dirty[:size].view(np.uint8).copy(),
            "known": self._known[:size].view(np.uint8).copy(),
        }
        return {"scopes": list(self._scopes.texts), "size": size}, arrays

    def load(self, meta: Mapping[str, Any], arrays: Arrays) -> None:
        """Become what ``snapshot`` gave."""
        self._scopes.admit(meta["scopes"])
        self._scope, self._start, self._end = (arrays[name].copy() for name in ("scope", "start", "end"))
        self._dirty, self._known = (arrays[name].astype(np.bool_) for name in ("dirty", "known"))
        ids, _ = self._starts.upsert(self._start.view(np.uint64))
        self._slots = Index(pair(self._scope, ids, _SLOT_BITS))
        names = {
            name.removeprefix("slots/"): array for name, array in arrays.items() if name.startswith("slots/")
        }
        self._table.load(meta["size"], names)
        self._find_due()

    def _slots_of(self, cube: str, delta: Delta, chosen: Numbers) -> Numbers:
        """The slots of some cells; a cell's is found once."""
        cells, known = delta.cell[chosen], self._of_cell[cube]
        if known.moves != self._cubes[cube].moves:
            known.moves, known.slot = self._cubes[cube].moves, np.empty(0, np.int64)
        known.slot = grown(
            known.slot, self._cubes[cube].merged.size + 1, -1
        )  # the last: of cells that are no more
        found: Numbers = known.slot[cells]
        new = (found < 0).nonzero()[0]
        if new.size:
            scope = self._scopes_of(cube)[delta.scope[chosen[new]]]
            found[new] = known.slot[cells[new]] = self._rows(scope, delta.pane[chosen[new]])
            known.slot[-1] = -1
        return found

    def _scopes_of(self, cube: str) -> Numbers:
        """Full scope of the cube → scope of the KPI."""
        own, texts = self._own[cube], self._cubes[cube].scopes.texts
        if own.size < len(texts):
            full = self._cubes[cube].scopes.dimensions
            at = [full.index(name) for name in self.kpi.dimensions]
            fresh = self._scopes.admit([tuple(one[number] for number in at) for one in texts[own.size :]])
            own = self._own[cube] = np.concatenate([own, fresh])
        return own

    def _rows(self, scope: Numbers, pane: Numbers) -> Numbers:
        start, end = slots(self.kpi.grain, self.kpi.window.timezone, pane)
        ids, _ = self._starts.upsert(start.view(np.uint64))
        found, before = self._slots.upsert(pair(scope, ids, _SLOT_BITS))
        rows = found.astype(np.int64)
        size = len(self._slots)
        if size > before:
            self._table.grow(size)
            for name in ("_scope", "_start", "_end", "_dirty", "_known"):
                setattr(self, name, grown(getattr(self, name), size))
            self._scope[rows], self._start[rows], self._end[rows] = scope, start, end
        return rows

    def _nothing(self) -> Mask:
        nothing = np.ones(self._table.size, np.bool_)
        for columns in self._table.columns.values():
            for name in ("n", "sum"):
                if name in columns:
                    nothing &= columns[name][: self._table.size] == 0
        return nothing

    def _after(self, ready: Mask) -> Mask:
        """The slots after the first ``ready`` one of their scope: a level carries a change on."""
        size = self._table.size
        first = np.full(len(self._scopes.texts), np.iinfo(np.int64).max)
        np.minimum.at(first, self._scope[:size][ready], self._start[:size][ready])
        after: Mask = self._start[:size] > first[self._scope[:size]]
        return after

    def _tell(self, rows: Numbers, version: int) -> list[ClosedWindow]:
        parts = {part.role: self._table.pick(part.role, rows) for part in self._reading.parts}
        read = {
            part.role: self._accumulated(part, rows) if part.accumulates else parts[part.role]
            for part in self._reading.parts
        }
        found = self._reading.read(read)
        states = _states(parts, rows.size)
        kpi = self.kpi
        return [
            ClosedWindow(
                kpi.name,
                self._reading.program.version,
                self._texts(scope),
                start,
                end,
                version,
                None if np.isnan(value) else value,
                samples,
                state,
            )
            for scope, start, end, value, samples, state in zip(
                self._scope[rows].tolist(),
                self._start[rows].tolist(),
                self._end[rows].tolist(),
                found.values.tolist(),
                found.samples.tolist(),
                states,
                strict=True,
            )
        ]

    def _accumulated(self, part: Part, rows: Numbers) -> Aggregates:
        """All that a part has counted up to the end of each slot: what there is, less what came later."""
        size = self._table.size
        totals = self._cubes[part.cube].totals(part.measure)
        scopes = self._scopes_of(part.cube)
        order = np.lexsort((self._start[:size], self._scope[:size]))
        scope = self._scope[:size][order]
        last = np.searchsorted(scope, scope, side="right") - 1
        columns = {}
        for name, column in self._table.columns[part.role].items():
            total = np.zeros(len(self._scopes.texts), np.int64)
            np.add.at(total, scopes[: totals.size], totals.columns[name])
            running = np.cumsum(column[:size][order])
            at_end = np.empty(size, np.int64)
            at_end[order] = total[scope] - (running[last] - running)
            columns[name] = at_end[rows]
        return Aggregates(part.agg, columns)


def _states(parts: Mapping[str, Aggregates], size: int) -> list[bytes]:
    """The packed state of each of ``size`` slots."""
    cuts = {
        role: np.searchsorted(one.sketch.group, np.arange(size + 1)).tolist()
        for role, one in parts.items()
        if one.agg in SKETCHED
    }
    return [
        pack_state({role: _single(one, at, cuts.get(role)) for role, one in parts.items()})
        for at in range(size)
    ]


def _single(given: Aggregates, at: int, cuts: Sequence[int] | None) -> Aggregates:
    columns = {name: column[at : at + 1] for name, column in given.columns.items()}
    if cuts is None:
        return Aggregates(given.agg, columns)
    low, high = cuts[at], cuts[at + 1]
    group = np.zeros(high - low, np.int64)
    return Aggregates(
        given.agg, columns, Sketch(group, given.sketch.bucket[low:high], given.sketch.count[low:high])
    )
