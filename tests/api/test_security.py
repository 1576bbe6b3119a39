"""Who may ask what: names, origins, keys and scopes."""

from __future__ import annotations

import pytest

from services.keys import KeyScope
from tests.api.conftest import World

KPIS = "/api/v1/kpis"


@pytest.mark.parametrize("host", ["localhost:8321", "127.0.0.1", "[::1]:8321", "LOCALHOST"])
async def test_without_keys_it_answers_to_loopback_names(world: World, host: str) -> None:
    """Whatever the port."""
    assert (await world.client.get(KPIS, headers={"host": host})).status_code == 200


@pytest.mark.parametrize("path", [KPIS, "/", "/metrics"])
async def test_without_keys_it_answers_to_no_other_name(world: World, path: str) -> None:
    """A page that rebinds its own name to 127.0.0.1 reads nothing."""
    response = await world.client.get(path, headers={"host": "evil.example:8321"})
    assert (response.status_code, response.json()["field"]) == (403, "Host")


async def test_without_keys_other_sites_may_not_write(world: World) -> None:
    """A browser sends a plain POST anywhere; it says from where."""
    body = {
        "content": b"[]",
        "headers": {"content-type": "application/json", "origin": "https://evil.example"},
    }
    response = await world.client.post("/api/v1/events", **body)  # type: ignore[arg-type]  # the options above
    assert (response.status_code, response.json()["field"]) == (403, "Origin")
    body["headers"] |= {"origin": "http://localhost:8321"}  # type: ignore[operator]  # a mapping
    assert (await world.client.post("/api/v1/events", **body)).status_code != 403  # type: ignore[arg-type]  # as above


async def test_the_first_key_closes_the_door(world: World) -> None:
    """From then on requests need one, except for health and the static page; other names are answered to."""
    created = await world.client.post("/api/v1/keys", json={"name": "ops", "scopes": ["admin"]})
    assert created.status_code == 201
    text = created.json()["key"]
    refused = await world.client.get(KPIS)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.headers["content-type"] == "application/problem+json"
    for path in ("/livez", "/readyz", "/"):
        assert (await world.client.get(path)).status_code not in {401, 403}
    for path in ("/metrics", "/api/v1/openapi.json", "/api/v1/nothing"):
        assert (await world.client.get(path)).status_code == 401
    headers = {"authorization": f"Bearer {text}", "host": "sightline.example"}
    assert (await world.client.get(KPIS, headers=headers)).status_code == 200
    listed = (await world.client.get("/api/v1/keys", headers=headers)).json()["keys"]
    assert [(key["name"], key["key"]) for key in listed] == [("ops", None)]
    assert text not in str(listed)


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [
        (KeyScope.READ, {KPIS, "/metrics"}),
        (KeyScope.WRITE, {"events"}),
        (KeyScope.ADMIN, {KPIS, "/metrics", "events", "/api/v1/keys"}),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(world: World, scope: KeyScope, allowed: set[str]) -> None:
    """Reading, posting events, or all."""
    _, text = await world.deps.keyring.create("k", [scope])
    headers = {"authorization": f"Bearer {text}"}
    for path in (KPIS, "/metrics", "/api/v1/keys"):
        response = await world.client.get(path, headers=headers)
        assert response.status_code == (200 if path in allowed else 403), path
    posted = await world.client.post("/api/v1/events", json=[], headers=headers)
    assert (posted.status_code == 403) is ("events" not in allowed)
    applied = await world.client.put("/api/v1/catalogue", content=b"PK", headers=headers)
    assert (applied.status_code == 403) is (scope is not KeyScope.ADMIN)


async def test_a_revoked_key_is_refused(world: World) -> None:
    """At once in this process."""
    _, admin = await world.deps.keyring.create("admin", ["admin"])
    key, text = await world.deps.keyring.create("old", ["read"])
    headers = {"authorization": f"Bearer {admin}"}
    assert (await world.client.delete(f"/api/v1/keys/{key.id}", headers=headers)).status_code == 204
    assert (await world.client.get(KPIS, headers={"authorization": f"Bearer {text}"})).status_code == 401
    assert (await world.client.delete(f"/api/v1/keys/{key.id}", headers=headers)).status_code == 404
