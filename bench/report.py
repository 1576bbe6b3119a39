"""Figures with their aims and conditions: a table for people, JSON in ``bench/out/`` for comparisons."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).parent / "out"
AT_MOST = frozenset({"s", "times the cost"})
"""Units of which less is better."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``aim`` is a bound in the same unit: at least for rates, at most for ``AT_MOST``."""

    name: str
    value: float
    unit: str
    aim: float | None = None
    conditions: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without one."""
        if self.aim is None:
            return None
        return self.value <= self.aim if self.unit in AT_MOST else self.value >= self.aim


def _amount(value: float, unit: str) -> str:
    return f"{value:,.4g} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def report(figures: Sequence[Figure]) -> Path:
    """Print the table and write the JSON; returns its path."""
    table = Table("what", "figure", "aim", "", "conditions", box=None, header_style="dim")
    for figure in figures:
        sign = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        side = "≤" if figure.unit in AT_MOST else "≥"
        aim = "" if figure.aim is None else f"{side} {_amount(figure.aim, figure.unit)}"
        conditions = ", ".join(f"{name} {value}" for name, value in figure.conditions.items())
        table.add_row(figure.name, _amount(figure.value, figure.unit), aim, sign, conditions)
    Console().print(table)
    OUT.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = OUT / f"{at:%Y%m%dT%H%M%SZ}.json"
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    path.write_text(
        json.dumps(
            {"at": at.isoformat(), "machine": machine, "figures": [asdict(f) for f in figures]}, indent=2
        )
    )
    return path
