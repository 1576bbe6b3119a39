"""SIGTERM under load: each process stops by itself, in order, before its deadline ends it."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cluster import Cluster
from chaos.feeding import HttpFeeder
from chaos.stage import stream
from sightline.deadline import EXIT_STUCK

WAIT_S = 30
"""When a process that does not even heed its deadline fails the test."""


@pytest.fixture
def cluster(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[Cluster]:
    """API, recorder and processor, ready."""
    database = f"sqlite+aiosqlite:///{tmp_path}/sightline.sqlite"
    made = Cluster(tmp_path, f"kafka://{kafka}", database, topic_prefix)
    try:
        for name in ("api", "recorder", "processor"):
            made.start(name, ready=False)
        made.wait_ready("api", "recorder", "processor")
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(300)
def test_each_part_stops_in_time_under_load(cluster: Cluster) -> None:
    """Exit code 0 says that it was done before the deadline of 5 s; a process that was held up has another one."""
    seed = random.Random(5).randrange(1 << 30)
    feeder = HttpFeeder(stream(seed, 3_000).sent, 1_000, cluster.api.url)
    feeder.start()
    codes: dict[str, int | None] = {}
    try:
        while feeder.sent < 2_000 and feeder.is_alive():
            feeder.join(0.05)
        for name in ("processor", "recorder", "api"):
            process = cluster[name]
            process.wanted = False
            process.send(signal.SIGTERM)
            codes[name] = _code(process.running)
    finally:
        feeder.stop()
    assert EXIT_STUCK not in codes.values(), {name: cluster[name].log.read_text() for name in codes}
    assert codes == {"processor": 0, "recorder": 0, "api": 0}


def _code(running: subprocess.Popen[bytes] | None) -> int | None:
    if running is None:
        return None
    try:
        return running.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        return None
