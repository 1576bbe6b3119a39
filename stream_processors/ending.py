"""Ending what may end in odd ways: Faust's consumer lives in a thread of its own.

A call into that thread which its end cuts off raises ``CancelledError`` here, though nobody has cancelled us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any


async def ended(work: Awaitable[Any], within: float) -> BaseException | None:
    """Let ``work`` end, cut off after ``within`` seconds; returns what it raised, a cancellation of its own included.

    Only when the caller is cancelled is ``CancelledError`` raised.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=within)
    finally:
        task.cancel()
    await asyncio.wait({task})
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def cancelled_from_within() -> bool:
    """In an ``except CancelledError``: whether it was not this task that somebody has cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0
