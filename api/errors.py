"""The one place where errors become HTTP: RFC 9457 problem details.

``type`` is ``urn:sightline:problem:<code>`` with the ``code`` of ``services.errors``; ``field``, ``value`` and
``remedy`` are there where the error knows them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.unusable import mistakes
from services.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Refused,
    SightlineError,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

logger = logging.getLogger(__name__)

# The first that fits: subclasses stand before their parents.
STATUS: tuple[tuple[type[SightlineError], int], ...] = (
    (Unsupported, 415),
    (InvalidInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unauthenticated, 401),
    (Refused, 403),
    (TooLarge, 413),
    (Unavailable, 503),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    value: str | None = None
    remedy: str | None = None
    errors: list[dict[str, str]] | None = None


def problem_of(error: SightlineError) -> Problem:
    """The problem that ``error`` is told as."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    value = None if error.value is None else str(error.value)[:200]
    return Problem(
        f"urn:sightline:problem:{error.code}",
        HTTPStatus(status).phrase,
        status,
        error.message,
        error.field,
        value,
        error.remedy,
    )


def response_of(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The answer; members that are not known are left out."""
    members = {name: value for name, value in asdict(problem).items() if value is not None}
    more = dict(headers or {})
    if problem.status == HTTPStatus.UNAUTHORIZED:
        more["www-authenticate"] = 'Bearer realm="sightline"'
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        more["retry-after"] = "2"
    return Response(msgspec.json.encode(members), problem.status, more, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Have every error of ``app`` answered as a problem."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, SightlineError)
        return response_of(problem_of(error))

    async def unusable(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return response_of(_unusable(error))

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "-")
        problem = Problem(f"urn:sightline:problem:{code}", phrase, error.status_code, str(error.detail))
        return response_of(problem, error.headers)

    async def unexpected(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return response_of(
            Problem(
                "urn:sightline:problem:internal",
                "Internal Server Error",
                500,
                "this is a fault of ours; see the log",
            )
        )

    app.add_exception_handler(SightlineError, ours)
    app.add_exception_handler(RequestValidationError, unusable)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def _unusable(error: RequestValidationError) -> Problem:
    errors = mistakes(error)
    first = errors[0]
    return Problem(
        "urn:sightline:problem:invalid-input",
        "Bad Request",
        400,
        f"{first['field']}: {first['message']}",
        first["field"],
        first.get("value"),
        first["remedy"],
        errors,
    )


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457)",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
