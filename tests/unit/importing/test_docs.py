"""``docs/importing.md`` names every key of the format, and its first example works as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from services.adapters.cel import CelEvaluator
from services.domain.catalogue import Catalogue, EventType, Field, FieldType
from services.importing import documents
from services.importing.documents import (
    EventSpec,
    FileSpec,
    ImagesSpec,
    ImportSpec,
    JoinSpec,
    LookupSpec,
    Value,
)
from services.importing.load import load_mapping
from services.importing.run import Importer
from services.settings import Intake as IntakeSettings
from tests.unit.intake.given import TOPICS, ListLog, StoppedClock

DOC = (Path(__file__).parents[3] / "docs" / "importing.md").read_text(encoding="utf-8")
SECTIONS: dict[type[BaseModel], tuple[str, ...]] = {
    ImportSpec: ("spec",),
    FileSpec: ("Files",),
    LookupSpec: ("Files", "Look-ups"),
    JoinSpec: ("Look-ups",),
    EventSpec: ("Events",),
    ImagesSpec: ("Images",),
    Value: ("Values",),
}


def keys_in(heading: str) -> set[str]:
    """The first cells of the tables under a heading."""
    found = re.search(rf"^### {heading}\n(.*?)(?=^##|\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert found, f"docs/importing.md has no section {heading!r}"
    return set(re.findall(r"^\| `(\w+)` \|", found.group(1), re.MULTILINE))


@pytest.mark.parametrize("model", SECTIONS)
def test_every_key_is_documented(model: type[BaseModel]) -> None:
    """In the section of its model."""
    keys = {info.alias or name for name, info in model.model_fields.items()}
    assert keys <= set().union(*(keys_in(heading) for heading in SECTIONS[model]))


def test_nothing_is_documented_that_is_not_there() -> None:
    """Every key in the tables is one of the models'."""
    known: dict[str, set[str]] = {}
    for model, headings in SECTIONS.items():
        for heading in headings:
            known.setdefault(heading, set()).update(i.alias or n for n, i in model.model_fields.items())
    types = {kind.value for kind in FieldType}
    for heading, keys in known.items():
        assert keys_in(heading) - types <= keys


def test_every_model_of_the_format_has_a_section() -> None:
    """But for those that the text explains: the document itself, and what `keep` may be."""
    models = {
        one
        for one in vars(documents).values()
        if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == documents.__name__
    }
    assert models - set(SECTIONS) == {documents.ImportDocument, documents.Keep, documents.FileSource}


async def test_the_first_example_works(tmp_path: Path) -> None:
    """Its two rows give three events."""
    csv, yaml = (re.search(rf"```{kind}\n(.*?)```", DOC, re.DOTALL) for kind in ("csv", "yaml"))
    assert csv
    assert yaml
    (tmp_path / "shop.csv").write_text(csv.group(1))
    (tmp_path / "import.yaml").write_text(yaml.group(1))
    order = Field("order_id", FieldType.STRING, required=True)
    total = Field("total", FieldType.DECIMAL, scale=2)
    fields: dict[str, Any] = {"order_id": order, "site": Field("site", FieldType.STRING), "total": total}
    catalogue = Catalogue(
        {
            "order.placed": EventType("order.placed", "", fields, {}),
            "order.shipped": EventType("order.shipped", "", {"order_id": order}, {}),
        },
        {},
        {},
    )
    mapping = load_mapping(tmp_path / "import.yaml", catalogue)
    importer = Importer(
        ListLog(), TOPICS, StoppedClock(), catalogue, CelEvaluator(), "default", IntakeSettings()
    )
    report = await importer.run(mapping, [tmp_path])
    assert (report.run, report.accepted, report.rejected) == ("shop-history", 3, 0)
