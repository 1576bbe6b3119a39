"""``POST /api/v1/events``: a bare ASGI route in front of FastAPI (three times the requests per second).

The body is read, bounded and unzipped here; what is in it is the business of ``services/intake``.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.dependencies import Dependencies
from api.errors import problem_of, response_of
from services.errors import InvalidInput, SightlineError, TooLarge, Unsupported
from services.keys import Grant, KeyScope

PATH = "/api/v1/events"
_MEMBERS = 100  # of a gzip body: each costs a copy of what follows it


class EventsRoute:
    """Answers the one path itself and hands everything else on."""

    def __init__(self, app: ASGIApp, deps: Dependencies) -> None:
        self._app = app
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            response = await self._post(scope, receive)
        except SightlineError as error:
            response = response_of(problem_of(error))
        await response(scope, receive, send)

    async def _post(self, scope: Scope, receive: Receive) -> Response:
        grant: Grant = scope["sightline.grant"]
        grant.require(KeyScope.WRITE)
        headers = Headers(scope=scope)
        body = await read_body(headers, receive, self._deps.max_body_bytes)
        content_type = headers.get("content-type", "")
        receipt = await self._deps.intake.accept(body, content_type, headers, tenant=grant.tenant)
        answer = {"accepted": receipt.accepted, "rejected": receipt.rejected}
        return Response(msgspec.json.encode(answer), 202, media_type="application/json")


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The request's body, unzipped. Raises ``TooLarge`` as soon as more than ``limit`` bytes have come (of either
    form), ``Unsupported`` for an encoding other than gzip, ``InvalidInput`` for a broken one.
    """
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise Unsupported(
            f"content encoding {encoding!r} is not understood",
            field="Content-Encoding",
            value=encoding,
            remedy="send gzip, or nothing at all",
        )
    if int(headers.get("content-length") or 0) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidInput("the connection was closed before the body was complete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            break
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    return body if encoding == "identity" else unzip(body, limit)


def unzip(body: bytes, limit: int) -> bytes:
    """Gunzip, but never to more than ``limit`` bytes (``TooLarge``). Zipped parts may be put together to one body."""
    plain = b""
    for _ in range(_MEMBERS):
        inflater = zlib.decompressobj(wbits=31)
        try:
            plain += inflater.decompress(body, limit + 1 - len(plain))
        except zlib.error as error:
            raise InvalidInput(
                f"the body is not gzip: {error}",
                field="Content-Encoding",
                value="gzip",
                remedy="compress the body, or leave the header out",
            ) from error
        if len(plain) > limit:
            raise _too_large(limit)
        if not inflater.eof:
            raise InvalidInput("the gzip body ends too early", field="Content-Encoding", value="gzip")
        body = inflater.unused_data
        if not body:
            return plain
    raise InvalidInput(
        f"the gzip body is made of more than {_MEMBERS} parts",
        field="Content-Encoding",
        value="gzip",
        remedy="compress the body as a whole",
    )


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit} bytes",
        field="body",
        remedy="send several smaller batches, or raise SIGHTLINE_API__MAX_BODY_BYTES",
    )


_EVENT = {
    "specversion": "1.0",
    "id": "8c1d2b7e",
    "source": "wms",
    "type": "order.placed",
    "subject": "SO-1001",
    "time": "2026-03-02T09:14:07Z",
    "data": {"order_id": "SO-1001", "site": "W01", "promised_at": "2026-03-04T17:00:00Z"},
}

OPERATION: dict[str, Any] = {
    "operationId": "postEvents",
    "tags": ["events"],
    "summary": "Post events",
    "description": (
        "CloudEvents 1.0 (binary, structured, batched), a JSON array of them, or NDJSON; gzip too. Answers once the "
        "log has acknowledged every good event; the others are named and kept as dead letters."
    ),
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": {"type": "object"}, "example": _EVENT},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [_EVENT],
            },
            "application/json": {"schema": {}, "example": [_EVENT]},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    },
    "responses": {
        "202": {
            "description": "Acknowledged by the log",
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/EventsAccepted"},
                    "example": {
                        "accepted": 1,
                        "rejected": [
                            {
                                "index": 1,
                                "id": "8c1d2b7f",
                                "field": "data.promised_at",
                                "value": "soon",
                                "code": "not-a-timestamp",
                                "message": "promised_at is not an RFC 3339 timestamp",
                            }
                        ],
                    },
                }
            },
        },
    },
}
