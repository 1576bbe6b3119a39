"""Filters: CEL expressions, compiled to boolean masks over rows.

The subset of ``cel.py`` becomes a few numpy operations (``conditions.py``); everything else goes to the CEL library
through an injected ``Evaluator``, row by row. One guard precedes both: where a field that is named outside ``has()``
is null or absent, nothing is selected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from services.domain.catalogue import Field, FieldType
from services.domain.cel import Outside, names_of, parse, tokens
from services.domain.conditions import FilterError, Test, Types, condition, known_field, present
from services.domain.program import Filter
from services.domain.rows import NULL, Mask, Rows

__all__ = [
    "EvaluatedFilter",
    "Evaluator",
    "Expression",
    "FilterCompiler",
    "FilterError",
    "MaskFilter",
    "compile_filter",
]

# Macros of CEL bind a variable of their own: [1, 2].exists(x, x > 1).
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,")


class Expression(Protocol):
    """An expression compiled by the CEL library."""

    @property
    def names(self) -> frozenset[str]:
        """The variables that it reads."""
        ...

    def evaluate(self, values: Mapping[str, object]) -> object:
        """Its value. Raises any ``Exception`` where CEL has an error."""
        ...


class Evaluator(Protocol):
    """The CEL library: the whole language, slowly."""

    def compile(self, source: str) -> Expression:
        """Read an expression, in which ``has(_.x)`` asks for x. Raises ``FilterError`` where it is no CEL."""
        ...


class FilterCompiler:
    """Compiles filters; what lies outside the subset needs ``evaluator``."""

    def __init__(self, evaluator: Evaluator | None = None) -> None:
        self._evaluator = evaluator

    def __call__(self, source: str, types: Types) -> Filter:
        """A filter over rows with fields ``types``; raises ``FilterError``."""
        try:
            tree = parse(source)
        except Outside as outside:
            return self._slow(source, types, outside)
        named = {name.name for name in names_of(tree)}
        asked = {name.name for name in names_of(tree, inside_has=True)}
        for name in (*names_of(tree), *names_of(tree, inside_has=True)):
            known_field(name.name, name.at, types)
        try:
            test = condition(tree, types)
        except Outside as outside:
            return self._slow(source, types, outside)
        return MaskFilter(source, frozenset(named | asked), tuple(types[n] for n in sorted(named)), test)

    def _slow(self, source: str, types: Types, outside: Outside) -> Filter:
        if self._evaluator is None:
            raise FilterError(
                f"not in the subset of CEL that is translated: {outside.what}", outside.at
            ) from outside
        _no_null(source)
        rewritten, asked = _rewrite_has(source)
        expression = self._evaluator.compile(rewritten)
        named = expression.names - {"_", *_BOUND.findall(source)}
        for name in sorted(named | asked):
            known_field(name, max(source.find(name), 0), types)
        guarded = tuple(types[name] for name in sorted(named))
        return EvaluatedFilter(
            source,
            frozenset(named | asked),
            guarded,
            {n: types[n] for n in named | asked},
            expression,
            outside.what,
        )


def compile_filter(source: str, types: Types) -> Filter:
    """A filter in the subset; raises ``FilterError`` outside it."""
    return FilterCompiler()(source, types)


@dataclass(frozen=True, slots=True)
class MaskFilter:
    """A filter that is a few numpy operations. ``guarded`` are the fields that must be present."""

    source: str
    fields: frozenset[str]
    guarded: tuple[Field, ...]
    test: Test

    @property
    def errors(self) -> int:
        """How many rows raised so far: none ever does."""
        return 0

    def mask(self, rows: Rows) -> Mask:
        """Which rows it selects."""
        mask = self.test(rows)
        for name in self.guarded:
            mask = mask & present(rows, name)
        return mask


@dataclass(slots=True)
class EvaluatedFilter:
    """A filter that the CEL library evaluates row by row; ``why`` says what the subset lacks."""

    source: str
    fields: frozenset[str]
    guarded: tuple[Field, ...]
    types: Types
    expression: Expression
    why: str
    errors: int = field(default=0)

    def mask(self, rows: Rows) -> Mask:
        """Which rows it selects; a row that raises, or gives no boolean, is counted in ``errors``."""
        mask = np.ones(rows.n, np.bool_)
        for name in self.guarded:
            mask &= present(rows, name)
        columns = {name: _values(rows, spec) for name, spec in self.types.items()}
        known: dict[tuple[object, ...], bool | None] = {}
        for index in np.flatnonzero(mask).tolist():
            row = tuple(column[index] for column in columns.values())
            if row not in known:
                known[row] = self._select(dict(zip(columns, row, strict=True)))
            self.errors += known[row] is None
            mask[index] = known[row] is True
        return mask

    def _select(self, values: dict[str, object]) -> bool | None:
        present_values = {name: value for name, value in values.items() if value is not None}
        try:
            result = self.expression.evaluate({**values, "_": present_values})
        except Exception:  # noqa: BLE001 - whatever the library raises for this row, it selects nothing and is counted
            return None
        return result if isinstance(result, bool) else None


def _values(rows: Rows, spec: Field) -> list[object]:
    """A column as CEL's values; None where absent."""
    match spec.type:
        case FieldType.STRING:
            texts = rows.strings.texts
            return [texts[code] if code >= 0 else None for code in rows.code(spec.name).tolist()]
        case FieldType.BOOLEAN:
            return [bool(flag) if flag >= 0 else None for flag in rows.flag(spec.name).tolist()]
        case FieldType.INTEGER:
            convert: Callable[[int], object] = int
        case FieldType.DECIMAL:
            convert = lambda value: value / 10**spec.scale  # noqa: E731 - one of three one-liners
        case FieldType.TIMESTAMP | FieldType.DATE:
            convert = lambda value: datetime.fromtimestamp(value / 1000, UTC)  # noqa: E731 - one of three one-liners
    return [None if value == NULL else convert(value) for value in rows.number(spec.name).tolist()]


def _no_null(source: str) -> None:
    try:
        for token in tokens(source):
            if token.kind == "name" and token.text == "null":
                remedy = "ask with has(field) or !has(field)"
                raise FilterError("a null field never reaches a comparison", token.at, remedy)
    except Outside:
        pass


def _rewrite_has(source: str) -> tuple[str, frozenset[str]]:
    """``has(x)`` as CEL wants it, ``has(_.x)``, and the names asked for."""
    try:
        stream = list(tokens(source))
    except Outside:
        return source, frozenset()
    asked = [
        name
        for has, opening, name, closing in zip(stream, stream[1:], stream[2:], stream[3:], strict=False)
        if (has.text, opening.text, name.kind, closing.text) == ("has", "(", "name", ")")
    ]
    for name in reversed(asked):
        source = f"{source[: name.at]}_.{source[name.at :]}"
    return source, frozenset(name.text for name in asked)
