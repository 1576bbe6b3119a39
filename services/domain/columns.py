"""The one container that everything bulky travels in: a JSON head and named numpy arrays, back to back.

Frames, partials and snapshots use it. Reading costs one ``json.loads`` and one view per array that is asked for;
nothing is copied, so unpacked arrays are read-only. What the arrays are called repeats from container to container and
is read once.

Layout (little endian): ``b"SL"``, u16 format, u32 head length, u32 shape length, u32 number of arrays; head (UTF-8
JSON); shape (JSON: ``[[name, dtype], …]``); then, each padded to 8, the arrays' lengths (i64) and each array.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 2
_MAGIC = b"SL" + FORMAT.to_bytes(2, "little")
_HEAD = struct.Struct("<4sIII")
_PADDING = [b"\0" * (-size % 8) for size in range(8)]  # by size modulo 8
_SHAPES = 1024
_json = json.JSONEncoder(separators=(",", ":")).encode


def pack(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Put ``meta`` (JSON values) and one-dimensional ``arrays`` into bytes that ``unpack`` reads back."""
    head = _json(meta).encode()
    shape = _shape(tuple([(name, array.dtype) for name, array in arrays.items()]))
    lengths = np.array([array.size for array in arrays.values()], np.int64)
    parts: list[Any] = [
        _HEAD.pack(_MAGIC, len(head), len(shape), len(arrays)),
        head,
        shape,
        _PADDING[(len(head) + len(shape)) % 8],
        lengths,
    ]
    for array in arrays.values():
        parts += [np.ascontiguousarray(array), _PADDING[array.nbytes % 8]]
    return b"".join(parts)


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a container, read-only views that are made when they are asked for: of most nobody asks."""

    __slots__ = ("_data", "_places", "_sizes", "_starts")

    def __init__(self, data: bytes, at: int, shape: bytes, count: int) -> None:
        """``count`` arrays called ``shape`` behind their lengths, which begin at byte ``at``. Raises ``ValueError``
        where ``data`` is too short for them.
        """
        self._data = data
        self._places, widths = _places(shape)
        self._sizes: list[int] = np.frombuffer(data, np.int64, count, at).tolist()
        self._starts: list[int] = []
        at += 8 * count
        for size, width in zip(self._sizes, widths, strict=True):
            self._starts.append(at)
            at += (size * width + 7) & ~7
        if at > len(data):
            raise ValueError(f"a container of {at} bytes was cut off after {len(data)}")

    def __getitem__(self, name: str) -> NDArray[Any]:
        place, dtype = self._places[name]
        return np.frombuffer(self._data, dtype, self._sizes[place], self._starts[place])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@lru_cache(maxsize=_SHAPES)
def _shape(listing: tuple[tuple[str, np.dtype[Any]], ...]) -> bytes:
    return _json([[name, dtype.str] for name, dtype in listing]).encode()


@lru_cache(maxsize=_SHAPES)
def _places(shape: bytes) -> tuple[dict[str, tuple[int, np.dtype[Any]]], list[int]]:
    """By name the array's number and dtype; and the width of an element of each."""
    listing = [(name, np.dtype(word)) for name, word in json.loads(shape)]
    return (
        {name: (number, dtype) for number, (name, dtype) in enumerate(listing)},
        [dtype.itemsize for _, dtype in listing],
    )


def view(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """The inverse of ``pack``, arrays made on demand. Raises ``ValueError`` on foreign bytes."""
    if len(data) < _HEAD.size or not data.startswith(_MAGIC):
        raise ValueError(f"not a Sightline container of format {FORMAT}: starts with {data[:4]!r}")
    _, head, shape, count = _HEAD.unpack_from(data)
    shape_at = _HEAD.size + head
    end = shape_at + shape
    arrays = Arrays(data, end + -end % 8, data[shape_at:end], count)
    return json.loads(data[_HEAD.size : shape_at]), arrays


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The inverse of ``pack``; arrays are read-only views into ``data``. Raises ``ValueError`` on foreign bytes."""
    meta, arrays = view(data)
    return meta, dict(arrays)


def peek(data: bytes) -> dict[str, Any]:
    """Only the ``meta`` of a container."""
    return view(data)[0]
