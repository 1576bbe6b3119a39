"""The program itself in a child process: started as a user would, on temporary files, asked over HTTP."""

from __future__ import annotations

import http.client
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
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
def folder(broker: str | None = None) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """A temporary folder, and an environment that puts the database there, and the log too unless on this Kafka."""
    with tempfile.TemporaryDirectory(prefix="sightline-bench-", ignore_cleanup_errors=True) as name:
        yield (
            Path(name),
            {
                **os.environ,
                "SIGHTLINE_BROKER__URL": f"kafka://{broker}" if broker else f"embedded://{name}/log",
                "SIGHTLINE_BROKER__PREFIX": f"bench-{Path(name).name[-8:]}",
                "SIGHTLINE_BROKER__PARTITIONS": str(PARTITIONS),
                "SIGHTLINE_DATABASE__URL": f"sqlite+aiosqlite:///{name}/sightline.sqlite",
            },
        )


@contextmanager
def running(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """``sightline ARGUMENTS`` for as long as the block lasts."""
    env = dict(os.environ if env is None else env)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start finds its modules compiled
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


def post(port: int, bodies: Sequence[bytes], connections: int) -> None:
    """All of them to ``/api/v1/events``, each connection one after another. Raises ``RuntimeError`` unless all events
    are accepted.
    """

    def send(mine: Sequence[bytes]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for body in mine:
                post_one(connection, body)

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, [bodies[at::connections] for at in range(connections)]))


def post_one(connection: http.client.HTTPConnection, body: bytes) -> None:
    """One request of ``post``."""
    connection.request("POST", "/api/v1/events", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != http.HTTPStatus.ACCEPTED or b'"rejected":[]' not in said:
        raise RuntimeError(f"{answer.status}: {said[:500]!r}")


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
