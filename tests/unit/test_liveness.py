"""Who is stuck: what does not move although it could."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest

from services.errors import Stuck, Unavailable
from services.liveness import Liveness, Mark, watch

EVENTS, COMMITTED = "events, partition 3", "events, partition 3, committed"


def test_what_waits_and_does_not_move_is_stuck_once_patience_has_passed() -> None:
    """It is named, with where it stands and for how long."""
    liveness = Liveness(patience=60)
    marks = {EVENTS: Mark(17, waits=True)}
    assert liveness.stuck(marks, 100.0) is None
    assert liveness.stuck(marks, 160.0) is None
    assert liveness.stuck(marks, 161.0) == f"{EVENTS} has stood at 17 for 61 s, though more waits"


def test_any_move_begins_the_time_anew() -> None:
    """Forwards, or back to an older snapshot."""
    liveness = Liveness(patience=60)
    assert liveness.stuck({EVENTS: Mark(17, waits=True)}, 0.0) is None
    assert liveness.stuck({EVENTS: Mark(18, waits=True)}, 61.0) is None
    assert liveness.stuck({EVENTS: Mark(12, waits=True)}, 122.0) is None
    assert liveness.stuck({EVENTS: Mark(12, waits=True)}, 182.0) is None


def test_what_has_nothing_to_do_is_never_stuck() -> None:
    """However long that lasts; its time begins when something comes."""
    liveness = Liveness(patience=60)
    assert liveness.stuck({EVENTS: Mark(17, waits=False)}, 0.0) is None
    assert liveness.stuck({EVENTS: Mark(17, waits=False)}, 1000.0) is None
    assert liveness.stuck({EVENTS: Mark(17, waits=True)}, 1001.0) is None
    assert liveness.stuck({EVENTS: Mark(17, waits=True)}, 1061.0) is None


def test_what_was_taken_away_is_forgotten() -> None:
    """A partition that comes back later has its whole time."""
    liveness = Liveness(patience=60)
    assert liveness.stuck({EVENTS: Mark(17, waits=True)}, 0.0) is None
    assert liveness.stuck({}, 30.0) is None
    assert liveness.stuck({EVENTS: Mark(17, waits=True)}, 90.0) is None


def test_what_is_slow_by_nature_has_more_time() -> None:
    """An offset is committed only with a snapshot; what else stands still is not hidden by it."""
    liveness = Liveness(patience=60)
    marks = {COMMITTED: Mark(9, waits=True, slow=60)}
    assert liveness.stuck(marks, 0.0) is None
    assert liveness.stuck(marks, 120.0) is None
    assert liveness.stuck(marks, 121.0) is not None


async def test_while_the_log_is_away_nothing_is_judged() -> None:
    """The time of what waits begins anew when it answers again."""
    answers: Iterator[int | None] = iter([*[1] * 6, None, *[1] * 6, None, *[1] * 100])
    asked = 0

    async def marks() -> Mapping[str, Mark]:
        nonlocal asked
        asked += 1
        position = next(answers)
        if position is None:
            raise Unavailable("no broker")
        return {EVENTS: Mark(position, waits=True)}

    async with asyncio.timeout(60):
        with pytest.raises(Stuck, match="has stood at 1"):
            await watch(marks, 0.2)
    assert asked > 14
