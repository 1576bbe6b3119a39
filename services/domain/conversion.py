"""Exact conversion of fixed-point amounts: whole numbers all the way, rounded once, half to even."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

LARGEST = 2**62
"""Beyond it, sums of many would leave int64."""


class Rate(NamedTuple):
    """A factor ``units`` / 10**``scale``."""

    units: int
    scale: int

    @property
    def fraction(self) -> Fraction:
        """The factor itself."""
        return Fraction(self.units, 10**self.scale)


def converted(amount: int, scale: int, factor: Fraction, to_scale: int) -> int | None:
    """``amount`` / 10**``scale`` times ``factor``, in units of 10**-``to_scale``; None where that is too large."""
    above = amount * factor.numerator * 10**to_scale
    found = rounded(above, factor.denominator * 10**scale)
    return found if abs(found) <= LARGEST else None


def rounded(above: int, below: int) -> int:
    """The quotient (``below`` > 0) as a whole number; halves go to the even one."""
    whole, rest = divmod(above, below)
    if 2 * rest > below or (2 * rest == below and whole % 2):
        return whole + 1
    return whole
