"""The common subset of CEL as a tree: comparisons, ``in``, ``&& || !``, ``startsWith``, ``endsWith``, ``contains``,
``has``, ``timestamp("…")``, parentheses, literals. What lies outside raises ``Outside`` and is left to the library.

Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md. One word is our own: ``has(field)`` takes a
flat name, where CEL wants a selection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

METHODS = ("startsWith", "endsWith", "contains")
RELATIONS = ("==", "!=", "<", "<=", ">", ">=", "in")


class Outside(Exception):  # noqa: N818 - not an error: the library may know what to do with it
    """The expression uses what the subset does not have (or is no CEL at all). ``at``: offset in characters."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at
        self.what = what


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: str, bool, int or (a double, exactly) Decimal."""

    value: str | bool | int | Decimal
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A field."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Items:
    """A list of constants, for ``in``."""

    items: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """``has(name)``, ``timestamp("…")`` or ``name.startsWith("…")``."""

    function: str
    args: tuple[Node, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    operand: Node
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """A relation or ``&&``, ``||``; ``at`` is where the operator stands."""

    op: str
    left: Node
    right: Node
    at: int


Node = Literal | Name | Items | Call | Not | Binary


class Token(NamedTuple):
    """``kind``: name, string, float, int, op, end."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
      |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      |(?P<float>(?:\d*\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+))
      |(?P<int>0x[0-9a-fA-F]+|\d+)
      |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
      |(?P<op>&&|\|\||==|!=|<=|>=|[-<>!()\[\],.?:+*/%{}])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[xX][0-9a-fA-F]{2}|[0-3][0-7]{2}|.)")
_PLAIN_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?",
}  # fmt: skip
_RESERVED = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
    }
    | {"namespace", "null", "return", "var", "void", "while"}
)


def tokens(source: str) -> Iterator[Token]:
    """The tokens of an expression, ``end`` last. Raises ``Outside`` at what is no token of the subset."""
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise Outside(at, f"cannot read {source[at]!r}")
        kind = match.lastgroup or ""
        if kind in {"string", "int", "float"} and source[match.end() : match.end() + 1].isidentifier():
            raise Outside(match.end(), f"unexpected {source[match.end()]!r}")
        if kind != "space":
            yield Token(kind, match.group(), at)
        at = match.end()
    yield Token("end", "", len(source))


def parse(source: str) -> Node:
    """The tree of an expression in the subset; raises ``Outside`` otherwise."""
    return _Parser(list(tokens(source))).whole()


def names_of(node: Node, *, inside_has: bool = False) -> Iterator[Name]:
    """The fields named outside ``has()``, or those inside."""
    match node:
        case Name():
            if not inside_has:
                yield node
        case Call("has", (asked,)):
            if inside_has:
                yield from names_of(asked)
        case _:
            for child in _children(node):
                yield from names_of(child, inside_has=inside_has)


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Call(_, nodes) | Items(nodes):
            return nodes
        case Not(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case _:
            return ()


class _Parser:
    """Recursive descent over the grammar's levels."""

    def __init__(self, stream: list[Token]) -> None:
        self._stream = stream
        self._next = 0

    def whole(self) -> Node:
        node = self._or()
        self._expect("end", "")
        return node

    @property
    def _token(self) -> Token:
        return self._stream[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def _sees(self, *texts: str) -> bool:
        return self._token.kind in {"op", "name"} and self._token.text in texts

    def _expect(self, kind: str, text: str) -> Token:
        token = self._token
        if token.kind != kind or token.text != text:
            raise Outside(token.at, f"unexpected {token.text!r}" if token.text else "unexpected end")
        return self._take()

    def _or(self) -> Node:
        node = self._and()
        while self._sees("||"):
            operator = self._take()
            node = Binary("||", node, self._and(), operator.at)
        return node

    def _and(self) -> Node:
        node = self._relation()
        while self._sees("&&"):
            operator = self._take()
            node = Binary("&&", node, self._relation(), operator.at)
        return node

    def _relation(self) -> Node:
        node = self._unary()
        while self._sees(*RELATIONS):
            operator = self._take()
            node = Binary(operator.text, node, self._unary(), operator.at)
        return node

    def _unary(self) -> Node:
        if self._sees("!"):
            operator = self._take()
            return Not(self._unary(), operator.at)
        if self._sees("-"):
            operator = self._take()
            if self._token.kind not in {"int", "float"}:
                raise Outside(operator.at, "'-' before something that is not a number")
            return self._number(self._take(), "-", operator.at)
        return self._member()

    def _member(self) -> Node:
        node = self._primary()
        while self._sees("."):
            dot = self._take()
            method = self._token
            if method.text not in METHODS or not isinstance(node, Name):
                raise Outside(dot.at, f"unexpected '.{method.text}'")
            self._take()
            node = Call(method.text, (node, self._argument()), method.at)
        return node

    def _argument(self) -> Node:
        self._expect("op", "(")
        node = self._or()
        self._expect("op", ")")
        return node

    def _primary(self) -> Node:
        token = self._take()
        match token.kind, token.text:
            case "string", text:
                return Literal(_unescape(text[1:-1], token.at), token.at)
            case (("int" | "float"), _):
                return self._number(token, "", token.at)
            case "name", ("true" | "false") as text:
                return Literal(text == "true", token.at)
            case "name", text:
                return self._name(token, text)
            case "op", "(":
                node = self._or()
                self._expect("op", ")")
                return node
            case "op", "[":
                return self._items(token.at)
            case _, text:
                raise Outside(token.at, f"unexpected {text!r}" if text else "unexpected end")

    def _name(self, token: Token, text: str) -> Node:
        if text in _RESERVED:
            raise Outside(token.at, f"{text!r} is a word of the language")
        if not self._sees("("):
            return Name(text, token.at)
        if text not in {"has", "timestamp"}:
            raise Outside(token.at, f"the function {text}()")
        argument = self._argument()
        if not isinstance(argument, Name if text == "has" else Literal):
            raise Outside(token.at, f"{text}() of something computed")
        return Call(text, (argument,), token.at)

    def _items(self, at: int) -> Items:
        items: list[Node] = []
        while not self._sees("]"):
            items.append(self._unary())
            if not self._sees("]"):
                self._expect("op", ",")
        self._take()
        return Items(tuple(items), at)

    def _number(self, token: Token, sign: str, at: int) -> Literal:
        if token.kind == "float":
            return Literal(Decimal(sign + token.text), at)
        value = int(sign + token.text, 0) if "x" in token.text else int(sign + token.text)
        if not -(2**63) <= value < 2**63:
            raise Outside(at, "an integer beyond 64 bits")
        return Literal(value, at)


def _unescape(text: str, at: int) -> str:
    def replace(match: re.Match[str]) -> str:
        word = match.group(1)
        if len(word) == 1:
            if word not in _PLAIN_ESCAPES:
                raise Outside(at, f"the escape \\{word}")
            return _PLAIN_ESCAPES[word]
        code = int(word, 8) if word[0].isdigit() else int(word[1:], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise Outside(at, f"the escape \\{word}")
        return chr(code)

    return _ESCAPE.sub(replace, text)
