"""``lint``, ``test`` and ``diff`` with the CEL library behind the filters that need it; a folder's catalogue and its
mappings.
"""

from __future__ import annotations

from pathlib import Path

from services.adapters.cel import CelEvaluator
from services.catalogue import fixtures, load
from services.catalogue.canonical import load_program, to_text
from services.catalogue.difference import Difference, difference
from services.catalogue.fixtures import TestOutcome
from services.catalogue.problems import Problem
from services.domain.catalogue import Catalogue
from services.importing import load as mapped
from services.importing.load import SourceMapping, source_mappings


def load_folder(folder: Path) -> tuple[Catalogue, list[SourceMapping]]:
    """The catalogue at ``folder``, and the mappings there that its sources name. Raises ``CatalogueError`` with all
    that is wrong with them.
    """
    return mapped.load_folder(folder, CelEvaluator())


def lint_folder(folder: Path) -> list[Problem]:
    """Everything that is wrong in the catalogue at ``folder``, mappings that its sources name included."""
    problems = load.lint_folder(folder, CelEvaluator())
    if problems:
        return problems  # a mapping cannot be held against a catalogue that is none
    return sorted(source_mappings(folder, load.load_catalogue(folder, CelEvaluator()))[1])


def test_folder(folder: Path) -> list[TestOutcome]:
    """What came of the catalogue's tests."""
    return fixtures.run_tests(folder, CelEvaluator())


def compare_folder(folder: Path, current: Catalogue) -> Difference:
    """What the catalogue at ``folder`` means for ``current``; raises ``CatalogueError`` with all its problems."""
    programs = [load_program(to_text(one), CelEvaluator()) for one in (current, load_folder(folder)[0])]
    return difference(*programs)
