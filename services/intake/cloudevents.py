"""HTTP bodies into events' JSON texts: binary, structured and batched CloudEvents, JSON arrays, NDJSON; gzip.

A body that cannot be taken apart is refused as a whole; what is wrong with single events is found by validation.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from services.errors import InvalidInput, TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may hold at most, after decompression."""

    body_bytes: int = 16 << 20
    events: int = 100_000


NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"}
)
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
# What clients send that do not think about it: the body says what it is.
GUESSED = frozenset({"", "application/json", "text/plain", "application/x-www-form-urlencoded"})

_array = msgspec.json.Decoder(list[Raw])
_HEADER = "ce-"


def parse(headers: Mapping[str, str], body: bytes, limits: Limits) -> list[bytes]:
    """The events of a request, each as JSON. Header names are lower-case.

    Raises ``TooLarge`` beyond ``limits`` and ``InvalidInput`` where the body is of no known form.
    """
    body = _decompressed(headers.get("content-encoding", "identity").strip().lower(), body, limits.body_bytes)
    _check_text(body)
    events = list(_taken_apart(headers, body.strip()))
    if len(events) > limits.events:
        raise TooLarge(
            f"the body holds {len(events):,} events and at most {limits.events:,} are taken at once",
            remedy="send several smaller bodies",
        )
    return events


def _taken_apart(headers: Mapping[str, str], body: bytes) -> Sequence[bytes]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if _HEADER + "type" in headers or _HEADER + "specversion" in headers:
        return [_binary(headers, kind, body)]
    if kind in NDJSON:
        return _lines(body)
    if kind == SINGLE:
        return [body]
    if kind == BATCH:
        return _elements(body)
    if kind not in GUESSED:
        raise InvalidInput(
            f"bodies of type {kind!r} are not understood",
            field="content-type",
            value=kind,
            remedy=f"send application/json, application/x-ndjson, {SINGLE} or {BATCH}",
        )
    if body.startswith(b"["):
        return _elements(body)
    return _lines(body) if b"\n" in body and not _is_object(body) else [body]


def _elements(body: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _array.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(
            f"the body is not a JSON array: {error}", field="body", remedy="send [event, event, …], or NDJSON"
        ) from None


def _lines(body: bytes) -> list[bytes]:
    return [line for line in map(bytes.strip, body.split(b"\n")) if line]


def _is_object(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _binary(headers: Mapping[str, str], kind: str, body: bytes) -> bytes:
    if body and kind not in GUESSED and not kind.endswith("+json"):
        raise InvalidInput(
            f"data of type {kind!r} is not understood",
            field="content-type",
            value=kind,
            remedy="send the data as application/json",
        )
    event: dict[str, Any] = {
        name.removeprefix(_HEADER): unquote(value)
        for name, value in headers.items()
        if name.startswith(_HEADER) and name != _HEADER + "data"
    }
    if not body:
        return msgspec.json.encode(event)
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInput(
            f"the data is not JSON: {error}", field="body", remedy="send a JSON object"
        ) from None
    return msgspec.json.encode({**event, "data": Raw(body)})


def _check_text(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}",
            field="body",
            remedy="send JSON in UTF-8",
        ) from None


def _decompressed(encoding: str, body: bytes, limit: int) -> bytes:
    if encoding in {"gzip", "x-gzip"}:
        body = _gunzip(body, limit)
    elif encoding not in {"", "identity"}:
        raise InvalidInput(
            f"the content encoding {encoding!r} is not understood",
            field="content-encoding",
            value=encoding,
            remedy="send gzip, or no compression",
        )
    if len(body) > limit:
        raise TooLarge(
            f"the body has more than {limit:,} bytes",
            field="body",
            remedy="send several smaller bodies, or raise SIGHTLINE_API__MAX_BODY_BYTES",
        )
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    """At most ``limit`` + 1 bytes come out, however much the body would unfold to."""
    out = b""
    try:
        while body and len(out) <= limit:
            member = zlib.decompressobj(31)
            out += member.decompress(body, limit + 1 - len(out))
            if not member.eof and len(out) <= limit:
                raise InvalidInput("the gzip body ends too early", field="body", remedy="send it whole")
            body = member.unused_data
    except zlib.error as error:
        raise InvalidInput(
            f"the body is not gzip: {error}", field="body", remedy="compress it again"
        ) from None
    return out
