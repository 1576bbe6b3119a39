"""A process that is to end does, and one whose event loop hangs ends, whatever still holds it.

Faust's consumer runs in a thread that is no daemon, and whose end blocks the event loop (``mode.WorkerThread.stop``;
robinhood/faust issue 484): neither a timeout nor an exit gets past it. Nothing is lost by ending hard, since what
counts is in the log.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

END_S = 5.0
EXIT_STUCK = 4
_BEAT_S = 1.0

End = Callable[[int], object]


class Deadline:
    """``begin`` when ending has begun: ``within_s`` later the process is gone, with ``EXIT_STUCK``."""

    def __init__(self, within_s: float = END_S, end: End = os._exit) -> None:
        self._within, self._end = within_s, end
        self._timer: threading.Timer | None = None

    def begin(self) -> None:
        """Safe to call again: what counts is the first time."""
        if self._timer is None:
            self._timer = threading.Timer(self._within, self._pass)
            self._timer.daemon = True
            self._timer.start()

    def _pass(self) -> None:
        held = [thread.name for thread in threading.enumerate() if not thread.daemon]
        _say(f"it did not stop within {self._within:g} s and was ended; held by {', '.join(held)}:")
        faulthandler.dump_traceback(sys.stderr)
        self._end(EXIT_STUCK)


def watch_loop(loop: asyncio.AbstractEventLoop, patience_s: float, end: End = os._exit) -> Callable[[], None]:
    """End the process once ``loop`` has not come round for ``patience_s``; returns what ends the watch.

    Only seconds in which the process runs count: one that was paused is not stuck.
    """
    over = threading.Event()
    threading.Thread(
        target=_watch_loop, args=(loop, patience_s, end, over), daemon=True, name="loop watch"
    ).start()
    return over.set


def _watch_loop(loop: asyncio.AbstractEventLoop, patience_s: float, end: End, over: threading.Event) -> None:
    beat, missed = threading.Event(), 0.0
    interval = min(_BEAT_S, patience_s)
    while missed < patience_s:
        beat.clear()
        try:
            loop.call_soon_threadsafe(beat.set)
        except RuntimeError:  # it is closed
            return
        if over.wait(interval):
            return
        missed = 0.0 if beat.is_set() else missed + interval
    _say(f"the event loop has not come round for {missed:g} s and the process was ended; it was here:")
    faulthandler.dump_traceback(sys.stderr)
    end(EXIT_STUCK)


def _say(what: str) -> None:
    sys.stderr.write(f"error: {what}\n")
    sys.stderr.flush()
