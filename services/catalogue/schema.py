"""JSON Schema of the catalogue's files, for editors: completion and checking while one types.

Published as ``docs/schema/catalogue.json``; a file points to it with
``# yaml-language-server: $schema=…/catalogue.json``.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from services.catalogue.documents import AnyDocument

_NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """The schema of one document (draft 2020-12); which kind it is follows from ``kind``."""
    schema = TypeAdapter(AnyDocument).json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sightline catalogue",
        **_plain(schema),
    }


def schema_text() -> str:
    """What the published file holds."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Without what pydantic adds and nobody writes: titles made from names, nulls as an alternative, tags."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    plain = {
        key: _plain(inner)
        for key, inner in value.items()
        if key != "discriminator" and (key, inner) != ("default", None) and not _made_up(key, inner)
    }
    options = [option for option in plain.get("anyOf", []) if option != _NULL]
    if len(options) == 1:
        del plain["anyOf"]
        return {**options[0], **plain}
    return {**plain, "anyOf": options} if options else plain


def _made_up(key: str, inner: Any) -> bool:
    return key == "title" and isinstance(inner, str)
