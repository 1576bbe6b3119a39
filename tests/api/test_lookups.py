"""``/api/v1/lookups``: rows in, rows out, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import NOW, World

CSV = {"content-type": "text/csv"}
ROWS = "site,region,since\nW01,North,2024-01-01\nW02,South,2024-01-01\n"


async def test_rows_are_added_as_csv_json_or_ndjson(world: World) -> None:
    """And found by key, and by the instant at which they held."""
    url = "/api/v1/lookups/sites"
    added = await world.client.post(url, content=ROWS, headers=CSV)
    assert (added.status_code, added.json()["added"]) == (200, 2)
    row = {"site": "W02", "region": "Alps", "since": "2026-01-01"}
    assert (await world.client.post(url, json=[row])).json()["backdated"] == 1
    lines = b'{"site": "W03", "region": "East"}\n'
    more = await world.client.post(url, content=lines, headers={"content-type": "application/x-ndjson"})
    assert more.json()["added"] == 1
    assert (await world.client.post(url, content=ROWS, headers=CSV)).json()["unchanged"] == 2
    found = (await world.client.get(url, params={"key": "W02", "at": "2025-01-01T00:00:00Z"})).json()
    assert [one["row"]["region"] for one in found["rows"]] == ["South"]
    assert found["lookup"]["rows"] == 4
    page = (await world.client.get(url, params={"limit": 3})).json()
    assert (len(page["rows"]), page["next"]) == (3, 3)


async def test_an_upload_with_a_wrong_row_changes_nothing(world: World) -> None:
    """Each row that is wrong is named, with what to do."""
    url = "/api/v1/lookups/sites"
    await world.client.post(url, content=ROWS, headers=CSV)
    body = "site,region,since\nW01,East,2024-01-01\nW09,West,soon\n"
    refused = await world.client.post(url, content=body, headers=CSV)
    assert refused.status_code == 422
    assert [(one["row"], one["column"], one["message"]) for one in refused.json()["problems"]] == [
        (2, "since", "this is no time"),
        (1, "site", "W01 from 2024-01-01T00:00:00Z says something else already"),
    ]
    assert (await world.client.get(url)).json()["lookup"]["rows"] == 2
    corrected = await world.client.put(
        f"{url}?correct=true", json=[{"site": "W01", "region": "East", "since": "2024-01-01"}]
    )
    assert (corrected.json()["corrected"], corrected.json()["removed"]) == (1, 1)


@pytest.mark.parametrize(
    ("path", "content", "kind", "status"),
    [
        ("sites", "site\n", "text/plain", 415),
        ("sites", "{", "application/json", 400),
        ("sites", "site,region\nW01\n", "text/csv", 400),
        ("nope", ROWS, "text/csv", 404),
    ],
)
async def test_what_cannot_be_read_is_a_problem(
    world: World, path: str, content: str, kind: str, status: int
) -> None:
    """With a remedy where there is one."""
    response = await world.client.post(
        f"/api/v1/lookups/{path}", content=content, headers={"content-type": kind}
    )
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_what_was_missed_is_listed_and_counted(world: World) -> None:
    """Most frequent first; a key that has a row by now is marked, and metrics tell both."""
    assert world.deps.lookups is not None
    for at in (NOW, NOW - 5, NOW + 5):
        world.deps.lookups.misses.note("sites", ("W09",), at)
    world.deps.lookups.misses.note("sites", ("W08",), NOW)
    await world.client.post("/api/v1/lookups/sites", json=[{"site": "W08", "region": "East"}])
    found: dict[str, Any] = (await world.client.get("/api/v1/lookups/sites/unmapped")).json()
    assert found["keys"] == [
        {"key": ["W09"], "day": None, "count": 3, "first": NOW - 5, "last": NOW + 5, "mapped": False},
        {"key": ["W08"], "day": None, "count": 1, "first": NOW, "last": NOW, "mapped": True},
    ]
    told = (await world.client.get("/api/v1/lookups")).json()
    [listed] = told["lookups"]
    assert told["refused"] == []
    assert (listed["name"], listed["unmapped"], listed["unmapped_keys"]) == ("sites", 4, 1)
    metrics = (await world.client.get("/metrics")).text
    assert 'sightline_lookup_unmapped_total{lookup="sites"} 4.0' in metrics
    assert 'sightline_lookup_unmapped_keys{lookup="sites"} 1.0' in metrics
