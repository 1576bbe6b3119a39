"""What ``sightline init`` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.load import lint_folder, load_catalogue
from services.catalogue.template import write_template
from services.errors import Conflict


def test_the_template_is_a_catalogue_without_problems(tmp_path: Path) -> None:
    """It lints, and its filters need no library."""
    written = write_template(tmp_path / "my-company")
    assert [str(path.relative_to(tmp_path)) for path in written] == [
        "my-company/events.yaml",
        "my-company/kpis.yaml",
        "my-company/processes.yaml",
        "my-company/tests/orders.yaml",
    ]
    assert lint_folder(tmp_path / "my-company") == []
    assert set(load_catalogue(tmp_path / "my-company").kpis) == {
        "orders",
        "revenue",
        "on_time_share",
        "open_orders",
    }


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds a catalogue, or a file of the same name, is left alone."""
    (tmp_path / "mine.yaml").write_text("kind: Kpi\n")
    with pytest.raises(Conflict, match=r"holds a catalogue already: mine\.yaml"):
        write_template(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    with pytest.raises(Conflict, match="is a file"):
        write_template(tmp_path / "mine.yaml")


def test_a_folder_with_other_things_may_hold_the_template(tmp_path: Path) -> None:
    """A README beside it does no harm."""
    (tmp_path / "README.md").write_text("hello")
    assert len(write_template(tmp_path)) == 4
