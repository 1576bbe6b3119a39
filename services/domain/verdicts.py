"""What is said of a value: a status and a reason from closed lists, and how far it is from its target. Pure.

``judge`` says it of one value, ``judge_many`` of the values of a KPI at many scopes at once; they agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Direction, Target
from services.domain.facts import REASONS, Reason, Status
from services.domain.rows import Mask, Numbers

Floats = NDArray[np.float64]
ReasonCodes = NDArray[np.uint8]


class Verdict(NamedTuple):
    """``gap`` is value - target in the KPI's unit: None without a value or a target."""

    status: Status
    reason: Reason
    gap: float | None


def judge(
    target: Target | None,
    value: float | None,
    samples: int,
    minimum_samples: int,
    *,
    stale: bool = False,
    incomplete: bool = False,
    missing: bool = False,
    unopened: bool = False,
    immature: bool = False,
) -> Verdict:
    """The verdict on one value.

    What cannot be known comes first, most fundamental first: a source that is silent (``stale``) or not complete up
    to where the window ends (``incomplete``), a level of which nobody has said where it begins (``unopened``),
    something that could not be converted (``missing``: a rate), nothing in the window (``immature``: there will be,
    once what has begun has had its time), too few samples, a value that is undefined although there are samples (a
    ratio over zero). Without a target a known value is on plan. The edge of a band belongs to it.
    """
    gap = value - target.value if target is not None and value is not None else None
    known = {"stale": stale, "incomplete": incomplete, "missing": missing, "unopened": unopened}
    doubt = _doubt(value, samples, minimum_samples, **known)
    if doubt is Reason.NO_DATA and immature:
        doubt = Reason.IMMATURE
    reason = doubt or _held(target, gap)
    return Verdict(reason.status, reason, gap)


def _doubt(
    value: float | None,
    samples: int,
    minimum: int,
    *,
    stale: bool,
    incomplete: bool,
    missing: bool,
    unopened: bool,
) -> Reason | None:
    """Why nothing can be said of a value, if so."""
    for reason, holds in (
        (Reason.STALE, stale),
        (Reason.INCOMPLETE_SOURCE, incomplete),
        (Reason.NO_OPENING, unopened),
        (Reason.MISSING_RATE, missing),
    ):
        if holds:
            return reason
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
    target: Target | None,
    values: Floats,
    samples: Numbers,
    minimum_samples: int,
    *,
    stale: bool = False,
    incomplete: bool = False,
    missing: Mask | None = None,
    unopened: Mask | None = None,
    immature: Mask | None = None,
) -> ReasonCodes:
    """The reason that ``judge`` gives each, as its index in ``REASONS``; NaN in ``values`` is None."""
    if stale:
        return np.full(values.size, _CODE[Reason.STALE])
    if incomplete:
        return np.full(values.size, _CODE[Reason.INCOMPLETE_SOURCE])
    unknown = np.isnan(values)
    codes = _held_many(target, values)
    codes[unknown] = _CODE[Reason.DIVISION_BY_ZERO]
    if minimum_samples > 0:
        codes[samples < minimum_samples] = _CODE[Reason.TOO_FEW_SAMPLES]
    nothing = unknown & (samples == 0)
    codes[nothing] = _CODE[Reason.NO_DATA]
    if immature is not None:
        codes[nothing & immature] = _CODE[Reason.IMMATURE]
    if missing is not None:
        codes[missing] = _CODE[Reason.MISSING_RATE]
    if unopened is not None:
        codes[unopened] = _CODE[Reason.NO_OPENING]
    return codes


def gaps(target: Target | None, values: Floats) -> Floats:
    """How far each is from the target; NaN without one or without a value."""
    return values - (np.nan if target is None else target.value)


_CODE = {reason: np.uint8(code) for code, reason in enumerate(REASONS)}
_LINES = np.array(
    [_CODE[Reason.WITHIN_TARGET], _CODE[Reason.WITHIN_BAND], _CODE[Reason.BEYOND_BAND]], np.uint8
)


def _held_many(target: Target | None, values: Floats) -> ReasonCodes:
    if target is None:
        return np.full(values.size, _CODE[Reason.NO_TARGET])
    gap = values - target.value
    if target.direction is Direction.BETWEEN:
        beyond = np.abs(gap) - target.band
    else:
        beyond = gap if target.direction is Direction.AT_MOST else -gap
    lines_crossed = (beyond > 0).astype(np.intp) + (beyond > max(target.band, 0))
    return _LINES[lines_crossed]
