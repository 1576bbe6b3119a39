"""A KPI's history from closed windows: merged to the scope and the step asked for, never across versions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services.adapters.database import Database
from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.aggregates import Aggregates, pack_state
from services.domain.catalogue import (
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Step,
    Window,
    WindowKind,
)
from services.domain.facts import ClosedWindow, ClosedWindows
from services.domain.history import Point
from services.domain.program import Program
from services.histories import Histories, held

HOUR, DAY = 3_600_000, 86_400_000
ROLLING = Window(WindowKind.ROLLING, DAY)
MEAN = Kpi(
    "price",
    "Price",
    "o",
    KpiType.SIMPLE,
    ROLLING,
    "1h",
    "EUR",
    ("site",),
    measure=MeasureSpec(Agg.AVG, event="sold", field="price"),
)
LEVEL = Kpi(
    "open", "Open", "o", KpiType.LEVEL, ROLLING, "1h", "orders", ("site",), process="order", of="open"
)
FIELDS = {
    "price": Field("price", FieldType.DECIMAL, "EUR", 2),
    "site": Field("site", FieldType.STRING),
    "order": Field("order", FieldType.STRING),
}
SOLD = EventType("sold", "", FIELDS, {"order": "order"}, ("site",))
ORDER = Process("order", "order", (Step("sold", "sold"),), "sold", (), {"site": ("sold", "site")})
PROGRAM = load_program(
    to_text(with_digest(Catalogue({"sold": SOLD}, {"order": ORDER}, {"price": MEAN, "open": LEVEL})))
)


class Programs:
    """One program for all runs."""

    async def program(self, tenant: str, run: str) -> Program:
        return PROGRAM


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/db.sqlite")
    await database.start()
    yield database
    await database.stop()


def window(kpi: str, hour: int, site: str, n: int, total: int | None = None) -> ClosedWindow:
    """``total`` in cents; None: a level that changed by ``n``."""
    columns = {"n": np.array([n])} | ({} if total is None else {"sum": np.array([total])})
    state = pack_state({"value": Aggregates(Agg.COUNT if total is None else Agg.AVG, columns)})
    version = PROGRAM.kpis[kpi].version
    return ClosedWindow(kpi, version, {"site": site}, hour * HOUR, (hour + 1) * HOUR, 1, 0.0, n, state)


async def read(
    database: Database,
    kpi: str,
    *,
    start: int = 0,
    end: int | None = None,
    step: str = "1h",
    **scope: str,
) -> list[tuple[int, float | None]]:
    histories = Histories(database.history, Programs())
    points: Sequence[Point] = await histories.of(
        "default", "live", kpi, start=start, end=end, step=step, scope=scope
    )
    assert all(point.end > point.start for point in points)
    return [(point.start // HOUR, point.value) for point in points]


async def keep(database: Database, *windows: ClosedWindow) -> None:
    await database.history.record([ClosedWindows("default", "live", 0, 0, list(windows))])


async def test_a_mean_is_merged_from_sums_and_counts(database: Database) -> None:
    """Not from means: over scopes, and over hours of a day."""
    await keep(
        database,
        window("price", 1, "A", 1, 100),
        window("price", 1, "B", 3, 900),
        window("price", 30, "A", 2, 400),
    )
    assert await read(database, "price") == [(1, 2.5), (30, 2.0)]
    assert await read(database, "price", site="A") == [(1, 1.0), (30, 2.0)]
    assert await read(database, "price", step="1d") == [(0, 2.5), (24, 2.0)]
    assert await read(database, "price", site="nowhere") == []


async def test_slots_are_those_that_start_in_the_span_and_they_are_whole(database: Database) -> None:
    """Also where a day goes on beyond the end of the span."""
    await keep(database, *(window("price", hour, "A", 1, 100 * hour) for hour in range(30)))
    assert await read(database, "price", start=2 * HOUR, end=4 * HOUR) == [(2, 2.0), (3, 3.0)]
    assert await read(database, "price", end=2 * HOUR, step="1d") == [(0, 11.5)]


async def test_a_level_adds_up_and_holds_while_nothing_changes(database: Database) -> None:
    """From the run's beginning, whatever span is asked for, up to the last slot told at any scope."""
    changes = (window("open", 0, "A", 5), window("open", 0, "B", 1), window("open", 3, "A", -2))
    await keep(database, *changes, window("open", 5, "B", 4))
    assert await read(database, "open") == [(0, 6.0), (1, 6.0), (2, 6.0), (3, 4.0), (4, 4.0), (5, 8.0)]
    assert await read(database, "open", site="A", start=4 * HOUR) == [(4, 3.0), (5, 3.0)]
    assert await read(database, "open", end=2 * HOUR) == [(0, 6.0)]


async def test_windows_of_another_version_are_not_mixed_in(database: Database) -> None:
    """A KPI that was defined anew starts its history anew."""
    await keep(
        database,
        window("price", 1, "A", 1, 100),
        replace(window("price", 2, "A", 1, 100), kpi_version="other"),
    )
    assert await read(database, "price") == [(1, 1.0)]


def test_nothing_held_is_nothing() -> None:
    """A level that was never told has no history."""
    assert held([], "1h", "UTC", 10 * HOUR) == []
