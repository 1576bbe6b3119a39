"""``lint`` and ``test`` with the CEL library behind the filters that need it."""

from __future__ import annotations

from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.catalogue import fixtures, load
from services.catalogue.fixtures import TestOutcome
from services.catalogue.problems import Problem


def lint_folder(folder: Path) -> list[Problem]:
    """Everything that is wrong in the catalogue at ``folder``."""
    return load.lint_folder(folder, CelEvaluator())


def test_folder(folder: Path) -> list[TestOutcome]:
    """What came of the catalogue's tests."""
    return fixtures.run_tests(folder, CelEvaluator())
