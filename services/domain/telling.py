"""What a run in one partition tells: partials to each judge partition, notable cases now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from services.domain.partials import CubeCells, Partial
from services.domain.runstate import LIVE, RunState
from services.domain.watermark import START

PIECE_BYTES = 96 << 10
PART_BYTES = 320 << 10
_EACH_MS = 1_000
"""How often, in engine time, a judge is told of time alone."""
CASES_MS = 5_000


class Teller:
    """Remembers what each of ``judges`` judge partitions was told of ``run``; after an assignment: nothing."""

    def __init__(self, run: RunState, judges: int) -> None:
        self.run = run
        self.judges = judges
        self._since: list[int | None] = [None] * judges
        self._time = [0] * judges
        self._said: list[tuple[str, bool] | None] = [None] * judges
        self._cases: tuple[int, bool] | None = None

    def partials(self, offset: int, *, everything: bool) -> Iterator[tuple[int, Partial]]:
        """(judge partition, partial) as of ``offset``, to be sent in this order."""
        for judge in range(self.judges):
            for partial in self._to(judge, offset, everything=everything or self._since[judge] is None):
                yield judge, partial

    def cases_due(self, *, everything: bool) -> bool:
        """Whether it is time to tell notable cases; then this counts as told. Of an import they are told at its end:
        its time leaps, and what is notable half way through the past is of no use.
        """
        run = self.run
        state = run.time, run.complete
        if run.time == START:
            return False
        if not everything and (state == self._cases or not (run.complete or run.run == LIVE)):
            return False
        if not (everything or run.complete or self._cases is None or run.time >= self._cases[0] + CASES_MS):
            return False
        self._cases = state
        return True

    def _to(self, judge: int, offset: int, *, everything: bool) -> Iterator[Partial]:
        run = self.run
        tables = [
            table
            for table in run.cells.values()
            if table.cube.judge % self.judges == judge and (everything or table.touched)
        ]
        state = (run.catalogue, run.complete)
        if not (
            tables or everything or state != self._said[judge] or run.time >= self._time[judge] + _EACH_MS
        ):
            return
        switched = everything or self._said[judge] is None or state[0] != self._said[judge][0]  # type: ignore[index]  # not None
        head = Partial(
            run.tenant, run.run, run.attempt, run.partition, offset,
            since=-1 if everything else self._since[judge] or 0,
            digest=run.program.digest if run.program else "",
            time=run.time,
            watermark=run.level,
            begin=self._since[judge] is None,
            complete=run.complete,
            catalogue=run.catalogue if switched and run.program else None,
            sources=run.watermark.sources(run.time),
            counters=dict(run.counters),
        )  # fmt: skip
        self._since[judge], self._time[judge], self._said[judge] = offset, run.time, state
        pieces = [piece for table in tables for piece in table.changed(PIECE_BYTES, everything=everything)]
        parts = list(_parts(pieces))
        for number, part in enumerate(parts):
            yield _readable(replace(head, more=number + 1 < len(parts)), part, run)


def _parts(pieces: list[CubeCells]) -> Iterator[list[CubeCells]]:
    """Pieces of about ``PART_BYTES`` together; at least one part."""
    part: list[CubeCells] = []
    size = 0
    for piece in pieces:
        bytes_ = _size(piece)
        if part and size + bytes_ > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(piece)
        size += bytes_
    yield part


def _size(piece: CubeCells) -> int:
    columns = sum(column.nbytes for column in piece.columns.values())
    return (
        columns
        + piece.pane.nbytes
        + piece.scope.nbytes
        + 16 * sum(s.cell.size for s in piece.sketches.values())
    )


def _readable(head: Partial, cubes: list[CubeCells], run: RunState) -> Partial:
    """With the strings that the scopes of ``cubes`` name, and codes into those."""
    used = np.unique(np.concatenate([cube.scopes.ravel() for cube in cubes] or [np.empty(0, np.int32)]))
    return replace(
        head,
        strings=tuple(run.strings.texts[code] for code in used.tolist()),
        cubes=tuple(
            replace(cube, scopes=np.searchsorted(used, cube.scopes).astype(np.int32)) for cube in cubes
        ),
    )
