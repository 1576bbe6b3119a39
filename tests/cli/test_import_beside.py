"""An import while a running Sightline holds the embedded log."""

from __future__ import annotations

from pathlib import Path

import httpx2
import msgspec
import pytest

from services.adapters.cel import CelEvaluator
from services.adapters.log.remote import BODY_BYTES, bodies
from services.catalogue.load import load_catalogue
from services.errors import Unavailable
from services.importing.load import load_mapping
from services.ports import Append
from services.settings import Api, Broker, Database, Settings
from sightline.importing import Wanted, _import
from sightline.node import ALL, Node
from sightline.serving import running

CATALOGUE = """
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.placed}
spec: {fields: {order_id: {type: string}, total: {type: decimal, scale: 2, unit: EUR}}}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: orders, title: Orders, owner: sales@example.com}
spec: {type: simple, measure: {agg: count, event: order.placed}, unit: orders, window: {allTime: true}, grain: 1d}
"""
MAPPING = """
apiVersion: sightline/v1
kind: Import
metadata: {name: shop}
spec:
  source: shop
  files:
    - file: shop.csv
      events:
        - {type: order.placed, id: "{order}", time: placed, data: {order_id: order, total: total}}
"""
ROWS = "order,placed,total\nA-1,2026-03-03T09:15:00Z,12.50\nA-2,2026-03-03T10:02:00Z,80.00\n"


def wanted(folder: Path) -> Wanted:
    (folder / "catalogue").mkdir()
    (folder / "catalogue" / "shop.yaml").write_text(CATALOGUE)
    (folder / "import.yaml").write_text(MAPPING)
    (folder / "shop.csv").write_text(ROWS)
    found = load_catalogue(folder / "catalogue", CelEvaluator())
    mapping = load_mapping(folder / "import.yaml", found)
    return Wanted(mapping, found, {}, [folder], "shop", None, lambda _: None)


def settings(folder: Path) -> Settings:
    return Settings(
        broker=Broker(url=f"embedded://{folder / 'log'}", partitions=2),
        database=Database(url=f"sqlite+aiosqlite:///{folder / 'db.sqlite'}"),
        api=Api(port=0),
    )


async def test_the_server_takes_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is complete there when the import ends; a second time replaces it; other runs' records are refused."""
    asked = wanted(tmp_path)
    async with running(Node(settings(tmp_path), ALL, asked.catalogue)) as url:
        assert url is not None
        monkeypatch.setenv("SIGHTLINE_URL", url)
        for _ in range(2):
            report = await _import(settings(tmp_path), asked)
            assert (report.accepted, report.rejected) == (2, 0)
            async with httpx2.AsyncClient(base_url=url) as client:
                told = (await client.get("/api/v1/kpis?run=shop")).json()
                assert told["complete"]
                assert told["attempt"] == report.attempt
                assert [value["value"] for value in told["kpis"][0]["values"]] == [2]
        async with httpx2.AsyncClient(base_url=url) as client:
            for body in (b"?", msgspec.msgpack.encode([(0, b"?")]), msgspec.msgpack.encode([(9, b"")])):
                refused = await client.post("/api/v1/runs/shop/records", content=body)
                assert refused.status_code == 400
            assert (await client.post("/api/v1/runs/live/records", content=b"")).status_code == 400


async def test_without_an_answer_it_says_where_it_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to set."""
    asked = wanted(tmp_path)
    monkeypatch.setenv("SIGHTLINE_URL", "http://127.0.0.1:9")
    async with running(Node(settings(tmp_path), ALL, asked.catalogue)):
        with pytest.raises(Unavailable, match="nobody answers at http") as caught:
            await _import(settings(tmp_path), asked)
    assert "SIGHTLINE_URL" in str(caught.value.remedy)


def test_requests_are_bounded_and_in_order() -> None:
    """One record alone may be larger."""
    values = [bytes([n]) * (BODY_BYTES // 3) for n in range(7)]
    sent = list(bodies([Append("t", n, None, value) for n, value in enumerate(values)]))
    assert len(sent) == 4
    assert [value for body in sent for _, value in msgspec.msgpack.decode(body)] == values
