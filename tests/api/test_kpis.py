"""KPIs over HTTP: definitions with current values, by scope and run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.present import definition
from services.catalogue.canonical import to_text
from services.domain.catalogue import Agg, MeasureSpec
from services.domain.facts import SourceFreshness
from services.domain.stored import RunRecord
from tests.api.conftest import CATALOGUE, NOW, World, told, value


async def test_a_kpi_comes_with_its_definition_and_its_total(world: World) -> None:
    """In catalogue order; one without a value yet is there with none."""
    source = SourceFreshness("erp", NOW - 100, NOW - 200, 5, idle=False)
    world.live.apply(told(1, value(7), value(4, site="W01"), counters={"events": 5}, sources=[source]))
    response = await world.client.get("/api/v1/kpis")
    assert response.headers["cache-control"] == "no-store"
    state = response.json()
    assert (state["run"], state["now"], state["time"], state["watermark"]) == (
        "live",
        NOW,
        NOW - 500,
        NOW - 900,
    )
    assert (state["digest"], state["counters"]) == (CATALOGUE.digest, {"events": 5})
    assert state["sources"] == [
        {"source": "erp", "last_ingest": NOW - 100, "last_event": NOW - 200, "events": 5, "idle": False}
    ]
    orders, share = state["kpis"]
    assert orders["definition"]["target"] == {"value": 100.0, "band": 10.0, "direction": "at_least"}
    assert orders["definition"]["window"]["kind"] == "rolling"
    assert orders["values"] == [
        {
            "kpi": "orders",
            "scope": {},
            "value": 7.0,
            "status": "on_plan",
            "reason": "within_target",
            "gap": None,
            "samples": 3,
            "window": {"start": NOW - 3_600_000, "end": NOW},
            "as_of": NOW - 500,
            "watermark": NOW - 900,
            "age_ms": 500,
            "complete_until": NOW - 900,
            "held_by": None,
        }
    ]
    assert (share["definition"]["name"], share["values"]) == ("on_time_share", [])


async def test_scopes_say_how_fine(world: World) -> None:
    """Totals; each single dimension; everything; or those that contain a scope."""
    scopes = [{}, {"site": "W01"}, {"carrier": "DHL"}, {"site": "W01", "carrier": "DHL"}]
    world.live.apply(told(1, *(value(1, **scope) for scope in scopes)))

    async def found(path: str) -> list[dict[str, str]]:
        return [each["scope"] for each in (await world.client.get(path)).json()["kpis"][0]["values"]]

    assert await found("/api/v1/kpis") == [{}]
    assert await found("/api/v1/kpis?scopes=single") == [{}, {"carrier": "DHL"}, {"site": "W01"}]
    assert len(await found("/api/v1/kpis/orders")) == 4
    assert await found("/api/v1/kpis/orders?scope=site:W01") == [
        {"site": "W01"},
        {"site": "W01", "carrier": "DHL"},
    ]
    assert await found("/api/v1/kpis/orders?scope=site:W01&scope=carrier:DHL") == [scopes[3]]


async def test_an_import_is_read_with_its_own_catalogue(world: World) -> None:
    """Its engine time is not the clock's, so its values have no age."""
    await world.database.runs.begin(RunRecord("default", "olist", 0, CATALOGUE.digest, to_text(CATALOGUE), 5))
    world.live.apply(told(1, value(9), run="olist", complete=True))
    state = (await world.client.get("/api/v1/kpis?run=olist")).json()
    assert (state["run"], state["complete"]) == ("olist", True)
    assert [(each["value"], each["age_ms"]) for each in state["kpis"][0]["values"]] == [(9.0, None)]


async def test_what_is_not_known_is_a_problem_that_helps(world: World) -> None:
    """KPIs, runs, words and scopes."""
    for path, status, field in (
        ("/api/v1/kpis/otif", 404, "name"),
        ("/api/v1/kpis/order", 404, "name"),
        ("/api/v1/kpis/orders?scope=sight:W01", 400, "scope"),
        ("/api/v1/kpis?run=nope", 404, "run"),
        ("/api/v1/kpis?scopes=fine", 400, "scopes"),
        ("/api/v1/kpis/orders?scope=W01", 400, "scope"),
    ):
        response = await world.client.get(path)
        assert (response.status_code, response.json()["field"]) == (status, field), path


async def test_a_name_that_is_nearly_right_is_told_the_right_one(world: World) -> None:
    """A KPI, a dimension, and a scope at which nothing was ever told, now and in history."""
    world.live.apply(told(1, value(1), value(1, site="W01"), value(2, site="W02", carrier="DHL")))
    for path, given, remedy in (
        ("/api/v1/kpis/ordrs", "ordrs", "did you mean 'orders'?"),
        ("/api/v1/kpis/ordrs/history", "ordrs", "did you mean 'orders'?"),
        ("/api/v1/kpis/orders?scope=carier:DHL", "carier", "did you mean 'carrier'?"),
        ("/api/v1/kpis/orders/history?scope=carier:DHL", "carier", "did you mean 'carrier'?"),
        ("/api/v1/kpis/orders?scope=carrier:DLH", "carrier:DLH", "known: DHL"),
        ("/api/v1/kpis/orders/history?scope=site:W0", "site:W0", "did you mean 'W02'?"),
    ):
        problem = (await world.client.get(path)).json()
        assert (problem["value"], problem["remedy"]) == (given, remedy), path
    assert (await world.client.get("/api/v1/kpis/orders/history?scope=site:W01")).json()["points"] == []


async def test_a_value_that_is_unknown_is_null_with_its_reason(world: World) -> None:
    """Never an old number."""
    world.live.apply(told(1, value(None)))
    (each,) = (await world.client.get("/api/v1/kpis/orders")).json()["kpis"][0]["values"]
    assert (each["value"], each["status"], each["reason"]) == (None, "unknown", "no_data")


@pytest.mark.parametrize(
    ("parts", "reading"),
    [
        (("on_time", "first"), "when its step comes, against the first promise"),
        (("kept", "current"), "when it is due, against the current promise"),
    ],
)
def test_a_kpi_says_how_it_counts_due_times(parts: tuple[str, str], reading: str) -> None:
    """Its definition names the moment and the promise; others say nothing of it."""
    outcome, promise = parts
    measure = MeasureSpec(Agg.COUNT, process="order", due="promised", outcome=outcome, promise=promise)
    known = next(iter(CATALOGUE.kpis.values()))
    assert definition(replace(known, measure=measure)).reading == reading
    assert definition(replace(known, measure=MeasureSpec(Agg.COUNT, event="order.placed"))).reading is None
