"""Events in order of time, however many: what does not fit in memory is sorted in pieces on disk and merged."""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterator
from operator import itemgetter
from typing import IO, NamedTuple, Self

MEMORY = 256 << 20
# A Python object costs about as much again as a typical event's text.
_OVERHEAD = 200
_HEAD = struct.Struct("<qqIII")
_key = itemgetter(0, 1)


class Item(NamedTuple):
    """One event: sort key (epoch ms), order of arrival, file (index), line, JSON."""

    time: int
    order: int
    file: int
    line: int
    payload: bytes


class Sorter:
    """Add items, then iterate them by (time, order) once. A context manager: pieces on disk go with it."""

    def __init__(self, memory: int = MEMORY) -> None:
        """``memory``: bytes held before a piece goes to disk."""
        self._memory = memory
        self._items: list[Item] = []
        self._held = 0
        self._pieces: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for piece in self._pieces:
            piece.close()

    def add(self, item: Item) -> None:
        """Take one."""
        self._items.append(item)
        self._held += len(item.payload) + _OVERHEAD
        if self._held > self._memory:
            self._spill()

    def __iter__(self) -> Iterator[Item]:
        self._items.sort(key=_key)
        if not self._pieces:
            return iter(self._items)
        return heapq.merge(*map(_read, self._pieces), self._items, key=_key)

    def _spill(self) -> None:
        self._items.sort(key=_key)
        piece = tempfile.TemporaryFile(prefix="sightline-import-")  # noqa: SIM115  # closed by __exit__
        for item in self._items:
            piece.write(_HEAD.pack(*item[:4], len(item.payload)))
            piece.write(item.payload)
        self._pieces.append(piece)
        self._items, self._held = [], 0


def _read(piece: IO[bytes]) -> Iterator[Item]:
    piece.seek(0)
    while head := piece.read(_HEAD.size):
        time, order, file, line, size = _HEAD.unpack(head)
        yield Item(time, order, file, line, piece.read(size))
