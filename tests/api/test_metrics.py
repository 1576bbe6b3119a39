"""``/metrics``: one family per KPI, a closed list of others, bounded."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api import metrics
from api.families import METRICS, closed_families
from api.metrics import family_name
from services.domain.facts import DeadLetter, SourceFreshness
from tests.api.conftest import NOW, ORDERS, World, told, value

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


async def scrape(world: World) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    response = await world.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        sample.name: {
            tuple(sorted(each.labels.items())): each.value
            for each in family.samples
            if each.name == sample.name
        }
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_each_kpi_is_a_family_with_its_unit_and_scopes(world: World) -> None:
    """The total has empty labels; an unknown value has no sample, its status says why."""
    world.live.apply(told(1, value(7), value(4, site="W01"), value(None, "on_time_share")))
    found = await scrape(world)
    assert found["sightline_kpi_orders"] == {
        (("carrier", ""), ("site", "")): 7,
        (("carrier", ""), ("site", "W01")): 4,
    }
    assert "sightline_kpi_on_time_share_percent" not in found
    statuses = found["sightline_kpi_status"]
    assert statuses[("kpi", "orders"), ("status", "on_plan")] == 1
    assert statuses[("kpi", "orders"), ("status", "off_plan")] == 0
    assert statuses[("kpi", "on_time_share"), ("status", "unknown")] == 1
    assert found["sightline_kpi_age_seconds"][("kpi", "orders"),] == 0.5


async def test_series_are_bounded_and_the_bound_shows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse scopes come first; what was left out is counted."""
    monkeypatch.setattr(metrics, "SERIES", 3)
    world.live.apply(
        told(1, value(1), *(value(2, site=f"W{n}", carrier="DHL") for n in range(5)), value(3, site="W9"))
    )
    found = await scrape(world)
    assert len(found["sightline_kpi_orders"]) == 3
    assert (("carrier", ""), ("site", "W9")) in found["sightline_kpi_orders"]
    assert found["sightline_metric_series_dropped"] == {(("family", "sightline_kpi_orders"),): 4}


async def test_the_system_tells_of_itself(world: World) -> None:
    """Sources, time, intake, dead letters, parts."""
    source = SourceFreshness("erp", NOW - 1_000, NOW - 2_000, 5, idle=True)
    world.live.apply(told(1, sources=[source], counters={"duplicates": 2}))
    await world.client.post("/api/v1/events", json=[{}])
    letter = DeadLetter("a", "default", 1, "http", None, None, None, "x", "no", "{}")
    await world.database.dead_letters.add([letter])
    found = await scrape(world)
    assert found["sightline_source_idle"][("source", "erp"),] == 1
    assert found["sightline_source_last_event_timestamp_seconds"][("source", "erp"),] == (NOW - 2_000) / 1_000
    assert found["sightline_run_events_total"][("kind", "duplicates"),] == 2
    assert found["sightline_watermark_timestamp_seconds"][()] == (NOW - 900) / 1_000
    assert sum(found["sightline_intake_rejected_events_total"].values()) == 1
    assert found["sightline_dead_letters"][()] == 1
    assert found["sightline_part_ready"] == {(("part", "live view"),): 0, (("part", "processor"),): 0}
    known = {family.name for family in METRICS}
    assert {name for name in found if not name.startswith("sightline_kpi_o")} <= known


async def test_a_database_that_is_away_takes_only_its_own_figure_away(world: World, tmp_path: Path) -> None:
    """KPIs are told all the same: that is when somebody looks."""
    world.live.apply(told(1, value(7)))
    with contextlib.closing(sqlite3.connect(tmp_path / "db.sqlite")) as other:
        other.execute("DROP TABLE dead_letters")
    found = await scrape(world)
    assert found["sightline_kpi_orders"]
    assert "sightline_dead_letters" not in found


def test_names_follow_prometheus() -> None:
    """Letters, digits and underscores; the unit at the end, and not twice."""
    assert family_name(ORDERS) == "sightline_kpi_orders"
    assert family_name(replace(ORDERS, name="lead-time", unit="h")) == "sightline_kpi_lead_time_hours"
    assert family_name(replace(ORDERS, name="cost", unit="EUR/kg")) == "sightline_kpi_cost_eur_kg"
    assert family_name(replace(ORDERS, name="open_orders")) == "sightline_kpi_open_orders"


def test_a_figure_that_is_not_on_the_list_is_a_fault() -> None:
    """The list is closed, and the guide has all of it."""
    with pytest.raises(KeyError):
        list(closed_families({"sightline_new": {(): 1}}))
    text = DOCS.read_text()
    assert [family.name for family in METRICS if f"`{family.name}`" not in text] == []


def test_dashboards_and_rules_use_metrics_that_exist() -> None:
    """Those of the list, or of a KPI."""
    files = [
        path for path in (DOCS.parents[1] / "deploy").rglob("*") if path.suffix in {".json", ".yml", ".yaml"}
    ]
    used = {name for path in files for name in re.findall(r"\bsightline_[a-z_]+", path.read_text())}
    known = {family.name for family in METRICS}
    assert {name for name in used - known if not name.startswith("sightline_kpi_")} == set()
