"""A partial: what changed in one partition of a run, on its way from OBSERVE to one partition of JUDGE.

Cells are cumulative: whoever puts them in place of what it had gets the same number however often it does so. A
partial says all that is needed to read it (scopes as texts), so none depends on an earlier one. How a reader keeps
order, per (tenant, run, source partition): drop another attempt's (a lower one is void, a higher one replaces all);
drop one whose ``offset`` is below that of the last complete set; keep a set back until it is complete, with the part
that has ``more`` false (parts of another offset are void), then take its cells over. ``since`` beyond
the last complete set's offset means that something is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.columns import pack, unpack
from services.domain.facts import SourceAccount, SourceFreshness
from services.domain.rows import Codes, Numbers
from services.domain.source_accounts import account_of, account_words

ENDLESS = 2**62
"""The watermark of a run that is complete."""


@dataclass(frozen=True, slots=True)
class SketchCells:
    """Entries of a measure's sketch that changed: ``count`` (cumulative, 0 erases) of ``bucket`` in the cell at
    index ``cell`` of the ``CubeCells``.
    """

    cell: Codes
    bucket: Codes
    count: Numbers


@dataclass(frozen=True, slots=True)
class CubeCells:
    """Changed cells of one cube.

    ``scopes``, shape (scopes, dimensions), holds codes into ``Partial.strings``; per cell ``scope`` is a row of it
    and ``pane`` the pane's start (epoch ms), or ``program.BASE``. ``columns`` maps (measure id, column name) to one
    value per cell; ``n`` (samples) is always there, the others follow from the measure's agg (``aggregates.py``).
    ``sketches`` by measure id, where the agg has one. ``carried``: the cells are no more, what they held last (told
    here) is now in BASE's; that happens once in a cell's life, though it may be told again.
    """

    cube: str
    scopes: Codes
    scope: Codes
    pane: Numbers
    columns: Mapping[tuple[str, str], NDArray[Any]]
    sketches: Mapping[str, SketchCells] = field(default_factory=dict)
    carried: bool = False

    def naming(self, scopes: Codes) -> CubeCells:
        """The same with other codes."""
        return CubeCells(
            self.cube, scopes, self.scope, self.pane, self.columns, self.sketches, carried=self.carried
        )


@dataclass(frozen=True, slots=True)
class Partial:
    """What one source ``partition`` of a run tells one judge partition as of its log ``offset``.

    ``since``: the offset of the complete set before, -1 where this one holds everything. ``time`` (engine time) and
    ``watermark`` in epoch ms; ``complete`` runs have the watermark ``ENDLESS``. ``digest`` is the catalogue's that
    cells were folded by; ``catalogue`` its canonical JSON where the reader must (also) switch. ``begin``: nothing
    came before in this attempt. ``counters`` are totals of the partition's run so far.
    """

    tenant: str
    run: str
    attempt: int
    partition: int
    offset: int
    since: int
    digest: str
    time: int
    watermark: int
    more: bool = False
    begin: bool = False
    complete: bool = False
    catalogue: str | None = None
    sources: tuple[SourceFreshness, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    strings: tuple[str, ...] = ()
    cubes: tuple[CubeCells, ...] = ()
    accounts: tuple[SourceAccount, ...] = ()


def named(cubes: Sequence[CubeCells], texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[CubeCells, ...]]:
    """The strings that the scopes of ``cubes``, codes into ``texts``, name, and the cubes with codes into those."""
    there = np.zeros(len(texts), np.bool_)
    for cube in cubes:
        there[cube.scopes] = True
    used = there.nonzero()[0]
    number = np.empty(there.size, np.int32)
    number[used] = np.arange(used.size)
    return tuple(texts[code] for code in used.tolist()), tuple(
        cube.naming(number[cube.scopes]) for cube in cubes
    )


_PLAIN = (
    "tenant", "run", "attempt", "partition", "offset", "since", "digest", "time", "watermark",
    "more", "begin", "complete", "catalogue",
)  # fmt: skip


def encode(partial: Partial) -> bytes:
    """A record of the ``judging`` topic."""
    meta: dict[str, Any] = {name: getattr(partial, name) for name in _PLAIN}
    meta["sources"] = [[s.source, s.last_ingest, s.last_event, s.events, s.idle] for s in partial.sources]
    if partial.accounts:
        meta["accounts"] = [account_words(account) for account in partial.accounts]
    meta["counters"] = dict(partial.counters)
    meta["strings"] = partial.strings
    meta["cubes"] = [
        [c.cube, c.scopes.shape[0], c.scopes.shape[1], list(c.columns), list(c.sketches), c.carried]
        for c in partial.cubes
    ]
    arrays: dict[str, NDArray[Any]] = {}
    for at, cube in enumerate(partial.cubes):
        arrays[f"{at}s"] = cube.scopes.ravel()
        arrays[f"{at}c"] = cube.scope
        arrays[f"{at}p"] = cube.pane
        for number, column in enumerate(cube.columns.values()):
            arrays[f"{at}.{number}"] = column
        for number, sketch in enumerate(cube.sketches.values()):
            arrays[f"{at}.{number}a"] = sketch.cell
            arrays[f"{at}.{number}b"] = sketch.bucket
            arrays[f"{at}.{number}n"] = sketch.count
    return pack(meta, arrays)


def decode(data: bytes) -> Partial:
    """The inverse of ``encode``; arrays are read-only. Raises ``ValueError`` on foreign bytes."""
    meta, arrays = unpack(data)
    cubes = tuple(_cube(at, listing, arrays) for at, listing in enumerate(meta["cubes"]))
    return Partial(
        **{name: meta[name] for name in _PLAIN},
        sources=tuple(SourceFreshness(*source) for source in meta["sources"]),
        accounts=tuple(map(account_of, meta.get("accounts", ()))),
        counters=meta["counters"],
        strings=tuple(meta["strings"]),
        cubes=cubes,
    )


def _cube(at: int, listing: list[Any], arrays: Mapping[str, NDArray[Any]]) -> CubeCells:
    cube, scopes, dimensions, columns, sketches, carried = listing
    return CubeCells(
        cube,
        arrays[f"{at}s"].astype(np.int32, copy=False).reshape(scopes, dimensions),
        arrays[f"{at}c"],
        arrays[f"{at}p"],
        {(measure, name): arrays[f"{at}.{number}"] for number, (measure, name) in enumerate(columns)},
        {
            measure: SketchCells(
                arrays[f"{at}.{number}a"], arrays[f"{at}.{number}b"], arrays[f"{at}.{number}n"]
            )
            for number, measure in enumerate(sketches)
        },
        carried,
    )
