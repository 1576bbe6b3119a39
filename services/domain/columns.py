"""The one container that everything bulky travels in: a JSON head and named numpy arrays, back to back.

Frames, partials, KPI values and snapshots use it. Reading costs one ``json.loads`` and one view per array; nothing
is copied, so unpacked arrays are read-only.

Layout (little endian): ``b"SL"``, u16 format, u32 head length, head (UTF-8 JSON: ``{"meta": …, "arrays":
[[name, dtype, length], …]}``), padding to 8, then each array padded to 8.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
_HEAD = struct.Struct("<2sHI")


def pack(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Put ``meta`` (JSON values) and one-dimensional ``arrays`` into bytes that ``unpack`` reads back."""
    listing = [[name, array.dtype.str, int(array.size)] for name, array in arrays.items()]
    head = json.dumps({"meta": meta, "arrays": listing}, separators=(",", ":")).encode()
    parts = [_HEAD.pack(b"SL", FORMAT, len(head)), head, b"\0" * (-(_HEAD.size + len(head)) % 8)]
    for array in arrays.values():
        data = array.tobytes()
        parts += [data, b"\0" * (-len(data) % 8)]
    return b"".join(parts)


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a container, read-only views that are made when they are asked for: of most nobody asks."""

    __slots__ = ("_data", "_places")

    def __init__(self, data: bytes, at: int, listing: Iterable[tuple[str, str, int]]) -> None:
        """``listing``: (name, dtype, length), one behind the other from byte ``at``. Raises ``ValueError`` where
        ``data`` is too short for them.
        """
        self._data = data
        self._places: dict[str, tuple[np.dtype[Any], int, int]] = {}
        for name, word, size in listing:
            at += -at % 8
            dtype = _dtype(word)
            self._places[name] = dtype, size, at
            at += size * dtype.itemsize
        if at > len(data):
            raise ValueError(f"a container of {at} bytes was cut off after {len(data)}")

    def __getitem__(self, name: str) -> NDArray[Any]:
        dtype, size, at = self._places[name]
        return np.frombuffer(self._data, dtype, size, at)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


_dtype = lru_cache(maxsize=64)(np.dtype)


def view(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """The inverse of ``pack``, arrays made on demand. Raises ``ValueError`` on foreign bytes."""
    magic, version, length = _HEAD.unpack_from(data)
    if magic != b"SL" or version != FORMAT:
        raise ValueError(f"not a Sightline container of format {FORMAT}: starts with {data[:4]!r}")
    head = json.loads(data[_HEAD.size : _HEAD.size + length])
    return head["meta"], Arrays(data, _HEAD.size + length, head["arrays"])


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The inverse of ``pack``; arrays are read-only views into ``data``. Raises ``ValueError`` on foreign bytes."""
    meta, arrays = view(data)
    return meta, dict(arrays)


def peek(data: bytes) -> dict[str, Any]:
    """Only the ``meta`` of a container."""
    return view(data)[0]
