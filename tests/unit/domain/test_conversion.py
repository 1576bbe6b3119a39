"""Conversion in whole numbers against decimals of a hundred digits."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.conversion import LARGEST, converted
from services.domain.units import factor_between

EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


@given(
    amount=st.integers(-(10**15), 10**15),
    scale=st.integers(0, 6),
    rate=st.integers(1, 10**9),
    rate_scale=st.integers(0, 8),
    to_scale=st.integers(0, 6),
)
def test_a_product_is_rounded_once_half_to_even(
    amount: int, scale: int, rate: int, rate_scale: int, to_scale: int
) -> None:
    """At the scale of the field that it is for."""
    factor = Decimal(rate).scaleb(-rate_scale)
    wanted = EXACT.multiply(Decimal(amount).scaleb(-scale), factor).quantize(
        Decimal(1).scaleb(-to_scale), context=EXACT
    )
    found = converted(amount, scale, Fraction(rate, 10**rate_scale), to_scale)
    units = int(wanted.scaleb(to_scale, context=EXACT))
    assert found == (units if abs(units) <= LARGEST else None)


@given(amount=st.integers(-(10**12), 10**12), rate=st.integers(1, 10**6), to_scale=st.integers(0, 4))
def test_dividing_by_a_rate_is_exact_as_well(amount: int, rate: int, to_scale: int) -> None:
    """No quotient is cut off before it is rounded: it is the nearest number there is, and of two the even one."""
    found = converted(amount, 2, 1 / Fraction(rate, 1000), to_scale)
    assert found is not None
    exact = Fraction(amount * 1000 * 10**to_scale, 100 * rate)
    assert abs(found - exact) <= Fraction(1, 2)
    if abs(found - exact) == Fraction(1, 2):
        assert found % 2 == 0


@pytest.mark.parametrize(
    ("cents", "wanted"), [(5, 0), (15, 2), (25, 2), (-5, 0), (-15, -2), (16, 2), (14, 1)]
)
def test_halves_go_to_the_even_neighbour(cents: int, wanted: int) -> None:
    """Tenths of hundredths, both ways from zero."""
    assert converted(cents, 2, Fraction(1), 1) == wanted


@pytest.mark.parametrize(
    ("unit", "to", "factor"),
    [
        ("g", "kg", Fraction(1, 1000)),
        ("lb", "kg", Fraction(45359237, 10**8)),
        ("min", "h", Fraction(1, 60)),
        ("pcs", "pieces", Fraction(1)),
        ("kg", "EUR", None),
        ("EUR", "USD", None),
        ("case", "piece", None),
        ("widgets", "widgets", Fraction(1)),
        ("widgets", "gadgets", None),
    ],
)
def test_only_units_of_one_kind_have_a_fixed_factor(unit: str, to: str, factor: Fraction | None) -> None:
    """Currencies and packages have none: that is what look-ups are for."""
    assert factor_between(unit, to) == factor
