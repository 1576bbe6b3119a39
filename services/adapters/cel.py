"""The CEL library behind ``services.domain.filters.Evaluator``: all of CEL, at microseconds per row.

``common-expression-language`` gives no tree and no types; what it offers is evaluation, the variables that an
expression reads, and syntax errors with line and column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.domain.filters import Expression, FilterError

_UNEXPECTED = re.compile(r"(?:mismatched input|extraneous input|no viable alternative at input)")
_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class CelExpression:
    """A program of the library."""

    program: Any
    names: frozenset[str]

    def evaluate(self, values: Mapping[str, object]) -> object:
        """Its value over flat names."""
        return self.program.execute(dict(values))


@dataclass(frozen=True)
class CelEvaluator:
    """The library as an ``Evaluator``; one is as good as another."""

    def compile(self, source: str) -> Expression:
        """Read an expression; raises ``FilterError`` with the position where it is no CEL."""
        import cel  # noqa: PLC0415  # slow to import, and most catalogues never need it

        try:
            program = cel.compile(source)
        except ValueError as error:
            raise _filter_error(source, str(error)) from None
        return CelExpression(program, frozenset(program.variables()))


def _filter_error(source: str, text: str) -> FilterError:
    found = _PLACE.search(text)
    if found is None:
        return FilterError(text, 0)
    line, column, what = int(found.group(1)), int(found.group(2)), found.group(3)
    at = sum(len(part) + 1 for part in source.split("\n")[: line - 1]) + column - 1
    what = (
        what.removeprefix("Syntax error: ").split(" expecting {")[0].replace("'<EOF>'", "end of expression")
    )
    what = _UNEXPECTED.sub("unexpected", what)
    return FilterError(what, min(at, len(source)))
