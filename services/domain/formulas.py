"""Arithmetic over KPI names: what a derived KPI's ``expr`` may say.

Names, numbers, ``+ - * /``, parentheses, and ``min``, ``max``, ``abs``. Read by Python's own parser and checked
against this list, so that nothing else can be said.
"""

from __future__ import annotations

import ast
import operator
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
T = TypeVar("T")


def _quotient(above: Floats, below: Floats) -> Floats:
    found: Floats = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=found, where=np.not_equal(below, 0))
    return found


def _least(*given: Floats) -> Floats:
    return reduce(np.minimum, given)


def _most(*given: Floats) -> Floats:
    return reduce(np.maximum, given)


_OPERATORS: dict[type[ast.operator], Callable[[Floats, Floats], Floats]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
}
_FUNCTIONS: dict[str, Callable[..., Floats]] = {"min": _least, "max": _most, "abs": np.abs}
_ARITY = {"min": range(2, 9), "max": range(2, 9), "abs": range(1, 2)}


class FormulaError(ValueError):
    """An expression that is no such arithmetic. ``at`` is the offset in characters where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed expression; ``names`` in order of their first appearance."""

    source: str
    names: tuple[str, ...]
    _tree: ast.expr

    def evaluate(self, values: Mapping[str, Floats]) -> Floats:
        """Its value for each element of these arrays of one size; NaN where a name is NaN, or a division by zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            return _evaluate(self._tree, values)

    def combine(self, name: Callable[[str], T], number: T, operate: Callable[[str, T, T], T]) -> T:
        """Its structure folded: what each name and each number is, and what an operator (``+ - * / min max``, in
        pairs from the left) makes of two.
        """
        return _combine(self._tree, name, number, operate)


def parse_formula(source: str) -> Formula:
    """Read ``source``; raises ``FormulaError``."""
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        at = (getattr(error, "offset", None) or 1) - 1
        raise FormulaError("this is no arithmetic over KPI names", at) from None
    names: dict[str, None] = {}
    _check(tree, names)
    if not names:
        raise FormulaError("no KPI is named", 0)
    return Formula(source, tuple(names), tree)


def _check(node: ast.expr, names: dict[str, None]) -> None:
    match node:
        case ast.Name(id=name):
            names[name] = None
        case ast.Constant(value=int() | float() as value) if abs(value) <= sys.float_info.max:
            pass
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(left, names)
            _check(right, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            if len(args) not in _ARITY[name]:
                raise FormulaError(f"{name}() with {len(args)} arguments", node.col_offset)
            for arg in args:
                _check(arg, names)
        case _:
            raise FormulaError(
                "only names, numbers, + - * /, min(), max() and abs() are known", node.col_offset
            )


_SYMBOLS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def _combine(node: ast.expr, name: Callable[[str], T], number: T, operate: Callable[[str, T, T], T]) -> T:
    match node:
        case ast.Name(id=word):
            return name(word)
        case ast.UnaryOp(operand=operand):
            return _combine(operand, name, number, operate)
        case ast.BinOp(left=left, op=op, right=right):
            both = [_combine(each, name, number, operate) for each in (left, right)]
            return operate(_SYMBOLS[type(op)], *both)
        case ast.Call(func=ast.Name(id=word), args=args):
            found = [_combine(each, name, number, operate) for each in args]
            return reduce(partial(operate, word), found)
        case _:
            return number


def _evaluate(node: ast.expr, values: Mapping[str, Floats]) -> Floats:
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(operand=operand):
            return -_evaluate(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left, values), _evaluate(right, values))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(_evaluate(arg, values) for arg in args))
        case ast.Constant(value=value):
            return np.array(value, np.float64)
        case _:
            raise AssertionError(node)
