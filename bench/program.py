"""The program itself in a child process: started as a user would, on temporary files, asked over HTTP."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOOK_S = 0.02
PARTITIONS = 4
"""As the demo has it: enough for one process."""
COMMAND = (sys.executable, "-c", "from sightline.cli import main; main()")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder() -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A temporary folder, and an environment that puts the log and the database there."""
    with tempfile.TemporaryDirectory(prefix="sightline-bench-", ignore_cleanup_errors=True) as name:
        yield (
            Path(name),
            {
                **os.environ,
                "SIGHTLINE_BROKER__URL": f"embedded://{name}/log",
                "SIGHTLINE_BROKER__PARTITIONS": str(PARTITIONS),
                "SIGHTLINE_DATABASE__URL": f"sqlite+aiosqlite:///{name}/sightline.sqlite",
            },
        )


@contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """``sightline ARGUMENTS`` for as long as the block lasts."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([*COMMAND, *arguments], env=env, stdout=said, stderr=said)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def get(url: str) -> Any:
    """The JSON there; None while nobody answers, or refuses."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def until(fact: Callable[[], bool], process: subprocess.Popen[bytes], within_s: float) -> None:
    """Look again and again. Raises ``RuntimeError`` when the program ends or too much time passes."""
    deadline = time.perf_counter() + within_s
    while not fact():
        if process.poll() is not None or time.perf_counter() > deadline:
            raise RuntimeError(f"the program did not get there within {within_s:.0f} s")
        time.sleep(LOOK_S)


def cpu_seconds(pid: int) -> float:
    """What a process has used of all cores so far (Linux; elsewhere NaN)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    """What all ended children of this process have used of all cores (s)."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
