"""Real servers for tests: each ends with the ``with`` block, and each is private to it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.requirements import Requirement, missing

ROOT = Path(__file__).resolve().parent.parent
KAFKA = ROOT / "scripts" / "kafka"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def kafka_broker() -> Iterator[str]:
    """The address of a Kafka broker."""
    if given := os.environ.get("SIGHTLINE_TEST_KAFKA"):
        yield given
        return
    if shutil.which("java") is None:
        missing(Requirement.KAFKA, "there is no java")
    with tempfile.TemporaryDirectory(prefix="sightline-kafka-", ignore_cleanup_errors=True) as folder:
        started = _script("start", "--data", folder)
        if started.returncode != 0:
            missing(Requirement.KAFKA, started.stderr.strip().splitlines()[-1])
        try:
            yield started.stdout.strip()
        finally:
            _script("stop", "--data", folder)


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(KAFKA), *arguments]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        # Files, not pipes: the broker inherits them and would keep a pipe open.
        done = subprocess.run(command, check=False, stdout=out, stderr=err)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, out.read(), err.read())


@contextmanager
def postgres_server() -> Iterator[str]:
    """An SQLAlchemy URL (psycopg) of a server's maintenance database; its user may create databases."""
    if given := os.environ.get("SIGHTLINE_TEST_POSTGRES"):
        yield given
        return
    binaries = _postgres_binaries()
    with tempfile.TemporaryDirectory(prefix="sightline-postgres-", ignore_cleanup_errors=True) as folder:
        user = _unprivileged(Path(folder))
        data, port = Path(folder) / "data", free_port()
        control = [str(binaries / "pg_ctl"), "-D", str(data), "-s", "-w"]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -F"
        _run(
            [str(binaries / "initdb"), "-D", str(data), "-U", "sightline", "-A", "trust", "-E", "UTF8", "-N"],
            user,
        )
        _run([*control, "-l", str(Path(folder) / "log"), "-o", options, "start"], user)
        try:
            yield f"postgresql+psycopg://sightline@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], user)


def _postgres_binaries() -> Path:
    """The folder with ``initdb`` and ``pg_ctl``; Debian keeps them off the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda at: at.parent.name, reverse=True)
    if on_path := shutil.which("pg_ctl"):
        folders.insert(0, Path(on_path).parent)
    found = next(
        (each for each in folders if (each / "initdb").exists() and (each / "pg_ctl").exists()), None
    )
    if found is None:
        missing(Requirement.POSTGRES, "there is no pg_ctl")
    return found


def _unprivileged(folder: Path) -> str | None:
    """PostgreSQL refuses root: then the folder is given to another user, who is named."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return user


def _run(command: list[str], user: str | None) -> None:
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(command, check=False, stdout=out, stderr=out, user=user, cwd="/")
        out.seek(0)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {out.read()}")


def chromium() -> str:
    """The path of a Chromium."""
    given = os.environ.get("SIGHTLINE_TEST_CHROMIUM")
    found = (
        given or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )
    if found is None:
        missing(Requirement.BROWSER, "there is no chromium")
    return found
