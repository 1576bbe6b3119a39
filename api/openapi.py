"""The OpenAPI document: FastAPI's, with the bare event route and the problem shape put in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from api.errors import PROBLEMS, Problem
from api.events import OPERATION, PATH
from api.shapes import ChangesShape, EventsAccepted

DESCRIPTION = """Live KPIs from operational events.

All times are epoch milliseconds, UTC. Errors are problem details (RFC 9457). Once an API key exists, send
`Authorization: Bearer sl_…`; reading needs the scope `read`, posting events `write`, keys and replays `admin`."""

_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> None:
    """Replace ``app.openapi`` by one that knows what FastAPI cannot see."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(generate())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, EventsAccepted, ChangesShape):
        schema = TypeAdapter(model).json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    paths = {PATH: {"post": {**OPERATION, "responses": {**OPERATION["responses"], **PROBLEMS}}}}
    document["paths"] = paths | document["paths"]
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}, {}]
    return document
