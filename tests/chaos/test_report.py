"""What is said of rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from chaos.report import Outcome, markdown, write

FINE = Outcome("a", "A", repetitions=3, events=1000, cells=50, healed=1.25, longest_gap=2.0)
WRONG = Outcome("b", "B", wrong=1, differences=("now orders: 1 instead of 2",))
SKIPPED = Outcome("c", "C", skipped="there is no Kafka")


def test_a_row_holds_where_nothing_differs() -> None:
    """One that was skipped says nothing."""
    assert [outcome.holds for outcome in (FINE, WRONG, SKIPPED)] == [True, False, False]


def test_the_table_says_what_came_of_each_row() -> None:
    """Numbers, never, and what was skipped."""
    *_, fine, wrong, skipped = markdown([FINE, WRONG, SKIPPED]).splitlines()
    assert fine == "| A | 3 | 1,000 | 50 | 0 | 0 | 0 | 2.0 s | 1.2 s |"
    assert wrong.endswith("| 1 | 0 | 0 | 0.0 s | never |")
    assert skipped.startswith("| C | skipped |")


def test_json_keeps_all_of_it(tmp_path: Path) -> None:
    """Also what differed."""
    path = write([WRONG], 7, datetime(2026, 1, 2, tzinfo=UTC), tmp_path)
    told = json.loads(path.read_text())
    assert told["seed"] == 7
    assert told["rows"][0]["differences"] == ["now orders: 1 instead of 2"]
