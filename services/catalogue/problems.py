"""What is wrong with a catalogue, told so that a person can put it right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Where: ``file`` relative to the catalogue's folder, ``line`` from 1 (0: all of it), ``name`` of the document,
    ``field`` as a dotted path. Then its ``value``, what is wrong with it, and what to do (may be empty).
    """

    file: str
    line: int
    name: str
    field: str
    value: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        what = ": ".join(part for part in (where, self.name, self.field, self.message) if part)
        return f"{what} ({self.remedy})" if self.remedy else what

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy for a word that is not known: the nearest one, or what there is, in the order given."""
    options = list(dict.fromkeys(known))
    folded = {option.lower(): option for option in reversed(options)}
    near = difflib.get_close_matches(word.lower(), folded, 1, 0.67)
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    if not options:
        return ""
    shown = ", ".join(options[:12])
    return f"known: {shown}{', …' if len(options) > 12 else ''}"
