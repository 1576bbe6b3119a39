"""What came of the rows: a table for people and for docs/reliability.md, and JSON in ``chaos/out/``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).parent / "out"
SHOWN = 12
"""Differences that are kept per row; all are counted."""


@dataclass(frozen=True)
class Outcome:
    """One row. ``longest_gap`` is the longest time (s) without news on the live stream while events came, ``healed``
    how long after the last event (s) everything was right; None where it never was. ``skipped`` says why, and ``known``
    why it is known not to hold.
    """

    name: str
    title: str
    repetitions: int = 0
    events: int = 0
    cells: int = 0
    wrong: int = 0
    lost: int = 0
    twice: int = 0
    longest_gap: float = 0.0
    healed: float | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    skipped: str | None = None
    known: str | None = None
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether all is as it must be; a row that was skipped says nothing."""
        return self.skipped is None and not (self.wrong or self.lost or self.twice or self.differences)


HEAD = ("fault", "repetitions", "events", "cells", "wrong", "lost", "twice", "longest gap", "right after")


def cells(outcome: Outcome) -> tuple[str, ...]:
    """A row of the table, as texts."""
    if outcome.skipped is not None:
        return (outcome.title, "skipped", *["-"] * (len(HEAD) - 2))
    counts = (outcome.repetitions, outcome.events, outcome.cells, outcome.wrong, outcome.lost, outcome.twice)
    healed = "never" if outcome.healed is None else f"{outcome.healed:.1f} s"
    return (outcome.title, *(f"{count:,}" for count in counts), f"{outcome.longest_gap:.1f} s", healed)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table for docs/reliability.md."""
    lines = [HEAD, ("---", *["--:"] * (len(HEAD) - 1)), *map(cells, outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the table, and beneath it what there is to say of its rows."""
    console = Console()
    table = Table(*HEAD, box=None, header_style="dim")
    for outcome in outcomes:
        style = "dim" if outcome.skipped else "" if outcome.holds else "red"
        table.add_row(*cells(outcome), style=style)
    console.print(table)
    for outcome in outcomes:
        for line in (*outcome.notes, *outcome.differences, *filter(None, (outcome.skipped, outcome.known))):
            console.print(f"  {outcome.name}: {line}", markup=False, highlight=False)


def write(outcomes: Sequence[Outcome], seed: int, at: datetime, out: Path = OUT) -> Path:
    """JSON, and the table in Markdown beside it, of a run that began ``at``; returns the path of the JSON."""
    out.mkdir(exist_ok=True, parents=True)
    path = out / f"{at:%Y%m%dT%H%M%SZ}.json"
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    told = {"at": at.isoformat(), "seed": seed, "machine": machine, "rows": [asdict(one) for one in outcomes]}
    path.write_text(json.dumps(told, indent=2))
    path.with_suffix(".md").write_text(markdown(outcomes) + "\n")
    return path
