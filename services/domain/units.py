"""Units of time that a duration can be shown in; the engine computes in milliseconds."""

from __future__ import annotations

_SHORT = {"ms": 1, "s": 1_000, "sec": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_LONG = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 7 * 86_400_000}

TIME_UNITS = {**_SHORT, **_LONG, **{f"{name}s": ms for name, ms in _LONG.items()}}
"""Unit → its milliseconds."""


def unit_ms(unit: str) -> int:
    """How many milliseconds a unit of time has; 1 where it is none."""
    return TIME_UNITS.get(unit, 1)
