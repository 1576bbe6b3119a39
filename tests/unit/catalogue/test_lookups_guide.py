"""``docs/lookups.md``: its example is a catalogue that works."""

from __future__ import annotations

import re
from pathlib import Path

from services.catalogue.fixtures import run_tests
from services.catalogue.load import lint_folder

DOC = (Path(__file__).parents[3] / "docs" / "lookups.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(?:yaml|csv)\n# (\S+)\n(.*?)```", re.DOTALL)


def write_example(folder: Path) -> None:
    """The files that the guide shows."""
    for name, text in BLOCK.findall(DOC):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def test_the_example_of_the_guide_has_no_problems_and_passes_its_tests(tmp_path: Path) -> None:
    """Whoever copies it has something that works, with the numbers that are told of it."""
    write_example(tmp_path)
    assert lint_folder(tmp_path) == []
    outcomes = run_tests(tmp_path)
    assert [outcome.failures for outcome in outcomes] == [()] * 4
