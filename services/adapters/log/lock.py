"""One process writes an embedded log: a lock on a file that names the process that holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from services.errors import LogInUse


class FileLock:
    """Held from construction to ``release``, and never longer than the process lives."""

    def __init__(self, file: Path) -> None:
        """Raises ``LogInUse`` naming the process that holds it."""
        self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise LogInUse(
                f"the log in {file.parent} is in use by process {holder}",
                field="broker.url",
                value=str(file.parent),
                remedy="an embedded log has one process: stop that one, or post to its HTTP API",
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._fd)
