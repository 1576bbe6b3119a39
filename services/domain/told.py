"""Rows on their way into cells: what several measures and cubes ask of the same rows is computed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Agg
from services.domain.program import Filter, Measure
from services.domain.rows import NULL, Mask, Numbers, Rows
from services.domain.scopes import Scopes
from services.domain.watermark import START

_BY_HASH = frozenset({Agg.COUNT, Agg.DISTINCT})


@dataclass(slots=True)
class Told:
    """Rows of one feed. ``errors`` counts the rows on which a filter raised.

    ``levels``: the watermark before each row's frame, and ``top`` the highest of them; None where rows are of no frame.
    """

    rows: Rows
    levels: Callable[[], Numbers] | None = None
    top: int = START
    errors: int = 0
    _masks: dict[str, Mask | None] = field(default_factory=dict)
    _panes: dict[int, Numbers] = field(default_factory=dict)
    _scopes: dict[tuple[str, ...], NDArray[np.int64]] = field(default_factory=dict)

    def panes(self, length: int) -> Numbers:
        """Where each row's pane starts."""
        panes = self._panes.get(length)
        if panes is None:
            time = self.rows.number("time")
            panes = self._panes[length] = time - time % length
        return panes

    def scopes(self, scopes: Scopes) -> NDArray[np.int64]:
        """Each row's scope."""
        found = self._scopes.get(scopes.dimensions)
        if found is None:
            found = self._scopes[scopes.dimensions] = scopes.of(self.rows)
        return found

    def mask(self, measure: Measure) -> Mask | None:
        """The rows that are samples of ``measure``: its filter selects them and its field is there. None: all."""
        mask = None if measure.filter is None else self._selected(measure.filter)
        if measure.field is None:
            return mask
        if measure.agg in _BY_HASH:
            present = self.rows.hash(measure.field) != 0
        else:
            present = self.rows.number(measure.field) != NULL
        both: Mask = present if mask is None else mask & present
        return None if mask is None and present.all() else both

    def _selected(self, chosen: Filter) -> Mask | None:
        if chosen.source not in self._masks:
            before = chosen.errors
            self._masks[chosen.source] = chosen.mask(self.rows)
            self.errors += chosen.errors - before
        return self._masks[chosen.source]
