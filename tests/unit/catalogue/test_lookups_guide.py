"""``docs/lookups.md``: its example is a catalogue that works."""

from __future__ import annotations

from pathlib import Path

from services.catalogue.fixtures import run_tests
from services.catalogue.load import lint_folder
from tests.guides import write_guide


def test_the_example_of_the_guide_has_no_problems_and_passes_its_tests(tmp_path: Path) -> None:
    """Whoever copies it has something that works, with the numbers that are told of it."""
    write_guide("lookups.md", tmp_path)
    assert lint_folder(tmp_path) == []
    outcomes = run_tests(tmp_path)
    assert [outcome.failures for outcome in outcomes] == [()] * 4
