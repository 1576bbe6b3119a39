"""Health, the page, the OpenAPI document, faults, and the guide."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import httpx2
import pytest

from api.server import bind
from services.errors import Conflict, InvalidInput
from tests.api.conftest import World

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "api.md"


async def test_readiness_names_each_part(world: World) -> None:
    """503 until all are ready, with how far a recovery is; liveness does not wait."""
    assert (await world.client.get("/livez")).json() == {"live": True}
    brief = await world.client.get("/readyz")
    assert (brief.status_code, brief.json()) == (503, {"ready": False})
    parts = (await world.client.get("/readyz?verbose")).json()["parts"]
    assert parts == [
        {"name": "live view", "ready": False, "detail": "looking at the kpis topic", "progress": None},
        {"name": "processor", "ready": False, "detail": "recovering", "progress": 0.25},
    ]


async def test_the_page_is_served_and_nothing_beside_it(world: World, tmp_path: Path) -> None:
    """Nothing is kept without asking, as names carry no digest; a clone without the built page says how to build it."""
    missing = await world.client.get("/")
    assert (missing.status_code, missing.json()["remedy"]) == (404, "the page was not built: make web")
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<!doctype html>page")
    (tmp_path / "dist" / "assets" / "index-1a2b.js").write_text("1")
    (tmp_path / "secret").write_text("s")
    page = await world.client.get("/")
    assert page.text == "<!doctype html>page"
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    asset = await world.client.get("/assets/index-1a2b.js")
    assert asset.headers["cache-control"] == "no-cache"
    for path in ("/..%2fsecret", "/%2e%2e/secret", "/assets/nope.js", "/api/v1/nope"):
        assert (await world.client.get(path)).status_code == 404, path


async def test_a_fault_is_a_problem_without_its_details(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the log."""

    async def broken(tenant: str) -> list[object]:
        raise RuntimeError("secret")

    monkeypatch.setattr(world.database.runs, "list", broken)
    transport = httpx2.ASGITransport(world.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/api/v1/runs")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "secret" not in response.text


def contract(part: object) -> object:
    """A document without its prose, which may change freely."""
    if isinstance(part, dict):
        prose = {name for name in ("description", "summary", "title") if isinstance(part.get(name), str)}
        return {name: contract(value) for name, value in part.items() if name not in prose}
    return [contract(each) for each in part] if isinstance(part, list) else part


async def test_the_openapi_document_is_the_one_that_was_reviewed(world: World) -> None:
    """Paths, parameters, shapes; ``SIGHTLINE_SNAPSHOT=1 pytest tests/api/test_app.py`` writes it anew."""
    document = contract((await world.client.get("/api/v1/openapi.json")).json())
    kept = HERE / "openapi.json"
    if os.environ.get("SIGHTLINE_SNAPSHOT"):
        kept.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    assert document == json.loads(kept.read_text())


async def test_every_reference_in_the_document_leads_somewhere(world: World) -> None:
    """Every operation has an id of its own, a summary and a tag."""
    response = await world.client.get("/api/v1/openapi.json")
    document = response.json()
    schemas = document["components"]["schemas"]
    for reference in response.text.split('"#/components/schemas/')[1:]:
        assert reference.partition('"')[0] in schemas
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] and operation["tags"] for operation in operations)


async def test_the_guide_names_every_operation(world: World) -> None:
    """And no other."""
    document = (await world.client.get("/api/v1/openapi.json")).json()
    row = re.compile(r"^\| `(\w+)` \| `([A-Z]+ /[^`?]*)", re.MULTILINE)
    told = dict(row.findall(DOCS.read_text()))
    made = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert told == {name: re.sub(r"{(case|letter|key)_id}", "{id}", where) for name, where in made.items()}


ODD = [
    "",
    "%00",
    "-1",
    "9" * 30,
    "null",
    "'%22%5B",
    "%E2%80%AE",
    "a:b",
    "x" * 3_000,
    "%FF",
    "2026-13-01T00:00:00Z",
    "../..",
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
async def test_no_operation_fails_whatever_it_is_asked(world: World, odd: str) -> None:
    """Answers or problems, never a fault: every GET of the document with odd values in every place."""
    document = (await world.client.get("/api/v1/openapi.json")).json()
    for path, operations in document["paths"].items():
        if "get" not in operations or path == "/api/v1/stream":
            continue
        named = [each["name"] for each in operations["get"].get("parameters", []) if each["in"] == "query"]
        place = re.sub(r"{[^}]+}", odd or "x", path)
        for query in ["", *(f"{name}={odd}" for name in named)]:
            for target in (f"{place}?{query}", f"{re.sub('{name}', 'orders', path)}?{query}"):
                response = await world.client.get(target)
                assert response.status_code < 500 or path == "/readyz", target
                if response.status_code >= 400 and path != "/readyz":
                    assert response.headers["content-type"] == "application/problem+json", target
                if response.status_code == 400:
                    problem = response.json()
                    assert problem["field"], target
                    assert problem["remedy"], target


TOTALS = "/api/v1/sources/shop/totals"


@pytest.mark.parametrize(
    ("path", "body", "field", "value", "remedy"),
    [
        ("/api/v1/kpis/orders/contributors?part=mises", None, "part", "mises", "did you mean 'misses'?"),
        ("/api/v1/kpis/orders/contributors?part=x", None, "part", "x", "known: value, numerator, denominator, misses"),
        ("/api/v1/kpis/orders/contributors?limit=0", None, "limit", "0", "write at least 1"),
        ("/api/v1/history?slots=1001", None, "slots", "1001", "write at most 1000"),
        ("/api/v1/history?slots=few", None, "slots", "few", "write a whole number"),
        ("/api/v1/cases?overdue=perhaps", None, "overdue", "perhaps", "write true or false"),
        (TOTALS, '{"event": "a", "day": "24.11.2026"}', "day", "24.11.2026", "write a day as in 2026-03-02"),
        (TOTALS, '{"event": "a"}', "day", None, "add day"),
        (TOTALS, '{"event": 3, "day": "2026-11-24"}', "event", "3", "write a text"),
        (TOTALS, "[]", "body", "[]", "write a JSON object, with content-type: application/json"),
        (TOTALS, "", "body", None, "send a JSON object, with content-type: application/json"),
        (TOTALS, "{bad", "body", None, "send JSON: Expecting property name enclosed in double quotes at character 1"),
        ("/api/v1/sources/shop/batches", '{"complete_until": [1]}', "complete_until", "[1]", "write a text"),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_told_with_field_value_and_remedy(
    world: World, path: str, body: str | None, field: str, value: str | None, remedy: str
) -> None:
    """Of a query and of a body alike; ``errors`` has each of them."""
    if body is None:
        response = await world.client.get(path)
    else:
        headers = {"content-type": "application/json"}
        response = await world.client.post(path, content=body, headers=headers)
    problem = response.json()
    assert response.status_code == 400
    assert (problem["field"], problem.get("value"), problem["remedy"]) == (field, value, remedy)
    first = problem["errors"][0]
    assert (first["field"], first.get("value"), first["remedy"]) == (field, value, remedy)


def test_a_port_in_use_is_a_clear_message() -> None:
    """And so is an address of another machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Conflict, match="in use") as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert caught.value.remedy
    with pytest.raises(InvalidInput, match="cannot listen"):
        bind("192.0.2.1", 0)
