"""Formulas over columns: element by element, and what has no value."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.formulas import FormulaError, parse_formula

A = np.array([6.0, 1.0, np.nan, 0.0])
B = np.array([3.0, 0.0, 2.0, 0.0])


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ("a / b * 100", [200.0, np.nan, np.nan, np.nan]),
        ("min(a, b, 2) + 1", [3.0, 1.0, np.nan, 1.0]),
        ("max(a / b, 5)", [5.0, np.nan, np.nan, np.nan]),
        ("abs(b - a) - 1", [2.0, 0.0, np.nan, -1.0]),
        ("-a * (b + 1)", [-24.0, -1.0, np.nan, 0.0]),
        ("a * 0 + 1 / 4", [0.25, 0.25, np.nan, 0.25]),
    ],
)
def test_an_unknown_input_and_a_division_by_zero_have_no_value(expr: str, expected: list[float]) -> None:
    """Whatever is computed from them has none either."""
    np.testing.assert_array_equal(parse_formula(expr).evaluate({"a": A, "b": B}), expected)


def test_a_number_that_no_float_holds_is_refused() -> None:
    """When the catalogue is read, not when values come."""
    with pytest.raises(FormulaError):
        parse_formula(f"a + {10**400}")
