"""The wire form of what the processors tell (msgpack by msgspec): one encoder, one decoder per record type.

Arrays travel as their bytes, little endian; the record type says what they hold.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.domain.facts import Amendments, CaseFacts, ClosedWindows, DeadLetter, KpiValues

Fact = KpiValues | ClosedWindows | Amendments | CaseFacts | DeadLetter
F = TypeVar("F", KpiValues, ClosedWindows, Amendments, CaseFacts, DeadLetter)


def _to_bytes(value: object) -> bytes:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"{type(value).__name__} has no wire form")
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()


def _from_bytes(kind: Any, data: object) -> NDArray[Any]:
    if get_origin(kind) is not np.ndarray or not isinstance(data, bytes):
        raise TypeError(f"{kind} cannot be read from {type(data).__name__}")
    return np.frombuffer(data, _dtype(kind))


@lru_cache(maxsize=16)
def _dtype(kind: Hashable) -> np.dtype[Any]:
    """Of ``NDArray[...]``."""
    (scalar,) = get_args(get_args(kind)[1])
    dtype: np.dtype[Any] = np.dtype(scalar).newbyteorder("<")
    return dtype


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_bytes)
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind, dec_hook=_from_bytes)
    for kind in (KpiValues, ClosedWindows, Amendments, CaseFacts, DeadLetter)
}


def encode(fact: Fact) -> bytes:
    """To bytes."""
    return _encoder.encode(fact)


def decode(kind: type[F], data: bytes) -> F:
    """From bytes; arrays are read-only. Raises ``msgspec.ValidationError`` on anything else."""
    fact: F = _decoders[kind].decode(data)
    return fact
