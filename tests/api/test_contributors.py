"""What a value is made of, over HTTP."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest_asyncio

from services.catalogue.canonical import to_text
from services.domain.facts import ClosedWindow, ClosedWindows
from services.domain.frames import Head, Kind, mark
from services.domain.windows import HOUR
from services.ports import Append
from tests.api.conftest import CATALOGUE, NOW, TOPICS, World, told, value

PATH = "/api/v1/kpis/orders/contributors"


@pytest_asyncio.fixture
async def orders(world: World) -> World:
    """Three orders, a minute apart, the last one now."""
    head = Head(Kind.CATALOGUE, "default", "live", 0, CATALOGUE.digest, NOW - HOUR)
    barrier = mark(head, catalogue=to_text(CATALOGUE))
    await world.log.append([Append(TOPICS.events.name, at, None, barrier) for at in range(TOPICS.partitions)])
    for number, site in enumerate(["W01", "W02", "=1+1"]):
        at = datetime.fromtimestamp((NOW - (2 - number) * 60_000) / 1000, UTC).isoformat()
        event = {
            "specversion": "1.0", "id": f"e{number}", "source": "erp", "type": "order.placed", "time": at,
            "subject": "s", "data": {"order_id": f"SO-{number}", "site": site, "carrier": "DHL"},
        }  # fmt: skip
        answer = await world.client.post(
            "/api/v1/events", json=event, headers={"content-type": "application/cloudevents+json"}
        )
        assert answer.json()["accepted"] == 1
    return world


async def test_a_value_is_opened(orders: World) -> None:
    """The events, latest first, each with its time, scope and all that came."""
    answer = (await orders.client.get(PATH, params={"limit": 2})).json()
    assert (answer["value"], answer["count"], answer["complete"]) == (3.0, 3, True)
    assert (answer["part"], answer["parts"], answer["inputs"]) == ("value", ["value"], [])
    first = answer["contributors"][0]
    assert (first["id"], first["type"], first["time"], first["case"]) == ("e2", "order.placed", NOW, None)
    assert first["scope"] == {"site": "=1+1", "carrier": "DHL"}
    assert first["event"]["data"]["order_id"] == "SO-2"
    rest = (await orders.client.get(PATH, params={"limit": 2, "cursor": answer["next"]})).json()
    assert [one["id"] for one in rest["contributors"]] == ["e0"]
    assert rest["next"] is None


async def test_a_scope_and_a_window_narrow_it(orders: World) -> None:
    """As they do elsewhere."""
    at_site = (await orders.client.get(PATH, params={"scope": "site:W02"})).json()
    assert [one["id"] for one in at_site["contributors"]] == ["e1"]
    window = {"from": str(NOW - 120_000), "to": str(NOW - 60_000)}
    in_window = (await orders.client.get(PATH, params=window)).json()
    assert [one["id"] for one in in_window["contributors"]] == ["e0"]
    assert in_window["window"] == {"start": NOW - 120_000, "end": NOW - 60_000}


async def test_csv_holds_every_field_and_no_formula(orders: World) -> None:
    """A spreadsheet computes nothing that a sender wrote; where there are more, a header says how to go on."""
    answer = await orders.client.get(PATH, params={"format": "csv", "limit": 1})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-next-cursor"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["id"], row["data.order_id"], row["source"]) == ("e2", "SO-2", "erp")
    assert (row["site"], row["data.site"]) == ("'=1+1", "'=1+1")
    whole = await orders.client.get(PATH, params={"format": "csv"})
    assert "x-next-cursor" not in whole.headers


async def test_what_is_unknown_is_named(orders: World) -> None:
    """KPI, part and cursor."""
    unknown = await orders.client.get("/api/v1/kpis/ordres/contributors")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "no KPI is called 'ordres'")
    assert unknown.json()["remedy"] == "did you mean 'orders'?"
    part = await orders.client.get(PATH, params={"part": "misses"})
    assert (part.status_code, part.json()["detail"]) == (400, "orders has no misses")
    assert (await orders.client.get(PATH, params={"part": "hits"})).status_code in {400, 422}
    assert (await orders.client.get(PATH, params={"cursor": "x"})).status_code == 400


async def test_a_scope_that_nothing_ever_had_is_named_and_one_that_is_no_longer_told_opens(
    orders: World,
) -> None:
    """No value is told at W02 by now, but the log has it; a misspelt site is not a site with nothing."""
    orders.live.apply(told(1, value(3), value(1, site="W01")))
    unknown = await orders.client.get(PATH, params={"scope": "site:W0"})
    assert (unknown.status_code, unknown.json()["value"]) == (404, "site:W0")
    assert (unknown.json()["field"], unknown.json()["remedy"]) == ("scope", "did you mean 'W01'?")
    gone = await orders.client.get(PATH, params={"scope": "site:W02"})
    assert (gone.status_code, gone.json()["value"]) == (200, 1.0)


async def test_a_scope_that_only_history_knows_opens_empty(orders: World) -> None:
    """It had a value once: now there is nothing in it, which is an answer."""
    orders.live.apply(told(1, value(3), value(1, site="W01")))
    scope = {"site": "W09", "carrier": "DHL"}
    window = ClosedWindow("orders", "of old", scope, NOW - 90 * HOUR, NOW - 89 * HOUR, 1, 1.0, 1, b"")
    await orders.database.history.record([ClosedWindows("default", "live", 0, 0, [window])])
    empty = await orders.client.get(PATH, params={"scope": "site:W09"})
    assert (empty.status_code, empty.json()["count"]) == (200, 0)


async def test_a_window_that_ends_before_it_starts_is_refused(orders: World) -> None:
    """Both ends are named as they were written, rather than an empty list be given; so in history."""
    window = {"from": "2026-03-02T10:00:00Z", "to": "2026-03-02T09:00:00Z"}
    for path in (PATH, "/api/v1/kpis/orders/history"):
        answer = await orders.client.get(path, params=window)
        problem = answer.json()
        assert (answer.status_code, problem["field"], problem["value"]) == (400, "from", window["from"])
        assert problem["detail"] == "from 2026-03-02T10:00:00Z is after to 2026-03-02T09:00:00Z"
        assert problem["remedy"] == "write the earlier one as from"
