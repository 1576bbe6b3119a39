"""What is still to be done of something: quantities that movements add up to, and when nothing is left.

A remainder adds and subtracts quantities ("ordered - short_closed - delivered"). Its course is a pure function of a
case's movements in order of event time, so it does not matter in which order they become known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import NEVER
from services.domain.rows import Numbers, Places

_TERM = re.compile(r"([+-]?)\s*([a-z][a-z0-9_]*)")
_SUM = re.compile(r"\s*[+-]?\s*[a-z][a-z0-9_]*(\s*[+-]\s*[a-z][a-z0-9_]*)*\s*")


def terms(source: str) -> Mapping[str, int]:
    """Quantity → how often it is added (negative: subtracted). Raises ``ValueError`` on anything but sums."""
    if not _SUM.fullmatch(source):
        raise ValueError(f"{source!r} is no sum and difference of quantities")
    found: dict[str, int] = {}
    for sign, name in _TERM.findall(source):
        found[name] = found.get(name, 0) + (-1 if sign == "-" else 1)
    return found


class Course(NamedTuple):
    """``left``: by how much each movement changes what is left, which is never less than nothing. ``done``: per case
    the moment from which on nothing is left (``NEVER``: something is, or nothing was ever asked).
    """

    left: Numbers
    done: Numbers


def course(case: Places, time: Numbers, change: Numbers, asked: NDArray[np.bool_], cases: int) -> Course:
    """How a remainder went, from movements in order of (case, time), each of ``case`` 0 … ``cases`` - 1.

    ``change`` is what each adds to it, ``asked`` says which are of a quantity that is added.
    """
    done = np.full(cases, NEVER)
    if not case.size:
        return Course(change, done)
    last = np.flatnonzero(np.append(case[1:] != case[:-1], True))  # a value, not a flag
    first = np.append(0, last[:-1] + 1)
    total = np.cumsum(change)
    base = np.repeat(total[first] - change[first], last - first + 1)
    after = total - base
    left = np.maximum(after, 0) - np.maximum(after - change, 0)
    place = np.arange(case.size)
    # What is left counts at the end of an instant: in which order its movements come is nobody's promise.
    over = np.append((case[1:] != case[:-1]) | (time[1:] != time[:-1]), True)  # a value, not a flag
    short = np.maximum.accumulate(np.where((after > 0) & over, place, -1))[last]
    since = time[np.minimum(np.maximum(short + 1, first), last)]
    begun = np.full(cases, NEVER)
    np.minimum.at(begun, case[asked], time[asked])
    own = case[last]
    done[own] = np.where(after[last] > 0, NEVER, np.maximum(since, begun[own]))
    return Course(left, done)
