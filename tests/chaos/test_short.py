"""The short form of the fault suite: real Kafka, real processes, a kill of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.broker import Broker
from chaos.faults.killing import everyone
from chaos.faults.row import Row
from chaos.stage import Scale, Servers

SCALE = Scale(orders=300, rate=400.0, repetitions=1)


@pytest.mark.timeout(400)
def test_every_number_is_exact_after_each_process_was_killed(kafka: str, tmp_path: Path) -> None:
    """Processor, recorder and intake are killed under load: every cell, case, dead letter and slot is the oracle's."""
    outcome = Row("short", "each process killed once", everyone).play(
        Servers(Broker.at(kafka, tmp_path)), 1, SCALE
    )
    assert outcome.holds, outcome.differences
    assert outcome.cells > 500
    assert outcome.repetitions == 3
