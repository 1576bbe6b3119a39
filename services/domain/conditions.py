"""Conditions: the translation of a CEL tree into numpy operations over rows, with types checked on the way.

An operand is a field or a constant; only conditions have masks. Decimals and times are compared exactly, as integers
against rational bounds. Nulls are not looked at here: ``filters.py`` guards against them.
"""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from services.domain.catalogue import Field, FieldType
from services.domain.cel import Binary, Call, Items, Literal, Name, Node, Not, Outside
from services.domain.rows import NULL, Mask, Numbers, Rows

Types = Mapping[str, Field]
Test = Callable[[Rows], Mask]
_NUMBERS = {FieldType.INTEGER, FieldType.DECIMAL}
_TIMES = {FieldType.TIMESTAMP, FieldType.DATE}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class FilterError(ValueError):
    """An expression that cannot be a filter here. ``at`` is the offset in characters where, ``remedy`` what helps."""

    def __init__(self, message: str, at: int, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.remedy = remedy


def present(rows: Rows, spec: Field) -> Mask:
    """Which rows have a value for the field."""
    match spec.type:
        case FieldType.STRING:
            mask: Mask = rows.code(spec.name) >= 0
        case FieldType.BOOLEAN:
            mask = rows.flag(spec.name) >= 0
        case _:
            mask = rows.number(spec.name) != NULL
    return mask


def a(word: str) -> str:
    """The word with its article."""
    return f"{'an' if word[0] in 'aeio' else 'a'} {word}"


def known_field(name: str, at: int, types: Types) -> Field:
    """The field of that name; raises ``FilterError`` with what was probably meant."""
    if name in types:
        return types[name]
    near = difflib.get_close_matches(name, types, 1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(types)) or 'none'}"
    raise FilterError(f"there is no field {name!r}", at, remedy)


def condition(node: Node, types: Types) -> Test:
    """The test that a tree is; raises ``FilterError`` where types do not fit, ``Outside`` beyond the subset."""
    match node:
        case Binary(("&&" | "||") as op, left, right):
            return _combined(op, condition(left, types), condition(right, types))
        case Not(operand):
            inner = condition(operand, types)
            return lambda rows: ~inner(rows)
        case Binary("in", left, right):
            return _membership(left, right, types)
        case Binary(op, left, right, at):
            return _comparison(op, left, right, at, types)
        case _:
            return _single(node, types)


def _combined(op: str, first: Test, second: Test) -> Test:
    if op == "&&":
        return lambda rows: first(rows) & second(rows)
    return lambda rows: first(rows) | second(rows)


def _single(node: Node, types: Types) -> Test:
    match node:
        case Call("has", (Name(name, at),)):
            asked = known_field(name, at, types)
            return lambda rows: present(rows, asked)
        case Call(("startsWith" | "endsWith" | "contains") as method, (Name(name, at), argument)):
            return _text_test(method, known_field(name, at, types), argument, at)
        case Literal(bool() as value):
            return lambda rows: np.full(rows.n, value)
        case Name(name, at):
            spec = known_field(name, at, types)
            if spec.type is not FieldType.BOOLEAN:
                raise FilterError(
                    f"{name!r} is {a(spec.type)}, not a condition", at, f"compare it: {name} == …"
                )
            return lambda rows: rows.flag(name) == 1
        case _:
            raise FilterError("this is a value, not a condition", node.at, "a filter is true or false")


def _text_test(method: str, spec: Field, argument: Node, at: int) -> Test:
    if spec.type is not FieldType.STRING:
        raise FilterError(f"{method}() needs a string, {spec.name!r} is {a(spec.type)}", at)
    if not isinstance(argument, Literal):
        raise Outside(argument.at, f"{method}() of something computed")
    if not isinstance(argument.value, str):
        raise FilterError(f"{method}() needs a string in quotes", argument.at)
    text = argument.value
    tests: dict[str, Callable[[str], bool]] = {
        "startsWith": lambda value: value.startswith(text),
        "endsWith": lambda value: value.endswith(text),
        "contains": lambda value: text in value,
    }
    return _selection(spec, f"{method} {text}", tests[method])


def _selection(spec: Field, name: str, predicate: Callable[[str], bool]) -> Test:
    def test(rows: Rows) -> Mask:
        codes = rows.code(spec.name)  # first: reading them may intern new texts
        return rows.strings.select(name, predicate)[codes]

    return test


def _membership(left: Node, right: Node, types: Types) -> Test:
    if not isinstance(right, Items):
        raise Outside(right.at, "'in' something that is not a list of constants")
    if not isinstance(left, Name):
        raise Outside(left.at, "'in' with something computed before it")
    spec = known_field(left.name, left.at, types)
    constants = [_constant(item) for item in right.items]
    for item, constant in zip(right.items, constants, strict=True):
        _same_kind(spec, constant, item.at)
    if spec.type is FieldType.STRING:
        wanted = frozenset(constants)
        return _selection(spec, f"in {sorted(map(repr, wanted))}", lambda text: text in wanted)
    tests = [_against("==", spec, constant) for constant in constants]

    def any_of(rows: Rows) -> Mask:
        mask = np.zeros(rows.n, np.bool_)
        for test in tests:
            mask |= test(rows)
        return mask

    return any_of


def _comparison(op: str, left: Node, right: Node, at: int, types: Types) -> Test:
    if isinstance(left, Name) and isinstance(right, Name):
        return _two_fields(
            op, known_field(left.name, left.at, types), known_field(right.name, right.at, types), at
        )
    if isinstance(right, Name):
        left, right, op = right, left, _FLIPPED.get(op, op)
    if not isinstance(left, Name) or not isinstance(right, Literal | Call):
        raise Outside(at, f"{op!r} between conditions")
    spec = known_field(left.name, left.at, types)
    constant = _constant(right)
    _same_kind(spec, constant, right.at)
    if spec.type is FieldType.BOOLEAN and op in _FLIPPED:
        raise Outside(at, f"{op!r} between conditions")
    return _against(op, spec, constant)


Constant = str | bool | int | Decimal | Fraction


def _constant(node: Node) -> Constant:
    """A literal's value; a time is a Fraction of epoch ms."""
    match node:
        case Literal(value):
            return value
        case Call("timestamp", (Literal(str() as text, at),)):
            return _instant(text, at)
        case _:
            raise Outside(node.at, "something computed")


def _instant(text: str, at: int) -> Fraction:
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    zone = rest[len(digits) :] if dot else ""
    try:
        moment = datetime.fromisoformat(head + zone)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 - stands for "no time", refused below as all without a zone are
    if "T" not in text or moment.tzinfo is None or (dot and not digits):
        raise FilterError(
            f"{text!r} is not a time", at, 'write timestamp("2024-05-01T00:00:00Z"), with a zone'
        )
    fraction = Fraction(int(digits), 10 ** len(digits)) if digits else Fraction(0)
    return (int(moment.timestamp()) + fraction) * 1000


def _same_kind(spec: Field, constant: Constant, at: int) -> None:
    match constant:
        case bool():
            fits, kind = spec.type is FieldType.BOOLEAN, "true or false"
        case str():
            fits, kind = spec.type is FieldType.STRING, "a string"
        case Fraction():
            fits, kind = spec.type in _TIMES, "a time"
        case _:
            fits, kind = spec.type in _NUMBERS, "a number"
    if fits:
        return
    remedy = {
        FieldType.STRING: "put it in quotes",
        FieldType.TIMESTAMP: 'write timestamp("2024-05-01T00:00:00Z")',
        FieldType.DATE: 'write timestamp("2024-05-01T00:00:00Z")',
        FieldType.BOOLEAN: "compare with true or false",
    }.get(spec.type, "compare with a number, without quotes")
    raise FilterError(f"{spec.name!r} is {a(spec.type)}, this is {kind}", at, remedy)


def _against(op: str, spec: Field, constant: Constant) -> Test:
    """``field op constant``; the guard has seen to nulls."""
    compare = _COMPARE[op]
    match constant:
        case bool():
            flag = int(constant)
            return lambda rows: np.asarray(compare(rows.flag(spec.name), flag))
        case str():
            return _selection(spec, f"{op} {constant}", lambda text: bool(compare(text, constant)))
        case _:
            return _bound(op, spec.name, Fraction(constant) * 10**spec.scale)


def _bound(op: str, name: str, limit: Fraction) -> Test:
    """An integer column against a rational: rounded so that no comparison is ever inexact."""
    if op in {"==", "!="} and limit.denominator != 1:
        return lambda rows: np.full(rows.n, op == "!=")
    whole = math.ceil(limit) if op in {"<", ">="} else math.floor(limit)
    if not NULL < whole < 2**63:
        above = whole > 0
        always = op == "!=" or (op in {"<", "<="} and above) or (op in {">", ">="} and not above)
        return lambda rows: np.full(rows.n, always)
    compare = _COMPARE[op]
    return lambda rows: np.asarray(compare(rows.number(name), whole))


def _two_fields(op: str, left: Field, right: Field, at: int) -> Test:
    compare = _COMPARE[op]
    if left.type in _NUMBERS and right.type in _NUMBERS:
        return lambda rows: np.asarray(compare(_order(rows, left, right), 0))
    if left.type is not right.type:
        raise FilterError(f"{left.name!r} is {a(left.type)}, {right.name!r} is {a(right.type)}", at)
    if left.type in _TIMES:
        return lambda rows: np.asarray(compare(rows.number(left.name), rows.number(right.name)))
    if op in _FLIPPED:
        raise Outside(at, f"{op!r} between two fields of type {left.type}")
    if left.type is FieldType.STRING:
        return lambda rows: np.asarray(compare(rows.code(left.name), rows.code(right.name)))
    return lambda rows: np.asarray(compare(rows.flag(left.name), rows.flag(right.name)))


def _order(rows: Rows, left: Field, right: Field) -> Numbers:
    """-1, 0 or 1 for fixed-point numbers of different scales, without overflow."""
    if left.scale > right.scale:
        return -_order(rows, right, left)
    whole, rest = np.divmod(rows.number(right.name), 10 ** (right.scale - left.scale))
    number = rows.number(left.name)
    smaller = (number < whole) | ((number == whole) & (rest > 0))
    return np.asarray((number > whole).astype(np.int64) - smaller.astype(np.int64))
