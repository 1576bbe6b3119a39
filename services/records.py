"""The wire form of what the processors tell (msgpack by msgspec): one encoder, one decoder per record type."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from services.domain.facts import CaseFacts, ClosedWindows, DeadLetter, KpiValues

Fact = KpiValues | ClosedWindows | CaseFacts | DeadLetter
F = TypeVar("F", KpiValues, ClosedWindows, CaseFacts, DeadLetter)

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (KpiValues, ClosedWindows, CaseFacts, DeadLetter)
}


def encode(fact: Fact) -> bytes:
    """To bytes."""
    return _encoder.encode(fact)


def decode(kind: type[F], data: bytes) -> F:
    """From bytes; raises ``msgspec.ValidationError`` on anything else."""
    fact: F = _decoders[kind].decode(data)
    return fact
