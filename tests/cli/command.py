"""Runs the ``sightline`` command as a user does: a process of its own in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "from sightline.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """The environment of a command: nothing of Sightline's but ``settings``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **settings}


def sightline(*arguments: str, cwd: Path, **settings: str) -> Answer:
    """Run the command to its end."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)
