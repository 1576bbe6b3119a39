"""Processes whose opening is announced, against the naive model of the same events without one.

From the opening on levels are what the model says, and before it unknown; due times count from then on.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import with_digest
from services.domain.catalogue import Agg, Catalogue, Kpi, KpiType, MeasureSpec, Opening, Window, WindowKind
from services.domain.frames import Kind
from tests.naive import model
from tests.unit.domain.test_engine_equals_naive import (
    DAY,
    FILTERS,
    HOUR,
    MINUTE,
    ORDERS,
    START,
    Engine,
    events_of,
    latest,
    script,
)

LEVELS: dict[str, dict[str, Any]] = {
    "open": {"of": "open"},
    "overdue": {"of": "overdue", "due": "promise"},
    "waiting": {"of": "waiting", "step": "placed"},
    "left": {"of": "open", "quantity": "left"},
}
OUTCOMES = ("due", "kept", "missed", "unknown", "late")


def catalogue_of(opening: Opening | None) -> Catalogue:
    more: dict[str, Any] = {
        "grain": "1h",
        "unit": "1",
        "reopen_ms": 300 * DAY,
        "window": Window(WindowKind.ALL_TIME),
    }
    kpis = [
        Kpi(
            name=name,
            title=name,
            owner="a@example.com",
            type=KpiType.LEVEL,
            process="orders",
            **given,
            **more,
        )
        for name, given in LEVELS.items()
    ]
    for outcome in OUTCOMES:
        measure = MeasureSpec(Agg.COUNT, process="orders", due="promise", outcome=outcome)
        kpis.append(
            Kpi(
                name=outcome,
                title=outcome,
                owner="a@example.com",
                type=KpiType.SIMPLE,
                measure=measure,
                **more,
            )
        )
    processes = {"orders": replace(ORDERS, opening=opening)}
    return with_digest(Catalogue(events_of(()), processes, {one.name: one for one in kpis}))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_levels_begin_with_the_opening(seed: int, partitions: int) -> None:
    """Whenever it is announced, and announced again; also where nobody ever does."""
    rng = random.Random(seed)
    engine = Engine(catalogue_of(Opening.ANNOUNCED), partitions)
    naive = model.Engine(catalogue_of(None), FILTERS, partitions)
    frames = script(seed, partitions)
    instants = [START + rng.randint(-40, 60) * HOUR for _ in range(rng.randint(0, 2))]
    waiting = list(instants)
    for frame in frames:
        engine.frame(frame.ingest, frame.events)
        naive.frame(frame.ingest, frame.events)
        if waiting and rng.random() < 0.3:
            engine.mark(Kind.OPENING, frame.ingest, process="orders", instant=waiting.pop(0))
        for observer, restart in frame.observers:
            engine.turn(observer, restart=restart)
        for number in frame.judges:
            engine.judge(number)
    last = latest(frames)
    for number, instant in enumerate(waiting):
        engine.mark(Kind.OPENING, last + number * MINUTE + 1, process="orders", instant=instant)
    end = (last // HOUR + 2) * HOUR - 1
    engine.finish(end)
    naive.finish(end)
    opened = instants[-1] if instants else 2**62
    placed = min((one.time for one in naive_events(frames) if one.type == "placed"), default=2**62)
    for kpi in naive.catalogue.kpis.values():
        compare(engine, naive, kpi, opened, placed)


def naive_events(frames: list[Any]) -> list[model.Event]:
    return [event for frame in frames for event in frame.events]


def compare(engine: Engine, naive: model.Engine, kpi: Kpi, opened: int, placed: int) -> None:
    """``opened``: when; ``placed``: when the first order was."""
    expected = {at: value for (scope, at), (value, _) in naive.history(kpi).items() if scope == ()}
    told = {at: one.value for (name, _, at), one in engine.windows.items() if name == kpi.name}
    if kpi.type is KpiType.LEVEL:
        for at, value in told.items():
            known = at + HOUR > opened and at + HOUR > placed
            assert (value is not None) == known, (kpi.name, at)
            if known and at in expected:
                assert value == expected.get(at, 0), (kpi.name, at)
        now = engine.values[kpi.name, ()]
        known = max(opened, placed) < now.window_end
        assert now.value == (naive.current(kpi)[()][0] if known else None), kpi.name
        assert (now.reason == "no_opening") == (not known)
        return
    since = 0 if kpi.name == "late" else opened
    for at, value in told.items():
        if at >= since:
            assert value == expected.get(at, 0), (kpi.name, at)
        elif at + HOUR <= since:
            assert value in {None, 0}, (kpi.name, at)
    for at, value in expected.items():
        assert at < since or not value or at in told, (kpi.name, at)
