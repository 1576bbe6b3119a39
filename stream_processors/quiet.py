"""Keeps what the libraries log readable: warnings and errors, the same one at most every ten seconds.

While a broker is away, aiokafka says so some thousand times a second.
"""

from __future__ import annotations

import logging
from time import monotonic

_LIBRARIES = ("faust", "mode", "aiokafka")
_EVERY = 10.0


class Seldom(logging.Filter):
    """Lets a message (its text before arguments are filled in) pass once in ``every`` seconds."""

    def __init__(self, every: float = _EVERY) -> None:
        super().__init__()
        self._every = every
        self._told: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it may pass."""
        now, text = monotonic(), str(record.msg)[:60]
        if now - self._told.get(text, -self._every) < self._every:
            return False
        self._told[text] = now
        return True


_seldom = Seldom()


def quieten() -> None:
    """Apply it to every logger that these libraries have by now. Safe to call again."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _LIBRARIES:
            logging.getLogger(name).addFilter(_seldom)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
