"""The benchmarks can be started by name; nothing is measured here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from datetime import datetime
from itertools import islice

import pytest

from bench.__main__ import NAMES
from bench.peers import question
from bench.report import Figure
from bench.simulated import START, demo_catalogue, simulated
from services.intake.events import Event, Validator
from tests.servers import ROOT


@pytest.mark.parametrize("name", NAMES)
def test_each_named_benchmark_can_be_run(name: str) -> None:
    """Every name stands for a module with a ``run`` and a docstring that says how to start it."""
    module = importlib.import_module(f"bench.{name}")
    assert callable(module.run)
    assert f"python -m bench {name}" in (module.__doc__ or "")


def test_an_unknown_name_is_refused_and_the_known_ones_are_told() -> None:
    """A typing mistake ends with the list of names, before anything is measured."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", "olits"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert all(name in done.stderr for name in NAMES)


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("rate", 10.0, "events/s", 9.0), True),
        (Figure("rate", 8.0, "events/s", 9.0), False),
        (Figure("time", 8.0, "s", 9.0), True),
        (Figure("time", 10.0, "s", 9.0), False),
        (Figure("growth", 1.1, "times the cost", 1.2), True),
        (Figure("growth", 1.3, "times the cost", 1.2), False),
        (Figure("none", 1.0, "s"), None),
    ],
)
def test_an_aim_is_a_floor_for_rates_and_a_ceiling_for_times_and_costs(
    figure: Figure, *, met: bool | None
) -> None:
    """Whether a figure meets its aim follows from its unit."""
    assert figure.met is met


def test_the_hastened_company_is_valid_and_in_order() -> None:
    """The measured events are accepted by the intake; an hour of theirs passes in a second."""
    validator = Validator(demo_catalogue(), max_event_bytes=1 << 17)
    made = list(islice(simulated(), 2_000))
    assert all(isinstance(validator.validate(text), Event) for _, text in made)
    times = [time for time, _ in made]
    assert times == sorted(times)
    assert START <= times[-1] < START + 60_000


def test_the_answer_that_engines_are_compared_with_is_that_of_their_events() -> None:
    """Counts, sums and late ones per site and minute follow from the JSON texts, each read by itself."""
    events = question.make(2_000, START // question.MINUTE * question.MINUTE)
    found: dict[question.Slot, question.Totals] = {}
    for event in map(json.loads, events.texts):
        data, at = event["data"], datetime.fromisoformat(event["time"])
        slot = question.Slot(data["site"], int(at.replace(second=0, microsecond=0).timestamp() * 1000))
        count, amount, weight, late = found.get(slot, (0, 0.0, 0, 0))
        found[slot] = question.Totals(
            count + 1, amount + data["amount"], weight + data["weight"], late + data["late"]
        )
    assert found.keys() == events.answer.keys()
    assert all(found[slot].equals(right) for slot, right in events.answer.items())


def test_an_answer_that_is_off_by_one_event_or_one_cent_is_wrong() -> None:
    """Floats may round; nothing else may differ."""
    right = question.Totals(2, 10.30, 700, 1)
    assert question.Totals(2, 10.1 + 0.2, 700, 1).equals(right)
    assert not question.Totals(2, 10.31, 700, 1).equals(right)
    assert not question.Totals(3, 10.30, 700, 1).equals(right)
    assert not question.Totals(2, 10.30, 700, 0).equals(right)
