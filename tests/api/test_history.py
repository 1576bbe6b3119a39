"""A KPI's history over HTTP."""

from __future__ import annotations

import numpy as np
import pytest

from services.catalogue.canonical import load_program, to_text
from services.domain.aggregates import Aggregates, pack_state
from services.domain.catalogue import Agg
from services.domain.facts import ClosedWindow, ClosedWindows
from tests.api.conftest import CATALOGUE, NOW, World

HOUR = 3_600_000
START = NOW - NOW % HOUR - 3 * HOUR
URL = "/api/v1/kpis/orders/history"


async def keep(world: World) -> None:
    version = load_program(to_text(CATALOGUE)).kpis["orders"].version
    windows = [
        ClosedWindow(
            "orders", version, {"site": site, "carrier": "DHL"}, at, at + HOUR, 1, float(count), count, state
        )
        for at in (START, START + HOUR)
        for site, count in (("W01", 3), ("W02", 4))
        for state in (pack_state({"value": Aggregates(Agg.COUNT, {"n": np.array([count])})}),)
    ]
    await world.database.history.record([ClosedWindows("default", "live", 0, 0, windows)])


async def test_history_is_given_by_step_and_scope(world: World) -> None:
    """By default the last hundred slots of the total."""
    await keep(world)
    history = (await world.client.get(URL)).json()
    assert (history["kpi"], history["run"], history["step"], history["unit"]) == (
        "orders",
        "live",
        "1h",
        "orders",
    )
    assert history["points"] == [
        {"start": at, "end": at + HOUR, "value": 7.0, "samples": 7} for at in (START, START + HOUR)
    ]
    one = (await world.client.get(f"{URL}?scope=site:W01&from={START + HOUR}&to={START + 2 * HOUR}")).json()
    assert one["scope"] == {"site": "W01"}
    assert [(each["start"], each["value"]) for each in one["points"]] == [(START + HOUR, 3.0)]
    day = (await world.client.get(f"{URL}?step=1d&from=2026-03-02T00:00:00Z")).json()
    assert [each["value"] for each in day["points"]] == [14.0]


async def test_the_totals_of_all_kpis_are_given_at_once(world: World) -> None:
    """Each by its own grain, in catalogue order; a KPI without closed slots has no points."""
    await keep(world)
    told = (await world.client.get("/api/v1/history?slots=50")).json()
    assert [(each["kpi"], each["step"]) for each in told["histories"]] == [
        ("orders", "1h"),
        ("on_time_share", "1h"),
    ]
    assert [each["value"] for each in told["histories"][0]["points"]] == [7.0, 7.0]
    assert told["histories"][1]["points"] == []
    one = (await world.client.get("/api/v1/history?slots=3")).json()
    assert [each["start"] for each in one["histories"][0]["points"]] == [START + HOUR]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("to=2026-03-02T00:00:00", "to"),
        ("step=1m", "step"),
        ("step=2h", "step"),
        ("scope=lane:X", "scope"),
    ],
)
async def test_what_cannot_be_asked_is_a_problem(world: World, query: str, field: str) -> None:
    """Instants without a zone, steps finer than the grain, dimensions that the KPI does not have."""
    response = await world.client.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["field"]) == (400, field)


async def test_an_unknown_kpi_has_no_history(world: World) -> None:
    """404, as for its value."""
    assert (await world.client.get("/api/v1/kpis/otif/history")).status_code == 404
