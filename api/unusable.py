"""What a request's validation has found, in words that help: the field, its value, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError

from services.catalogue.problems import did_you_mean

_SHOWN = 200
"""Characters of a value that are told back."""
_TYPES = {"str", "int"}
"""How a location ends that tells members of a union apart."""
_REMEDIES = {
    "bool": "write true or false",
    "int": "write a whole number",
    "float": "write a number",
    "decimal": 'write a decimal, as in "49.90"',
    "date": "write a day as in 2026-03-02",
    "string": "write a text",
    "list": "write an array",
    "dict": "write a JSON object",
    "model": "write a JSON object",
    "dataclass": "write a JSON object, with content-type: application/json",
}
"""By the first word of the kind of the mistake."""
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def mistakes(error: RequestValidationError) -> list[dict[str, str]]:
    """Each with ``field``, ``message`` and ``remedy``, and with its ``value`` where one was given."""
    return [_mistake(each) for each in error.errors()]


def _mistake(each: Mapping[str, Any]) -> dict[str, str]:
    kind, field = each["type"], _field(each["loc"], each["type"])
    told = {"field": field, "message": each["msg"], "remedy": _remedy(kind, each, field)}
    if kind not in {"missing", "json_invalid"}:
        told["value"] = str(each["input"])[:_SHOWN]
    return told


def _field(place: tuple[str | int, ...], kind: str) -> str:
    """``body.complete_until.str`` is ``complete_until``; what is wrong with all of the body is ``body``."""
    if kind == "json_invalid":
        return str(place[0])
    names = place[1:-1] if len(place) > 2 and place[-1] in _TYPES else place[1:]
    return ".".join(map(str, names)) or str(place[0])


def _remedy(kind: str, each: Mapping[str, Any], field: str) -> str:
    context = each.get("ctx", {})
    if kind in {"enum", "literal_error"}:
        return did_you_mean(str(each["input"]), re.findall(r"'([^']*)'", context["expected"]))
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"write {words} {context[name]}"
    if kind == "missing":
        return (
            "send a JSON object, with content-type: application/json" if field == "body" else f"add {field}"
        )
    if kind == "json_invalid":
        return f"send JSON: {context['error']} at character {each['loc'][-1]}"
    return _REMEDIES.get(kind.partition("_")[0], "see /api/v1/openapi.json for what it takes")
