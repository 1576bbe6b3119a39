"""Numbers and instants from text, exactly: amounts into int64 fixed point, never by way of a float."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

# Instants outside are typing errors or other units, and would make windows without end.
EARLIEST = 0
LATEST = (datetime(2200, 1, 1, tzinfo=UTC) - EPOCH) // MILLISECOND

# Sums of many stay within int64 when one stays within 2**62.
LARGEST = 2**62

_NUMBER = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")
_SAFE_DIGITS = 18
_CACHED = 100_000


class NotANumberError(ValueError):
    """The text is no decimal number."""


class TooManyDigitsError(ValueError):
    """More decimal digits than the field's scale keeps."""


class OutOfRangeError(ValueError):
    """Too large for fixed point, or an instant outside 1970 to 2199."""


def fixed_point(text: str, scale: int) -> int:
    """``text`` as an integer of ``10**-scale`` units: ``fixed_point("12.5", 2)`` is 1250.

    Raises ``NotANumberError``, ``TooManyDigitsError`` (zeros at the end do not count) or ``OutOfRangeError``.
    """
    if (units := _plain(text, scale)) is not None:
        return units
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise NotANumberError(text)
    sign, whole, fraction, exponent = found.groups()
    if exponent is not None:
        return _exact(text, scale)
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > scale:
        raise TooManyDigitsError(text)
    if len(whole) > 40:  # int() of very long texts is refused by Python itself
        raise OutOfRangeError(text)
    units = int(whole + fraction.ljust(scale, "0"))
    if units > LARGEST:
        raise OutOfRangeError(text)
    return -units if sign == "-" else units


def _plain(text: str, scale: int) -> int | None:
    """The quick way for what nearly all texts are: digits, and just as many behind the point as are kept."""
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if len(fraction) != scale or not whole or bool(point) != bool(scale) or len(digits) > _SAFE_DIGITS:
        return None
    return int(digits) if digits.isdecimal() and digits.isascii() else None


def _exact(text: str, scale: int) -> int:
    value = Decimal(text)
    if value and value.adjusted() + scale > 18:
        raise OutOfRangeError(text)
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "the pattern admits finite numbers only"
    shift = exponent + scale
    units: int = int("".join(map(str, digits)))
    if shift >= 0:
        units *= 10**shift
    else:
        units, rest = divmod(units, 10**-shift)
        if rest:
            raise TooManyDigitsError(text)
    if units > LARGEST:
        raise OutOfRangeError(text)
    return -units if value.is_signed() else units


def amount_parser(scale: int) -> Callable[[str], int]:
    """``fixed_point`` of a JSON value (a number, or one in quotes) that remembers: prices and quantities repeat."""
    known: dict[str, int] = {}

    def parse(text: str) -> int:
        units = known.get(text)
        if units is None:
            units = fixed_point(text.strip('"'), scale)
            if len(known) >= _CACHED:
                known.clear()
            known[text] = units
        return units

    return parse


def milliseconds(at: datetime) -> int:
    """An aware ``datetime`` as epoch ms (rounded down). Raises ``OutOfRangeError`` outside 1970 to 2199."""
    instant: int = (at - EPOCH) // MILLISECOND
    if not EARLIEST <= instant < LATEST:
        raise OutOfRangeError(at.isoformat())
    return instant


def day(on: date) -> int:
    """A date as the epoch ms of its 00:00 in UTC. Raises ``OutOfRangeError`` outside 1970 to 2199."""
    return milliseconds(datetime(on.year, on.month, on.day, tzinfo=UTC))


def rfc3339(instant: int) -> str:
    """Epoch ms as RFC 3339 text in UTC, with milliseconds where there are some."""
    at = EPOCH + timedelta(milliseconds=instant)
    spec = "milliseconds" if instant % 1000 else "seconds"
    return at.replace(tzinfo=None).isoformat(timespec=spec) + "Z"
