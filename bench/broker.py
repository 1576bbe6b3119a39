"""A real Kafka for benchmarks: the one that ``SIGHTLINE_TEST_KAFKA`` names, or one of our own on a temporary folder.

Where there are two cores, the broker and whoever feeds it keep to the last one, what is measured to the first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "kafka"


def cores() -> tuple[int, int]:
    """(the one for what is measured, the one for everything else)."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


@contextmanager
def aside() -> Iterator[None]:
    """This process and what it starts keep to the other core meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def broker() -> Iterator[str | None]:
    """``HOST:PORT``; None where there is no Kafka (said why)."""
    if given := os.environ.get("SIGHTLINE_TEST_KAFKA"):
        yield given
        return
    if shutil.which("java") is None:
        print("  skipped: Kafka needs Java 17 (see scripts/kafka), or name one in SIGHTLINE_TEST_KAFKA")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sightline-bench-", ignore_cleanup_errors=True) as folder:
        address = _script("start", "--data", folder)
        try:
            yield address
        finally:
            _script("stop", "--data", folder)


def _script(*arguments: str) -> str | None:
    with tempfile.TemporaryFile("w+") as out:  # not a pipe: the broker inherits it and would keep it open
        done = subprocess.run([sys.executable, str(SCRIPT), *arguments], check=False, stdout=out)
        out.seek(0)
        said = out.read().strip()
    return said if done.returncode == 0 else None
