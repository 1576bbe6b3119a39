"""A state as chunks: everything is an array under a name; arrays are cut to fit and put together again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.columns import pack, unpack

CHUNK_BYTES = 400 << 10
_HEADS = 64 << 10  # kept free for names

FORMAT = 4
"""Of what states write: raised with every change after which an older snapshot would be read wrongly."""

_META = "meta"
_FORMAT = "format"


class SnapshotError(ValueError):
    """A snapshot that this version cannot read."""


def cut(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Iterator[bytes]:
    """``meta`` (JSON values) and ``arrays`` in chunks of at most ``CHUNK_BYTES``; nothing is copied before its turn."""
    blob = np.frombuffer(json.dumps({**meta, _FORMAT: FORMAT}).encode(), np.uint8)
    room = CHUNK_BYTES - _HEADS
    held: dict[str, NDArray[Any]] = {}
    size = names = 0
    for name, array in {_META: blob, **arrays}.items():
        start = 0
        while start < array.size or (start == 0 and array.size == 0):
            if size >= room or names + len(name) + 32 > _HEADS - 1024:
                yield pack({}, held)
                held, size, names = {}, 0, 0
            piece = array[start : start + max(1, (room - size) // array.itemsize)]
            held[name] = piece
            size += piece.nbytes + 8
            names += len(name) + 32
            start += max(1, piece.size)
    yield pack({}, held)


def join(chunks: Sequence[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The inverse of ``cut``; arrays are read-only.

    Raises ``SnapshotError`` for a format that is not ``FORMAT``, ``ValueError`` on foreign bytes.
    """
    pieces: dict[str, list[NDArray[Any]]] = {}
    for chunk in chunks:
        for name, array in unpack(chunk)[1].items():
            pieces.setdefault(name, []).append(array)
    arrays = {name: held[0] if len(held) == 1 else np.concatenate(held) for name, held in pieces.items()}
    meta: dict[str, Any] = json.loads(arrays.pop(_META).tobytes())
    written = meta.pop(_FORMAT, 0)
    if written != FORMAT:
        raise SnapshotError(f"it has format {written}, this version reads format {FORMAT}")
    return meta, arrays


def prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same arrays under ``prefix/name``."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Those that ``prefixed`` put there, by their own names."""
    start = f"{prefix}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}


def pack_texts(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Strings as two arrays."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {"ends": ends, "text": np.frombuffer(b"".join(encoded), np.uint8)}


def unpack_texts(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """The inverse of ``pack_texts``."""
    blob = arrays["text"].tobytes()
    ends = arrays["ends"].tolist()
    return (
        [blob[start:end].decode() for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
    )
