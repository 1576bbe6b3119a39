from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.amounts import (
    EPOCH,
    LARGEST,
    NotANumberError,
    OutOfRangeError,
    TooManyDigitsError,
    amount_parser,
    fixed_point,
    rfc3339,
)
from services.intake.amounts import milliseconds as ms


@given(st.integers(-LARGEST, LARGEST), st.integers(0, 6))
def test_every_amount_survives_its_text(units: int, scale: int) -> None:
    """Text of an amount, plain or in scientific notation, is read back to the last digit."""
    amount = Decimal(units).scaleb(-scale)
    assert fixed_point(f"{amount:f}", scale) == units
    assert fixed_point(f"{amount:E}", scale) == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12.50", 1250),
        ("12.5", 1250),
        ("12", 1200),
        ("-0.01", -1),
        ("+1.5e1", 1500),
        ("1.500000", 150),
        ("0e9", 0),
    ],
)
def test_forms_of_an_amount(text: str, units: int) -> None:
    """Signs, missing and superfluous digits and exponents all mean what they say."""
    assert fixed_point(text, 2) == units


@pytest.mark.parametrize("text", ["", "abc", "1,5", "1 000", "1_000", "NaN", "0x10", ".5", "5.", "٣", "true"])
def test_what_is_no_number(text: str) -> None:
    """Nothing is guessed: grouping, decimal commas and words are refused."""
    with pytest.raises(NotANumberError):
        fixed_point(text, 2)


@pytest.mark.parametrize(
    ("text", "scale"), [("5.", 0), ("٣", 0), ("٣.٣٣", 2), ("1_0.00", 2), ("", 0), (".50", 2), (" 5", 0)]
)
def test_what_is_no_number_whatever_the_scale(text: str, scale: int) -> None:
    """Not even where as many digits stand behind the point as are kept."""
    with pytest.raises(NotANumberError):
        fixed_point(text, scale)


@pytest.mark.parametrize("text", ["0.001", "1e-3", "12.345"])
def test_digits_are_not_rounded_away(text: str) -> None:
    """More digits than the scale keeps are refused."""
    with pytest.raises(TooManyDigitsError):
        fixed_point(text, 2)


@pytest.mark.parametrize("text", ["1e17", "9" * 30, "9" * 5000, "-1e999", str(LARGEST + 1)])
def test_amounts_stay_within_64_bits(text: str) -> None:
    """What would not fit is refused, quickly even for absurd texts."""
    with pytest.raises(OutOfRangeError):
        fixed_point(text, 2)


def test_a_parser_remembers_and_repeats() -> None:
    """The cached parser gives the same answer again."""
    parse = amount_parser(2)
    assert [parse("9.90"), parse("9.90"), parse('"9.9"')] == [990, 990, 990]


LAST = datetime.fromisoformat("2199-12-31T23:59:59.999Z")


@given(st.integers(0, ms(LAST)))
def test_instants_survive_their_text(instant: int) -> None:
    """Milliseconds → RFC 3339 → milliseconds changes nothing."""
    assert ms(datetime.fromisoformat(rfc3339(instant))) == instant


@given(st.datetimes(EPOCH.replace(tzinfo=None), LAST.replace(tzinfo=None)), st.integers(-1439, 1439))
def test_instants_are_rounded_down(local: datetime, offset: int) -> None:
    """To the millisecond, in every zone."""
    at = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
    exact = (at - EPOCH) // timedelta(milliseconds=1)
    if 0 <= exact <= ms(LAST):
        assert ms(at) == exact


def test_instants_outside_the_bounds_are_refused() -> None:
    """1969 and 2200 are typing errors."""
    for text in ("1969-12-31T23:59:59.999Z", "2200-01-01T00:00:00Z"):
        with pytest.raises(OutOfRangeError):
            ms(datetime.fromisoformat(text))
