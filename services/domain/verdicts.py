"""What is said of a value: a status and a reason from closed lists, and how far it is from its target. Pure.

``judge`` says it of one value, ``judge_many`` of the values of a KPI at many scopes at once; they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Direction, Target
from services.domain.facts import Reason, Status
from services.domain.rows import Numbers

Floats = NDArray[np.float64]


class Verdict(NamedTuple):
    """``gap`` is value - target in the KPI's unit: None without a value or a target."""

    status: Status
    reason: Reason
    gap: float | None


_WORDS = {
    Reason.NO_DATA: Status.UNKNOWN,
    Reason.STALE: Status.UNKNOWN,
    Reason.TOO_FEW_SAMPLES: Status.UNKNOWN,
    Reason.DIVISION_BY_ZERO: Status.UNKNOWN,
    Reason.NO_TARGET: Status.ON_PLAN,
    Reason.WITHIN_TARGET: Status.ON_PLAN,
    Reason.WITHIN_BAND: Status.WATCH,
    Reason.BEYOND_BAND: Status.OFF_PLAN,
}


def judge(
    target: Target | None, value: float | None, samples: int, minimum_samples: int, *, stale: bool = False
) -> Verdict:
    """The verdict on one value.

    What cannot be known comes first, most fundamental first: a source that is silent (``stale``), nothing in the
    window, too few samples, a value that is undefined although there are samples (a ratio over zero). Without a
    target a known value is on plan. The edge of a band belongs to it.
    """
    gap = value - target.value if target is not None and value is not None else None
    reason = _doubt(value, samples, minimum_samples, stale=stale) or _held(target, gap)
    return Verdict(_WORDS[reason], reason, gap)


def _doubt(value: float | None, samples: int, minimum: int, *, stale: bool) -> Reason | None:
    """Why nothing can be said of a value, if so."""
    if stale:
        return Reason.STALE
    if samples == 0 and value is None:
        return Reason.NO_DATA
    if samples < minimum:
        return Reason.TOO_FEW_SAMPLES
    return Reason.DIVISION_BY_ZERO if value is None else None


def _held(target: Target | None, gap: float | None) -> Reason:
    """A known value held against its target."""
    if target is None or gap is None:
        return Reason.NO_TARGET
    beyond = _beyond(target.direction, gap, target.band)
    if beyond <= 0:
        return Reason.WITHIN_TARGET
    return Reason.WITHIN_BAND if beyond <= target.band else Reason.BEYOND_BAND


def _beyond(direction: Direction, gap: float, band: float) -> float:
    """How far the value lies on the bad side of the line that is still on plan; 0 or less is on plan."""
    if direction is Direction.AT_LEAST:
        return -gap
    return gap if direction is Direction.AT_MOST else abs(gap) - band


def judge_many(
    target: Target | None, values: Floats, samples: Numbers, minimum_samples: int, *, stale: bool = False
) -> list[Verdict]:
    """``judge`` of each; NaN in ``values`` is None."""
    known = ~np.isnan(values)
    doubts: Sequence[tuple[NDArray[np.bool_], Reason]] = [
        (np.full(values.size, stale), Reason.STALE),
        (~known & (samples == 0), Reason.NO_DATA),
        (samples < minimum_samples, Reason.TOO_FEW_SAMPLES),
        (~known, Reason.DIVISION_BY_ZERO),
    ]
    reasons = np.full(values.size, _REASONS.index(Reason.NO_TARGET))
    gaps: Sequence[float | None] = [None] * values.size
    if target is not None:
        gap = values - target.value
        gaps = [each if ok else None for each, ok in zip(gap.tolist(), known.tolist(), strict=True)]
        reasons = _held_many(target, gap)
    for mask, reason in reversed(doubts):
        reasons[mask] = _REASONS.index(reason)
    words = [(_WORDS[reason], reason) for reason in _REASONS]
    return [
        Verdict(words[code][0], words[code][1], gap) for code, gap in zip(reasons.tolist(), gaps, strict=True)
    ]


_REASONS = list(Reason)


def _held_many(target: Target, gap: Floats) -> NDArray[np.int64]:
    if target.direction is Direction.BETWEEN:
        beyond = np.abs(gap) - target.band
    else:
        beyond = gap if target.direction is Direction.AT_MOST else -gap
    code = _REASONS.index
    band = np.where(beyond <= target.band, code(Reason.WITHIN_BAND), code(Reason.BEYOND_BAND))
    return np.where(beyond <= 0, code(Reason.WITHIN_TARGET), band)
