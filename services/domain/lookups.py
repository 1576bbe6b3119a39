"""Master data by key and time: which row of a look-up held at an instant.

A table is a function of the rows that were put into it, in any order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from services.domain.catalogue import Lookup

UNMAPPED = "(unmapped)"
"""The value of a text that no row gives: a scope of its own, so that it is seen."""

UNITS = "units"
"""Stands for a look-up where units have no fixed factor between them; none is called so."""

EVER = -(2**62)
FOREVER = 2**62

Key = tuple[str, ...]
Value = str | int | bool | None

_start = attrgetter("start")
_HIGHEST_TREE = 64


class LookupRow(NamedTuple):
    """``values`` (as ``Lookup.columns``) hold for ``key`` in [start, end), epoch ms, unless a later row begins.

    ``closed``: the end is one that the row states.
    """

    key: Key
    start: int
    end: int
    values: tuple[Value, ...]
    aliases: tuple[str, ...] = ()
    closed: bool = False


class LookupTable:
    """The rows of one look-up. ``aliases`` are other spellings of its (single) key."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.place = {name: at for at, name in enumerate(lookup.columns)}
        self.aliases: dict[str, str] = dict(lookup.aliases)
        self._rows: dict[Key, list[LookupRow]] = {}

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    def __iter__(self) -> Iterator[LookupRow]:
        """By key, then by time."""
        for _, rows in sorted(self._rows.items()):
            yield from rows

    def __contains__(self, key: Key) -> bool:
        return self.known(key) in self._rows

    def of(self, key: Key) -> tuple[LookupRow, ...]:
        """All rows of a key, by time."""
        return tuple(self._rows.get(self.known(key), ()))

    def put(self, row: LookupRow) -> None:
        """Add a row; one of the same key and beginning is replaced."""
        rows = self._rows.setdefault(row.key, [])
        at = bisect_left(rows, row.start, key=_start)
        rows[at : at + (at < len(rows) and rows[at].start == row.start)] = [row]
        for alias in row.aliases:
            self.aliases[alias] = row.key[0]

    def remove(self, key: Key, start: int) -> None:
        """Take a row out; nothing where there is none."""
        rows = self._rows.get(key, [])
        kept = [row for row in rows if row.start != start]
        for alias in {alias for row in rows for alias in row.aliases} - {a for r in kept for a in r.aliases}:
            self.aliases.pop(alias, None)
        if kept:
            self._rows[key] = kept
        else:
            self._rows.pop(key, None)

    def known(self, key: Key) -> Key:
        """The key that is meant: an alias's, unless ``key`` itself has rows."""
        if len(key) == 1 and key not in self._rows and (meant := self.aliases.get(key[0])) is not None:
            return (meant,)
        return key

    def find(self, key: Key, at: int) -> LookupRow | None:
        """The row that held for ``key`` at ``at`` (epoch ms)."""
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows.get(self.known(key))
            if rows is None:
                return None
        place = bisect_right(rows, at, key=_start) - 1
        if place < 0:
            return None
        row = rows[place]
        return row if at < row.end else None

    def climb(self, key: Key, level: str, at: int) -> LookupRow | None:
        """The row of that level at or above ``key``, by the column that names the one above."""
        parent, word = self.place[self.lookup.parent or ""], self.place[self.lookup.level or ""]
        for _ in range(_HIGHEST_TREE):
            row = self.find(key, at)
            if row is None or row.values[word] == level:
                return row
            above = row.values[parent]
            if above is None:
                return None
            key = (str(above),)
        return None


Tables = Mapping[str, LookupTable]


def overlapping(rows: tuple[LookupRow, ...]) -> Iterator[tuple[LookupRow, LookupRow]]:
    """Rows of one key, by time, of which the first says that it holds beyond the beginning of the second."""
    for row, later in pairwise(rows):
        if row.closed and row.end > later.start:
            yield row, later


def circle(table: LookupTable, key: Key, at: int) -> list[str]:
    """The way from ``key`` up to where it comes again; empty where it ends."""
    parent = table.place[table.lookup.parent or ""]
    way: list[str] = []
    while (row := table.find(key, at)) is not None and len(way) < _HIGHEST_TREE:
        if row.key[0] in way:
            return [*way[way.index(row.key[0]) :], row.key[0]]
        way.append(row.key[0])
        above = row.values[parent]
        if above is None:
            return []
        key = (str(above),)
    return []
