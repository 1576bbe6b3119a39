"""The name under which a worker is known to its group: the same after a restart, never that of another live worker.

A static member that comes back within the session timeout gets its partitions back without a rebalance, after 2 to
3 s instead of 8 to 10. Two workers with one name would throw each other out for ever; so where none is given, a
worker takes the first number that no other on this host holds, and holds it by a file lock until it dies.
"""

from __future__ import annotations

import itertools
import os
import socket
import tempfile
from pathlib import Path
from typing import IO


class Instance:
    """A name in the group of ``prefix``: ``given``, or host and number. ``release`` lets another have it."""

    def __init__(self, prefix: str, given: str = "") -> None:
        self._lock: IO[bytes] | None = None
        self.name = f"{prefix}-{given or self._free(prefix)}"

    def release(self) -> None:
        """Safe to call twice."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _free(self, prefix: str) -> str:
        for number in itertools.count():
            lock = (Path(tempfile.gettempdir()) / f"sightline-{prefix}-{number}.lock").open("ab")
            if _locked(lock):
                self._lock = lock
                return f"{socket.gethostname()}-{number}"
            lock.close()
        raise AssertionError("there is always another number")


def _locked(file: IO[bytes]) -> bool:
    if os.name == "nt":
        return True  # no advisory locks there: several workers of one Windows host need names of their own
    import fcntl  # noqa: PLC0415  # not on Windows

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
