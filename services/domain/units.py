"""Units that numbers are in: what adds up, what converts by a fixed factor, and what does not.

A small table of our own: mass, length, volume, time, pieces, packages, currencies (ISO 4217). A word that is not in it
counts things of its own kind ("orders"): nothing is concluded from it. The engine computes times in milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

_SHORT = {"ms": 1, "s": 1_000, "sec": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONG = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 7 * 86_400_000}

TIME_UNITS = {**_SHORT, **_LONG, **{f"{name}s": ms for name, ms in _LONG.items()}}
"""Unit → its milliseconds."""

_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR
    SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED
    VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
"""
CURRENCIES = frozenset(_CODES.split())
"""What money is in."""

_MASS = {"mg": Fraction(1, 10**6), "g": Fraction(1, 1000), "kg": Fraction(1), "t": Fraction(1000)}
_MASS |= {"oz": Fraction(28349523125, 10**12), "lb": Fraction(45359237, 10**8)}
_LENGTH = {"mm": Fraction(1, 1000), "cm": Fraction(1, 100), "m": Fraction(1), "km": Fraction(1000)}
_LENGTH |= {"in": Fraction(254, 10**4), "ft": Fraction(3048, 10**4), "mi": Fraction(1609344, 1000)}
_VOLUME = {"ml": Fraction(1, 1000), "l": Fraction(1), "m3": Fraction(1000)}
_PIECES = ("piece", "pieces", "pcs", "pc", "ea", "each")
_PACKAGES = ("case", "carton", "box", "pack", "pallet")

_KNOWN: Mapping[str, tuple[str, Fraction]] = {
    **{name: ("mass", factor) for name, factor in _MASS.items()},
    **{name: ("length", factor) for name, factor in _LENGTH.items()},
    **{name: ("volume", factor) for name, factor in _VOLUME.items()},
    **{name: ("time", Fraction(ms)) for name, ms in TIME_UNITS.items()},
    **{name: ("pieces", Fraction(1)) for name in _PIECES},
    **{f"{name}{end}": (f"{name}s", Fraction(1)) for name in _PACKAGES if name != "box" for end in ("", "s")},
    **{name: ("boxes", Fraction(1)) for name in ("box", "boxes")},
    **{code: (code, Fraction(1)) for code in CURRENCIES},
}


def unit_ms(unit: str) -> int:
    """How many milliseconds a unit of time has; 1 where it is none."""
    return TIME_UNITS.get(unit, 1)


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number is in: powers of dimensions ("mass", "EUR"), and how many base units one is.

    Without any dimension it is a plain number: a share, or a count of things that have a name of their own.
    """

    powers: Mapping[str, int] = field(default_factory=dict)
    factor: Fraction = Fraction(1)

    def times(self, other: Unit, power: int = 1) -> Unit:
        """The unit of the product, or (``power`` -1) of the quotient."""
        powers = dict(self.powers)
        for name, each in other.powers.items():
            powers[name] = powers.get(name, 0) + power * each
        kept = {name: each for name, each in sorted(powers.items()) if each}
        return Unit(kept, self.factor * other.factor**power)


PLAIN = Unit()


def unit_of(text: str) -> Unit:
    """What ``kg``, ``EUR/kg`` or ``EUR per kg`` mean; a word that is not known is a plain number."""
    above, *below = re.split(r"\s*/\s*|\s+per\s+", text.strip())
    found = _atom(above)
    for each in below:
        found = found.times(_atom(each), -1)
    return found


def known(text: str) -> bool:
    """Whether ``text`` says something of the table."""
    return any(word in _KNOWN for word in re.split(r"\s*/\s*|\s+per\s+", text.strip()))


def factor_between(unit: str, to: str) -> Fraction | None:
    """How many ``to`` one ``unit`` is, where that is the same for ever."""
    one, other = _KNOWN.get(unit), _KNOWN.get(to)
    if unit == to:
        return Fraction(1)
    if one is None or other is None or one[0] != other[0]:
        return None
    return one[1] / other[1]


def _atom(word: str) -> Unit:
    found = _KNOWN.get(word)
    return PLAIN if found is None else Unit({found[0]: 1}, found[1])
