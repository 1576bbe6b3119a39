"""The published JSON Schema."""

from __future__ import annotations

from pathlib import Path

from services.catalogue.schema import json_schema, schema_text

PUBLISHED = Path(__file__).parents[3] / "docs" / "schema" / "catalogue.json"


def test_the_published_schema_is_that_of_the_models() -> None:
    """``docs/schema/catalogue.json`` is what ``schema_text()`` gives; write it again after changing the models."""
    assert PUBLISHED.read_text(encoding="utf-8") == schema_text()


def test_the_schema_speaks_the_words_of_the_files() -> None:
    """Keys are as written in YAML, and nothing else is allowed."""
    definitions = json_schema()["$defs"]
    assert {"rolling", "calendar", "toDate", "previous", "allTime", "timezone"} == set(
        definitions["WindowSpec"]["properties"]
    )
    assert {"from", "within"} <= set(definitions["ConversionSpec"]["required"])
    assert all(
        one["additionalProperties"] is False for one in definitions.values() if one["type"] == "object"
    )
    assert definitions["WindowSpec"]["properties"]["rolling"]["type"] == "string"
