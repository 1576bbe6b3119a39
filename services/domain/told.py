"""Rows on their way into cells: what several measures and cubes ask of the same rows is computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from services.domain.catalogue import Agg
from services.domain.cell_keys import pane_keys
from services.domain.program import Filter, Measure
from services.domain.rows import NULL, Hashes, Mask, Numbers, Places, Rows
from services.domain.scopes import Scopes
from services.domain.watermark import START

_BY_HASH = frozenset({Agg.COUNT, Agg.DISTINCT})


class Told:
    """Rows of one feed. ``errors`` counts the rows on which a filter raised.

    ``levels``: the watermark before each row's frame, and ``top`` the highest of them; None where rows are of no frame.
    ``whole``: rows that these are a slice of. ``present``: when what is too old for history counts; None: never.
    """

    def __init__(
        self,
        rows: Rows,
        levels: Callable[[], Numbers] | None = None,
        top: int = START,
        whole: tuple[Told, slice] | None = None,
        present: int | None = None,
    ) -> None:
        self.rows = rows
        self.levels = levels
        self.top = top
        self.present = present
        self.errors = 0
        self._whole = whole
        self._selected: dict[str, Mask] = {}
        self._present: dict[tuple[str, bool], Mask | None] = {}
        self._panes: dict[int, Hashes] = {}
        self._scopes: dict[tuple[str, ...], Places] = {}

    @cached_property
    def earliest(self) -> int:
        """The earliest time (of at least one row)."""
        return int(self.rows.number("time").min())

    def panes(self, length: int) -> Hashes:
        """The key of the pane of each row."""
        if self._whole is not None:
            whole, part = self._whole
            return whole.panes(length)[part]
        panes = self._panes.get(length)
        if panes is None:
            panes = self._panes[length] = pane_keys(self.rows.number("time"), length)
        return panes

    def scopes(self, scopes: Scopes) -> Places:
        """Each row's scope."""
        if self._whole is not None:
            whole, part = self._whole
            return whole.scopes(scopes)[part]
        found = self._scopes.get(scopes.dimensions)
        if found is None:
            found = self._scopes[scopes.dimensions] = scopes.of(self.rows)
        return found

    def mask(self, measure: Measure) -> Mask | None:
        """The rows that are samples of ``measure``: its filter selects them and its field is there. None: all."""
        present = None if measure.field is None else self._there(measure.field, measure.agg in _BY_HASH)
        if measure.filter is None:
            return present
        selected = self._by(measure.filter)
        return selected if present is None else selected & present

    def _there(self, field: str, by_hash: bool) -> Mask | None:  # noqa: FBT001  # half of a key
        key = field, by_hash
        if key not in self._present:
            mask: Mask = self.rows.hash(field) != 0 if by_hash else self.rows.number(field) != NULL
            self._present[key] = mask if np.count_nonzero(mask) < mask.size else None
        return self._present[key]

    def _by(self, chosen: Filter) -> Mask:
        if chosen.source not in self._selected:
            before = chosen.errors
            self._selected[chosen.source] = chosen.mask(self.rows)
            self.errors += chosen.errors - before
        return self._selected[chosen.source]
