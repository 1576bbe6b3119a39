"""Whether what should move does. A worker that is stuck ends, so that its supervisor starts another one.

That a process is up says nothing: a consumer can lose its membership, its recovery or an assignment and go on saying
that all is well (aiokafka issue 1154, faust-streaming issue 596). What says something is whether it gets on while
records wait in the log, as another client sees it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import NamedTuple

from services.errors import Stuck, Unavailable

_LOOKS, _SELDOM = 8, 10.0
_log = logging.getLogger(__name__)


class Mark(NamedTuple):
    """Where something is, and whether it has somewhere to go. ``slow`` (s) is what it may take more than others."""

    position: int
    waits: bool
    slow: float = 0.0


class Liveness:
    """Remembers of each mark since when it has not moved though it could; ``patience`` is in seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[str, tuple[int, float]] = {}

    def stuck(self, marks: Mapping[str, Mark], now: float) -> str | None:
        """What has not moved for too long, told to a person. A mark that is not named any more is forgotten."""
        before = self._since
        self._since = {
            name: (mark.position, before[name][1])
            if name in before and before[name][0] == mark.position
            else (mark.position, now)
            for name, mark in marks.items()
            if mark.waits
        }
        for name, (position, since) in self._since.items():
            if now - since > self._patience + marks[name].slow:
                return f"{name} has stood at {position} for {now - since:.0f} s, though more waits"
        return None


async def watch(marks: Callable[[], Awaitable[Mapping[str, Mark]]], patience: float) -> None:
    """Look at ``marks`` now and then; raises ``Stuck`` once one has not moved for ``patience`` (s) though it could.

    While the log does not answer (``Unavailable``, or not in time) nothing is judged.
    """
    liveness = Liveness(patience)
    while True:
        await asyncio.sleep(min(patience / _LOOKS, _SELDOM))
        try:
            async with asyncio.timeout(patience):
                found = await marks()
        except (Unavailable, TimeoutError) as error:
            _log.warning("nobody can tell what waits: %s", error)
            liveness = Liveness(patience)
            continue
        if (why := liveness.stuck(found, monotonic())) is not None:
            raise Stuck(why, remedy="its supervisor starts it again; see before this what it was doing")
