"""HTTP bodies into events' JSON texts: binary, structured and batched CloudEvents, JSON arrays, NDJSON.

A body that cannot be taken apart is refused as a whole; what is wrong with single events is found by validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import Raw

from services.errors import InvalidInput, TooLarge, Unsupported
from services.intake.elements import split

MAX_EVENTS = 100_000
"""Events in one body; each bad one becomes a dead letter, so their number is bounded too."""

NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-lines"}
)
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"
# What clients send that do not think about it: the body says what it is.
GUESSED = frozenset({"", "application/json", "text/plain", "application/x-www-form-urlencoded"})

_array = msgspec.json.Decoder(list[Raw])
_HEADER = "ce-"


def parse(headers: Mapping[str, str], body: bytes, *, max_events: int = MAX_EVENTS) -> list[bytes]:
    """The events of a request, each as JSON. Header names are lower-case; ``body`` is unzipped and bounded.

    Raises ``Unsupported`` for a content type, ``InvalidInput`` for a body of no known form, ``TooLarge`` for more
    than ``max_events``.
    """
    events = _taken_apart(headers, body.strip())
    if len(events) > max_events:
        raise TooLarge(
            f"the body holds {len(events):,} events and at most {max_events:,} are taken at once",
            field="body",
            remedy="send several smaller bodies",
        )
    return events


def _taken_apart(headers: Mapping[str, str], body: bytes) -> list[bytes]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if _HEADER + "type" in headers or _HEADER + "specversion" in headers:
        return [_binary(headers, kind, _text(body))]
    if kind in NDJSON:
        return _lines(body)
    if kind == SINGLE:
        return [_text(body)]
    if kind == BATCH:
        return _elements(body)
    if kind not in GUESSED:
        raise Unsupported(
            f"bodies of type {kind!r} are not understood",
            field="content-type",
            value=kind,
            remedy=f"send application/json, application/x-ndjson, {SINGLE} or {BATCH}",
        )
    if body.startswith(b"["):
        return _elements(body)
    return _lines(body) if b"\n" in body and not _is_object(body) else [_text(body)]


def _elements(body: bytes) -> list[bytes]:
    try:
        return [bytes(element) for element in _array.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        if (elements := split(body)) is not None:
            return elements
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
        raise Unsupported(
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


def _text(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}",
            field="body",
            remedy="send JSON in UTF-8",
        ) from None
    return body
