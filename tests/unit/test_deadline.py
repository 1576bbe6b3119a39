"""A process that is to end does, whatever holds it: seen on processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

HELD = """
import threading
from sightline.deadline import Deadline
threading.Thread(target=threading.Event().wait, name="consumer", daemon=False).start()
Deadline(0.2).begin()
"""
ORDERLY = """
from sightline.deadline import Deadline
Deadline(600).begin()
"""
HANGING = """
import asyncio, threading
from sightline.deadline import watch_loop
async def main():
    watch_loop(asyncio.get_running_loop(), 0.2)
    await asyncio.sleep(0)
    def blocking_call():
        threading.Event().wait()
    blocking_call()
asyncio.run(main())
"""
BUSY = """
import asyncio, time
from sightline.deadline import watch_loop
async def main():
    over = watch_loop(asyncio.get_running_loop(), 60)
    for _ in range(3):
        time.sleep(0.05)
        await asyncio.sleep(0)
    over()
asyncio.run(main())
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_is_held_by_a_thread_is_ended_when_its_time_is_over() -> None:
    """With an exit code of its own, and a line that says who held it."""
    done = run(HELD)
    assert done.returncode == 4
    assert "did not stop within 0.2 s and was ended; held by" in done.stderr
    assert "consumer" in done.stderr


def test_what_ends_in_time_ends_as_always() -> None:
    """The deadline holds nobody up."""
    done = run(ORDERLY)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_whose_event_loop_hangs_ends_and_says_where_it_was() -> None:
    """A supervisor can then start it again."""
    done = run(HANGING)
    assert done.returncode == 4
    assert "the event loop has not come round" in done.stderr
    assert "blocking_call" in done.stderr


def test_a_busy_event_loop_is_left_alone() -> None:
    """What comes round in time is not stuck."""
    done = run(BUSY)
    assert (done.returncode, done.stderr) == (0, "")
