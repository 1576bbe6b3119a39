"""``POST /api/v1/events``: what it takes, and what it answers."""

from __future__ import annotations

import gzip
import json

import pytest

from services.domain.frames import Kind, decode
from tests.api.conftest import TOPICS, World

URL = "/api/v1/events"


def event(number: int, **data: str) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "erp",
        "type": "order.placed",
        "time": "2026-03-02T09:14:07Z",
        "data": {"order_id": f"SO-{number}", "site": "W01", **data},
    }


async def frames(world: World) -> int:
    """How many events the log has."""
    counted = 0
    offsets = {
        partition: first for partition, (first, _) in (await world.log.ends(TOPICS.events.name)).items()
    }
    async for records in world.log.read(TOPICS.events.name, offsets, follow=False):
        for record in records:
            head = decode(record.value or b"").head
            counted += head.count if head.kind is Kind.EVENTS else 0
    return counted


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/cloudevents+json", json.dumps(event(1))),
        ("application/cloudevents-batch+json", json.dumps([event(1)])),
        ("application/json", json.dumps([event(1)])),
        ("application/x-ndjson", json.dumps(event(1)) + "\n"),
    ],
)
async def test_every_form_of_events_is_taken(world: World, content_type: str, body: str) -> None:
    """The answer comes once the log has it."""
    response = await world.client.post(URL, content=body, headers={"content-type": content_type})
    assert (response.status_code, response.json()) == (202, {"accepted": 1, "rejected": []})
    assert await frames(world) == 1


async def test_a_zipped_body_is_taken(world: World) -> None:
    """``Content-Encoding: gzip``."""
    body = gzip.compress(json.dumps([event(n) for n in range(50)]).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    response = await world.client.post(URL, content=body, headers=headers)
    assert response.json()["accepted"] == 50


async def test_the_good_ones_are_kept_and_the_bad_ones_named(world: World) -> None:
    """With their place in the request, the field and a code."""
    batch = [event(1), event(2) | {"data": {}}, event(3)]
    response = await world.client.post(URL, json=batch)
    assert response.status_code == 202
    answer = response.json()
    assert answer["accepted"] == 2
    (rejected,) = answer["rejected"]
    assert (rejected["index"], rejected["id"], rejected["field"]) == (1, "e2", "data.order_id")
    assert set(rejected) == {"index", "id", "field", "value", "code", "message"}
    assert await frames(world) == 2


async def test_zipped_parts_put_together_are_all_taken(world: World) -> None:
    """A gzip body may have several members; none is dropped in silence."""
    body = b"".join(gzip.compress(json.dumps(event(n)).encode() + b"\n") for n in range(3))
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    response = await world.client.post(URL, content=body, headers=headers)
    assert response.json() == {"accepted": 3, "rejected": []}
    assert await frames(world) == 3


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"content-type": "text/csv"}, b"a,b", 415, "unsupported-media-type"),
        ({"content-type": "application/json", "content-encoding": "br"}, b"x", 415, "unsupported-media-type"),
        ({"content-type": "application/json", "content-encoding": "gzip"}, b"x", 400, "invalid-input"),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            gzip.compress(b"[]", mtime=0)[:-9],
            400,
            "invalid-input",
        ),
        ({"content-type": "application/json"}, b"x" * 100_001, 413, "too-large"),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            gzip.compress(b"[" * 100_001, mtime=0),
            413,
            "too-large",
        ),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            gzip.compress(b"[" * 60_000, mtime=0) * 2,
            413,
            "too-large",
        ),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            gzip.compress(b"[]", mtime=0) + b"more",
            400,
            "invalid-input",
        ),
        (
            {"content-type": "application/json", "content-encoding": "gzip"},
            gzip.compress(b"", mtime=0) * 101,
            400,
            "invalid-input",
        ),
    ],
    ids=[
        "csv",
        "brotli",
        "no gzip",
        "cut gzip",
        "large",
        "large unzipped",
        "large in parts",
        "more than gzip",
        "many parts",
    ],
)
async def test_what_cannot_be_used_is_a_problem(
    world: World, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    """RFC 9457, whatever the reason; a body that grows when unzipped is bounded too."""
    response = await world.client.post(URL, content=body, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"]) == (f"urn:sightline:problem:{code}", status)
    assert problem["detail"]
    assert await frames(world) == 0


async def test_other_methods_of_the_path_are_refused(world: World) -> None:
    """Nothing can be read there."""
    assert (await world.client.get(URL)).status_code in {404, 405}
