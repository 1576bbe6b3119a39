"""Ending what may end in odd ways, or not at all.

aiokafka waits for a broker, and Faust's consumer lives in a thread of its own: a call into that thread which its end
cuts off raises ``CancelledError`` here, though nobody has cancelled us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

_CANCELLED_S = 0.5
"""What swallows a cancellation (services of mode do) is not waited for longer."""


async def ended(work: Awaitable[Any], within: float) -> BaseException | None:
    """Let ``work`` end, cut off after ``within`` seconds; returns what it raised, a cancellation of its own included.

    ``TimeoutError`` where it goes on in spite of that: it is left alone then. Only when the caller is cancelled is
    ``CancelledError`` raised.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=within)
    finally:
        task.cancel()
    await asyncio.wait({task}, timeout=_CANCELLED_S)
    if not task.done():
        task.add_done_callback(_read)
        return TimeoutError(f"{task.get_name()} does not end")
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def cancelled_from_within() -> bool:
    """In an ``except CancelledError``: whether it was not this task that somebody has cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0


def _read(task: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more: its error is not to be complained about."""
    if not task.cancelled():
        task.exception()
