"""What an upload does to a look-up: which rows it adds, corrects and takes out; never the past in silence. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.domain.lookups import EVER, Key, LookupRow, LookupTable, overlapping
from services.intake.amounts import rfc3339
from services.lookups.rows import Cells, RowReader, WrongRowError

Place = tuple[Key, int]
"""A row's key and beginning: there is one row of each."""


class RowProblem(NamedTuple):
    """What is wrong with a row of an upload (counted from 1; 0: with what it lacks), and what to do."""

    row: int
    column: str
    value: str
    message: str
    remedy: str = ""


@dataclass(slots=True)
class Changes:
    """What is to be done. Nothing is, where there are ``problems``.

    ``backdated`` counts those of ``put`` that begin in the past of a key that had rows: they hold for events that
    come from now on. ``corrected`` counts those that replace a row of the same beginning.
    """

    put: list[LookupRow] = field(default_factory=list)
    removed: list[LookupRow] = field(default_factory=list)
    unchanged: int = 0
    corrected: int = 0
    backdated: int = 0
    problems: list[RowProblem] = field(default_factory=list)


class Manner(NamedTuple):
    """How an upload is meant: ``whole``: what it lacks is to go; ``correct``: rows of the past may change."""

    whole: bool = False
    correct: bool = False


def changes(
    reader: RowReader, table: LookupTable, rows: Sequence[Cells], manner: Manner, now: int
) -> Changes:
    """What ``rows`` change in ``table``; ``now`` (epoch ms) divides the past from the future."""
    wrong_rows: list[RowProblem] = []
    read: dict[Place, tuple[int, LookupRow]] = {}
    for number, cells in enumerate(rows, 1):
        try:
            row = reader.read(cells)
        except WrongRowError as wrong:
            wrong_rows += [RowProblem(number, *one) for one in wrong.problems]
            continue
        first = read.setdefault((row.key, row.start), (number, row))
        if first[1] != row:
            message = f"row {first[0]} says something else of {_shown(row)}"
            wrong_rows.append(_problem(number, reader, row, message, "send one of them"))
    found = compare(reader, table, read, manner, now)
    found.problems[:0] = wrong_rows
    if not found.problems:
        found.problems += _overlaps(reader, table, found, read)
    return found


def compare(
    reader: RowReader,
    table: LookupTable,
    read: Mapping[Place, tuple[int, LookupRow]],
    manner: Manner,
    now: int,
) -> Changes:
    """What is new, other and gone in ``read`` (place → number, row)."""
    found = Changes()
    lookup = reader.lookup
    known = {(row.key, row.start): row for row in table}
    free = manner.correct or lookup.valid_from is None
    for place, (number, row) in read.items():
        before = known.get(place)
        if before == row:
            found.unchanged += 1
        elif before is not None and not free:
            message = f"{_shown(row)} says something else already"
            remedy = f"begin a new row with a later {lookup.valid_from}, or send correct=true"
            found.problems.append(_problem(number, reader, row, message, remedy))
        else:
            found.put.append(row)
            found.corrected += before is not None
            found.backdated += before is None and row.key in table and EVER < row.start <= now
    for place, row in known.items() if manner.whole else ():
        if place not in read and not free and row.start <= now:
            message = f"{_shown(row)} is not among the rows, and has held already"
            remedy = "add it, or send correct=true; POST adds rows and leaves the others alone"
            found.problems.append(_problem(0, reader, row, message, remedy))
        elif place not in read:
            found.removed.append(row)
    return found


def _overlaps(
    reader: RowReader,
    table: LookupTable,
    found: Changes,
    read: Mapping[Place, tuple[int, LookupRow]],
) -> Iterator[RowProblem]:
    """Rows that would be valid at the same time."""
    after = LookupTable(table.lookup)
    keys = {row.key for row in found.put}
    for row in (row for key in keys for row in table.of(key)):
        after.put(row)
    for row in found.removed:
        after.remove(row.key, row.start)
    for row in found.put:
        after.put(row)
    for key in sorted(keys):
        for row, later in overlapping(after.of(key)):
            number = max(read.get((one.key, one.start), (0, one))[0] for one in (row, later))
            message = f"{_shown(row)} ends after {_shown(later)} begins"
            yield _problem(number, reader, later, message, "let one end before the other begins")


def _shown(row: LookupRow) -> str:
    from_ = "" if row.start == EVER else f" from {rfc3339(row.start)}"
    return f"{', '.join(row.key)}{from_}"


def _problem(number: int, reader: RowReader, row: LookupRow, message: str, remedy: str) -> RowProblem:
    return RowProblem(number, reader.lookup.key[0], row.key[0], message, remedy)
