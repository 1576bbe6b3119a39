"""Words and small values of the catalogue: durations, units, names."""

from __future__ import annotations

import re

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
DURATION_PATTERN = r"^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"

PERCENT = frozenset({"percent", "%"})

NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
EVENT_NAME = re.compile(r"[A-Za-z0-9]+([._/:-][A-Za-z0-9_]+)*\Z")


def parse_duration(text: str) -> int:
    """``15m``, ``1h30m``, ``3d`` in ms; raises ``ValueError`` with what to write."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("write a duration such as 90s, 15m, 4h, 3d or 1h30m")
    total = sum(float(number) * _MS[unit] for number, unit in parts)
    if total != int(total):
        raise ValueError("a duration is a whole number of milliseconds")
    return int(total)


def title_of(name: str) -> str:
    """A title from a name: ``on_time_share`` → ``On time share``."""
    return name.replace("_", " ").replace(".", " ").capitalize()


_METRIC_UNITS = {
    "%": "percent", "ms": "milliseconds", "s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "d": "days",
}  # fmt: skip


def metric_name(kpi: str, unit: str) -> str:
    """What Prometheus calls a KPI: its name and its unit, ``sightline_kpi_revenue_eur``."""
    suffix = _METRIC_UNITS.get(unit, re.sub(r"[^a-z0-9]+", "_", unit.lower()).strip("_"))
    name = f"sightline_kpi_{kpi}"
    return name if not suffix or name.endswith(f"_{suffix}") else f"{name}_{suffix}"
