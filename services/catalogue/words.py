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


def minutes_of_day(text: str) -> int:
    """``16:30`` as minutes since midnight; raises ``ValueError`` with what to write."""
    hour, _, minute = text.partition(":")
    if not re.fullmatch(r"\d{1,2}:\d\d", text) or int(hour) > 23 or int(minute) > 59:
        raise ValueError("write a time of the day such as 16:30")
    return int(hour) * 60 + int(minute)


def title_of(name: str) -> str:
    """A title from a name: ``on_time_share`` → ``On time share``."""
    return name.replace("_", " ").replace(".", " ").capitalize()


_SPELLED = {
    "%": "percent", "ms": "milliseconds", "s": "seconds", "sec": "seconds", "min": "minutes", "h": "hours", "d": "days",
}  # fmt: skip

TAKEN_METRICS = frozenset({"sightline_kpi_status", "sightline_kpi_age_seconds"})
"""What ``/metrics`` tells of all KPIs."""


def metric_name(kpi: str, unit: str) -> str:
    """What Prometheus calls a KPI: its name and its unit, spelled out, once: ``sightline_kpi_revenue_eur``."""
    name, tail = (
        re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") for text in (kpi, _SPELLED.get(unit, unit))
    )
    said = not tail or name == tail or name.endswith(f"_{tail}")
    return f"sightline_kpi_{name}" if said else f"sightline_kpi_{name}_{tail}"
