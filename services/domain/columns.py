"""The one container that everything bulky travels in: a JSON head and named numpy arrays, back to back.

Frames, partials, KPI values and snapshots use it. Reading costs one ``json.loads`` and one view per array; nothing
is copied, so unpacked arrays are read-only.

Layout (little endian): ``b"SL"``, u16 format, u32 head length, head (UTF-8 JSON: ``{"meta": …, "arrays":
[[name, dtype, length], …]}``), padding to 8, then each array padded to 8.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
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


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The inverse of ``pack``; arrays are read-only views into ``data``. Raises ``ValueError`` on foreign bytes."""
    magic, version, length = _HEAD.unpack_from(data)
    if magic != b"SL" or version != FORMAT:
        raise ValueError(f"not a Sightline container of format {FORMAT}: starts with {data[:4]!r}")
    head = json.loads(data[_HEAD.size : _HEAD.size + length])
    at = _HEAD.size + length
    at += -at % 8
    arrays: dict[str, NDArray[Any]] = {}
    for name, dtype, size in head["arrays"]:
        kind = np.dtype(dtype)
        arrays[name] = np.frombuffer(data, kind, size, at)
        at += size * kind.itemsize
        at += -at % 8
    return head["meta"], arrays


def peek(data: bytes) -> dict[str, Any]:
    """Only the ``meta`` of a container."""
    meta: dict[str, Any] = unpack(data)[0]
    return meta
