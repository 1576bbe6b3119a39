"""A folder → a catalogue, or all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from services.catalogue.canonical import with_digest
from services.catalogue.lint import check
from services.catalogue.problems import Problem
from services.catalogue.read import read_folder
from services.domain.catalogue import Catalogue
from services.domain.filters import Evaluator
from services.errors import CatalogueError
from services.lookups.files import read_filed


def lint_folder(folder: Path, evaluator: Evaluator | None = None) -> list[Problem]:
    """What is wrong with the catalogue in ``folder``, by file and line; empty where nothing is.

    ``evaluator``: the CEL library; without it, filters beyond the translated subset are problems.
    """
    return _load(folder, evaluator)[1]


def load_catalogue(folder: Path, evaluator: Evaluator | None = None) -> Catalogue:
    """The catalogue in ``folder``, with its digest; raises ``CatalogueError`` with all problems."""
    catalogue, problems = _load(folder, evaluator)
    if problems:
        raise CatalogueError(problems)
    return with_digest(catalogue)


def _load(folder: Path, evaluator: Evaluator | None) -> tuple[Catalogue, list[Problem]]:
    documents, unreadable = read_folder(folder)
    catalogue, problems = check(documents, evaluator)
    if not problems:  # what stands in files is read by what the documents say
        _, problems = read_filed(folder, catalogue)
    return catalogue, sorted([*unreadable, *problems])
