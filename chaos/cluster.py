"""Sightline under test: real processes of the ``sightline`` command, to be killed, paused and started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
COMPANY = Path(__file__).parent / "company"
COMMAND = (sys.executable, "-c", "from sightline.cli import main; main()")
PARTITIONS = 4
READY_S = 150.0
RESTART_S = 1.0


@dataclass
class Process:
    """One process: how it is started, and where it answers."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    port: int
    log: Path
    running: subprocess.Popen[bytes] | None = None
    wanted: bool = False
    """Whether it should run: it was started, and nobody has ended it."""

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin; ``wait_ready`` waits."""
        self.wanted = True
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(
                [*COMMAND, *self.arguments, "--port", str(self.port)],
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.running is not None and self.running.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.running is not None and self.alive:
            self.running.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it; returns when it is gone, 15 s after SIGTERM at the latest."""
        self.wanted = False
        if self.running is None:
            return
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            self.running.wait(15)
        except subprocess.TimeoutExpired:
            self.running.kill()
            self.running.wait()

    def memory(self) -> int:
        """Its resident memory in bytes; 0 when it does not run."""
        if self.running is None or not self.alive:
            return 0
        pages = Path(f"/proc/{self.running.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def parts(self) -> dict[str, Any]:
        """What ``/readyz?verbose`` says, by part; empty when it does not answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz?verbose", timeout=3) as answer:
                told = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            told = json.loads(error.read())
        except (OSError, ValueError):
            return {}
        return {part["name"]: part for part in told.get("parts") or ()}

    def answers(self) -> bool:
        """Whether it answers at all."""
        return bool(self.parts())

    def ready(self) -> bool:
        """Whether all its parts are."""
        parts = self.parts()
        return bool(parts) and all(part["ready"] for part in parts.values())


@dataclass
class Cluster:
    """Parts of one installation by name; each keeps its port over its lives."""

    folder: Path
    log_url: str
    database_url: str
    prefix: str
    company: Path = COMPANY
    settings: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str, *, ready: bool = True) -> Process:
        """Start ``api``, ``recorder``, ``up`` (all in one) or a processor (``processor``, ``processor-2``)."""
        if name not in self.processes:
            self.processes[name] = self._process(name)
        process = self.processes[name]
        process.start()
        if ready:
            self.wait_ready(name)
        return process

    def wait_ready(self, *names: str) -> None:
        """Until they are ready; raises ``RuntimeError`` with the end of the log of one that dies or never is."""
        deadline = time.monotonic() + READY_S
        for name in names:
            process = self.processes[name]
            while not process.ready():
                if not process.alive or time.monotonic() > deadline:
                    raise RuntimeError(f"{name} is not ready: {process.parts()}\n{tail(process.log)}")
                time.sleep(0.1)

    def died(self) -> list[str]:
        """Who has ended by itself."""
        return [name for name, process in self.processes.items() if process.wanted and not process.alive]

    @contextmanager
    def supervised(self) -> Iterator[Counter[str]]:
        """Restart what ends by itself meanwhile, as a service manager does; yields how often, by name."""
        restarts: Counter[str] = Counter()
        over = threading.Event()

        def watch() -> None:
            while not over.wait(RESTART_S):
                for name in self.died():
                    restarts[name] += 1
                    self.processes[name].start()

        watcher = threading.Thread(target=watch, daemon=True, name="supervisor")
        watcher.start()
        try:
            yield restarts
        finally:
            over.set()
            watcher.join()

    def stop(self) -> None:
        """End all that runs."""
        for process in self.processes.values():
            process.send(signal.SIGCONT)
            process.send(signal.SIGTERM)
        for process in self.processes.values():
            process.end()

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    @property
    def api(self) -> Process:
        """Where events are posted and numbers are read."""
        return self.processes.get("up") or self.processes["api"]

    def _process(self, name: str) -> Process:
        part = name.partition("-")[0]
        arguments = ("up", str(self.company)) if part == "up" else ("run", part)
        if part == "api":
            arguments = ("run", part, str(self.company))
        return Process(arguments, self._environment(name), free_port(), self.folder / f"{name}.log")

    def _environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SIGHTLINE_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "SIGHTLINE_BROKER__URL": self.log_url,
            "SIGHTLINE_BROKER__PREFIX": self.prefix,
            "SIGHTLINE_BROKER__PARTITIONS": str(PARTITIONS),
            "SIGHTLINE_DATABASE__URL": self.database_url,
            "SIGHTLINE_PROCESSING__SNAPSHOT_MS": "300",
            "SIGHTLINE_PROCESSING__INSTANCE": name,
            **self.settings,
        }


def tail(log: Path, size: int = 3_000) -> str:
    """The end of a process's log."""
    return log.read_bytes()[-size:].decode(errors="replace") if log.exists() else ""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
