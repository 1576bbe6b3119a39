"""The clock of the machine."""

from __future__ import annotations

import time


class SystemClock:
    """Wall-clock time that never runs backwards within this process, though the machine's clock may be set back."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        self._last = max(self._last, time.time_ns() // 1_000_000)
        return self._last
