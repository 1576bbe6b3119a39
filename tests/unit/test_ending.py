"""Cancellation that comes from inside is told apart from our own."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from services.ending import cancelled_from_within, ended


async def cut_off() -> None:
    """As a call into a thread that ends before it has answered."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.cancel()
    await answer


async def test_what_is_cut_off_inside_does_not_cancel_the_one_who_waits() -> None:
    """It has ended, and how is told."""
    assert isinstance(await ended(cut_off(), 60), asyncio.CancelledError)


async def test_what_ends_well_or_badly_or_not_in_time_has_ended() -> None:
    """Nothing, its error, or a cancellation; whatever it is, it does not go on."""
    assert await ended(asyncio.sleep(0), 60) is None
    assert isinstance(await ended(_raise(), 60), ZeroDivisionError)
    assert isinstance(await ended(asyncio.Event().wait(), 0), asyncio.CancelledError)


async def test_what_swallows_its_cancellation_is_not_waited_for() -> None:
    """It goes on, and whoever ends it goes on, too."""
    over = asyncio.Event()

    async def stubborn() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    async with asyncio.timeout(30):
        assert isinstance(await ended(stubborn(), 0), TimeoutError)
    over.set()


async def _raise() -> None:
    raise ZeroDivisionError


async def test_the_one_who_waits_can_still_be_cancelled() -> None:
    """And then so is the work."""
    begun = asyncio.Event()
    over: list[bool] = []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            over.append(True)

    waiting = asyncio.create_task(ended(work(), 60))
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    assert over == [True]


async def test_whose_cancellation_it_is_can_be_told() -> None:
    """From within, or of the task itself."""
    heard: list[bool] = []

    async def listen(work: asyncio.Future[None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            heard.append(cancelled_from_within())

    await listen(asyncio.ensure_future(cut_off()))
    task = asyncio.create_task(listen(asyncio.get_running_loop().create_future()))
    await asyncio.sleep(0)
    task.cancel()
    await task
    assert heard == [True, False]
