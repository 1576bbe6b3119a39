"""``docs/catalogue.md`` says what the code says, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from services.adapters.cel import CelEvaluator
from services.catalogue import documents, fixtures
from services.catalogue.fixtures import run_tests
from services.catalogue.load import lint_folder
from services.catalogue.reference import SECTIONS, table
from tests.guides import write_guide

DOCS = Path(__file__).parents[3] / "docs"
DOC = (DOCS / "catalogue.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert found, f"docs/catalogue.md has no section {heading!r}"
    return re.sub(r"```.*?```", "", found.group(1), flags=re.DOTALL)


@pytest.mark.parametrize("heading", SECTIONS)
def test_each_table_lists_the_keys_of_its_model(heading: str) -> None:
    """Key by key, in the code's own words: write the table again after changing a model."""
    assert table(SECTIONS[heading]) in section(heading)


def test_every_model_has_a_section() -> None:
    """No part of the YAML goes undocumented."""
    models = {
        one
        for module in (documents, fixtures)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, documents.Model) and one.__module__ == module.__name__
    }
    same: set[type[BaseModel]] = {
        documents.ProcessDocument,
        documents.KpiDocument,
        documents.SourceDocument,
        documents.SourceMetadata,
        documents.LookupDocument,
        documents.CalendarDocument,
        documents.Metadata,
        documents.Model,
    }
    assert models - same == set(SECTIONS.values())


PAGES = ["catalogue.md", "cases.md", "levels.md", "stock.md", "calendars.md"]


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_are_a_catalogue_without_problems_whose_tests_pass(page: str, tmp_path: Path) -> None:
    """Whoever copies them has something that works."""
    write_guide(page, tmp_path)
    assert lint_folder(tmp_path, CelEvaluator()) == []
    outcomes = run_tests(tmp_path)
    assert outcomes
    assert [(one.name, one.failures) for one in outcomes if one.failures] == []


SHOWN = [
    text for text in re.findall(r"`([^`]+)`", section("Filters")) if re.search(r'==|< |\("| in \[', text)
]


@pytest.mark.parametrize("filter_", [*SHOWN, "!has(carrier)"])
def test_the_filters_shown_compile(filter_: str, tmp_path: Path) -> None:
    """Each inline example of a filter, over the events of the examples."""
    events = re.search(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    assert events
    both = events.group(1).replace("    amount:", "    carrier: {type: string}\n    amount:", 1)
    kpi = (
        "---\napiVersion: sightline/v1\nkind: Kpi\nmetadata: {name: k, owner: me}\nspec:\n  type: simple\n"
        "  measure: {agg: count, event: order.placed}\n  window: {rolling: 1h}\n"
        f"  filter: '{filter_}'\n"
    )
    (tmp_path / "c.yaml").write_text(both + kpi)
    assert lint_folder(tmp_path) == []
