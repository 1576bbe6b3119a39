"""Where the elements of a JSON array begin and end, though some of them may be broken.

Only strings and brackets are looked at, so that one event with a NaN or a wrong byte does not spoil the others.
"""

from __future__ import annotations

import re
from itertools import pairwise

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{},]', re.DOTALL)
_QUOTE, _COMMA = ord('"'), ord(",")
_CLOSING = {ord("["): ord("]"), ord("{"): ord("}")}
_DEEPEST = 1_000  # more than any decoder follows


def split(body: bytes) -> list[bytes] | None:
    """The elements of the array ``body``, stripped; None where their boundaries cannot be told: a string or a
    bracket that is not closed, or something before or after the array.
    """
    edges = _edges(body) if body.startswith(b"[") else None
    if edges is None or body[edges[-1] + 1 :].strip():
        return None
    found = [body[start + 1 : end].strip() for start, end in pairwise(edges)]
    return [] if found == [b""] else found


def _edges(body: bytes) -> list[int] | None:
    """Where the array's brackets and the commas between its elements stand."""
    edges = [0]
    open_: list[int] = []
    for token in _TOKEN.finditer(body):
        at = token.start()
        mark = body[at]
        if mark in _CLOSING:
            open_.append(_CLOSING[mark])
        elif mark == _QUOTE:
            if token.end() - at == 1:
                return None
        elif mark != _COMMA and open_.pop() != mark:
            return None
        if not open_:
            return [*edges, at]
        if len(open_) > _DEEPEST:
            return None
        if mark == _COMMA and len(open_) == 1:
            edges.append(at)
    return None
