"""Amendments of history: what came for panes that OBSERVE no longer holds, as states of slots to be merged in.

A row is taken either by a cell that is held or by one that amends, never by both: which, the log decides. A partition
seals what has gathered at a tick, every ten seconds of engine time at most, and before a new catalogue; its number says
which seal it is of, so that an amendment told again (after a restart, by a second worker) is known as one that was told
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.domain.cells import CellTable
from services.domain.cube_tables import CubeTable
from services.domain.facts import Amendment, Amendments
from services.domain.partials import named
from services.domain.program import Program
from services.domain.readings import reading
from services.domain.rows import Strings
from services.domain.slot_tables import SlotTable

_RECORD_BYTES = 300_000
_UNCUT = 1 << 40


def amending(program: Program, cells: Mapping[str, CellTable]) -> list[Amendment]:
    """What ``cells``, by cube, come to as slots of every KPI that reads them, by KPI, then start."""
    if not cells:
        return []
    strings = Strings()
    cubes = {cube.id: CubeTable(cube, strings) for cube in program.cubes}
    for name, table in cells.items():
        for piece in table.changed(_UNCUT, everything=True):
            texts, own = named([piece], table.scopes.strings.texts)
            cubes[name].take(0, own[0], texts)
    changed = {name: cubes[name].deltas() for name in cells}
    found: list[Amendment] = []
    for name in program.kpis:
        read = reading(program, name)
        own_cubes = {part.cube: cubes[part.cube] for part in read.parts}
        if not own_cubes.keys() & changed.keys() or not SlotTable.keeps(read, own_cubes):
            continue
        slots = SlotTable(read, own_cubes)
        for cube in own_cubes.keys() & changed.keys():
            slots.add(cube, changed[cube])
        found += slots.amendments()
    return found


def records(sealed: Amendments) -> Iterator[Amendments]:
    """The same in pieces that fit into a record each."""
    piece: list[Amendment] = []
    size = 0
    for one in sealed.amendments:
        bytes_ = len(one.state) + 200 + 40 * len(one.scope)
        if piece and size + bytes_ > _RECORD_BYTES:
            yield sealed.with_only(piece)
            piece, size = [], 0
        piece.append(one)
        size += bytes_
    yield sealed.with_only(piece)
