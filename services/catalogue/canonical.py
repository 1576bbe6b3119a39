"""Catalogue ↔ text: the form that travels in the log, and the digest that names it.

The order of what was said is kept: it decides which process an event's primary copy belongs to.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import msgspec

from services.domain.catalogue import Catalogue
from services.domain.compile import compile_catalogue
from services.domain.filters import Evaluator, FilterCompiler
from services.domain.identity import hash64
from services.domain.program import Program


def to_text(catalogue: Catalogue) -> str:
    """The canonical JSON; the same catalogue always gives the same text."""
    return msgspec.json.encode(catalogue).decode()


def from_text(text: str) -> Catalogue:
    """The inverse of ``to_text``; raises ``ValueError`` on text that is no catalogue."""
    try:
        return msgspec.json.decode(text, type=Catalogue)
    except msgspec.DecodeError as error:
        raise ValueError(f"this is no catalogue: {error}") from error


def with_digest(catalogue: Catalogue) -> Catalogue:
    """The catalogue with the digest of its content (16 hex digits)."""
    text = to_text(replace(catalogue, digest=""))
    return replace(catalogue, digest=f"{hash64(text.encode()):016x}")


def load_program(text: str, evaluator: Evaluator | None = None) -> Program:
    """The program of a canonical text. Remembered, for every partition of a run asks for the same.

    ``evaluator``: the CEL library, for filters beyond the translated subset; without one those raise ``ValueError``.
    """
    return _load(text, evaluator)  # type: ignore[arg-type]  # a protocol is not known to be hashable; objects are


@lru_cache(maxsize=16)
def _load(text: str, evaluator: Evaluator | None) -> Program:
    return compile_catalogue(from_text(text), FilterCompiler(evaluator))
