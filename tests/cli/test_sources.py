"""Sources from end to end, over either log: the example of docs/sources.md, served and spoken to."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from tests.cli.command import COMMAND, environment, sightline
from tests.cli.test_commands import free_port, wait_until_ready
from tests.unit.importing.test_sources_doc import write_example

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a log."""
    if request.param == "embedded":
        return f"embedded://{tmp_path}/log"
    return f"kafka://{request.getfixturevalue('kafka')}"


@pytest.fixture
def url(broker: str, tmp_path: Path) -> Iterator[str]:
    """Where the example is served."""
    (tmp_path / "company").mkdir()
    write_example(tmp_path / "company")
    with serving(broker, tmp_path) as url:
        yield url


@contextmanager
def serving(broker: str, tmp_path: Path) -> Iterator[str]:
    """The catalogue in ``tmp_path``/company on that log; gives where."""
    port = free_port()
    settings = {
        "SIGHTLINE_BROKER__URL": broker,
        "SIGHTLINE_BROKER__PREFIX": f"company{port}",
        "SIGHTLINE_BROKER__PARTITIONS": "4",
        "SIGHTLINE_DATABASE__URL": f"sqlite:///{tmp_path}/db.sqlite",
    }
    with subprocess.Popen(
        [*COMMAND, "up", "company", "--port", str(port)],
        cwd=tmp_path,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.communicate()


def seen(url: str, path: str, wanted: Callable[[Any], bool]) -> Any:
    """What is answered once it is as wanted."""
    answer = None
    for _ in range(400):
        answer = httpx2.get(url + path).json()
        if wanted(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError(answer)


def judged(url: str, kpi: str, **wanted: object) -> Any:
    """The total of a KPI, once it is as wanted."""

    def is_so(answer: Any) -> bool:
        values = answer["kpis"][0]["values"]
        return bool(values) and wanted.items() <= values[0].items()

    return seen(url, f"/api/v1/kpis/{kpi}?scopes=total", is_so)["kpis"][0]["values"][0]


def post(url: str, path: str, body: Any) -> Any:
    """What is answered to JSON."""
    response = httpx2.post(url + path, json=body)
    assert response.status_code == 202, response.text
    return response.json()


@pytest.mark.timeout(150)
def test_a_night_at_the_company(url: str, tmp_path: Path) -> None:
    """Own JSON comes in by a mapping; yesterday is judged once its batch has ended; a gap is named and heals; a total
    that does not agree is seen, and the missing ids are named.
    """
    now = datetime.now(UTC)
    midnight = now.astimezone(BERLIN).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = (midnight - timedelta(hours=12)).date()

    created = now.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S")
    rows = [
        {"number": "A1", "created": created, "price": {"total": "1.049,90"}},
        {"number": "A2", "created": "soon", "price": {"total": "1,00"}},
    ]
    lines = gzip.compress("\n".join(json.dumps(row) for row in rows).encode())
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    for _ in range(2):  # what is posted again counts once
        answer = httpx2.post(f"{url}/api/v1/in/shop", content=lines, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
        [rejected] = answer.json()["rejected"]
        assert (rejected["index"], rejected["field"], rejected["code"]) == (1, "time", "invalid_time")
    judged(url, "orders", value=1)
    letters = seen(url, "/api/v1/dead-letters", lambda answer: answer["count"] == 2)["dead_letters"]
    mended = {**rows[1], "created": created}
    replayed = httpx2.post(f"{url}/api/v1/dead-letters/{letters[0]['id']}/replay", json=mended)
    assert replayed.json() == {"accepted": 1, "rejected": []}
    judged(url, "orders", value=2)

    def shipped(n: int) -> dict[str, Any]:
        at = (midnight - timedelta(hours=n)).isoformat()
        data = {"order_id": f"A{n}"}
        return {
            "specversion": "1.0",
            "id": f"s{n}",
            "source": "wms",
            "type": "order.shipped",
            "time": at,
            "data": data,
        }

    post(url, "/api/v1/events", [shipped(1), shipped(2), shipped(3)])
    held = judged(url, "shipped_yesterday", value=3, status="unknown", reason="incomplete_source")
    assert held["held_by"] == "wms"
    until = int(midnight.timestamp() * 1000)
    post(url, "/api/v1/sources/wms/batches", {"complete_until": until, "records": 4})
    judged(url, "shipped_yesterday", value=3, status="on_plan")
    judged(url, "shipped_today", reason="incomplete_source", complete_until=until)

    totals = {"event": "order.shipped", "day": str(yesterday), "count": 4}
    assert post(url, "/api/v1/sources/wms/totals", totals)["compared_by"] == ["shipped_gap"]
    judged(url, "shipped_gap", value=25.0, status="off_plan")
    known = seen(url, "/api/v1/sources/wms", lambda one: one["totals"] and one["totals"][0]["theirs"] == 4)
    assert [(one["records"], one["counted"], one["difference"]) for one in known["batches"]] == [(4, 3, -1)]
    assert [(one["ours"], one["theirs"], one["difference"]) for one in known["totals"]] == [(3, 4, -1)]

    (tmp_path / "ids.txt").write_text("A1\nA2\nA9\n")
    arguments = (
        "--ids",
        "ids.txt",
        "--field",
        "order_id",
        "--type",
        "order.shipped",
        "--day",
        str(yesterday),
    )
    told = sightline("reconcile", "wms", *arguments, "--json", cwd=tmp_path, SIGHTLINE_URL=url)
    assert told.code == 1, told.err
    found = json.loads(told.out)
    assert (found["missing"], found["surplus"], found["here"]) == (["A9"], ["A3"], 3)
    misspelt = sightline(
        "reconcile", "wms", *arguments, "--field", "ordr_id", cwd=tmp_path, SIGHTLINE_URL=url
    )
    assert misspelt.code not in {0, 1}, misspelt.out
    assert "did you mean 'order_id'" in misspelt.err

    def numbered(n: int) -> dict[str, Any]:
        return {"specversion": "1.0", "id": f"n{n}", "source": "shop", "type": "order.placed", "sequence": str(n),
                "time": now.isoformat(), "data": {"order_id": f"N{n}"}}  # fmt: skip

    post(url, "/api/v1/events", [numbered(1), numbered(2), numbered(5)])
    named = seen(url, "/api/v1/sources/shop", lambda one: one["numbers"]["missing"] == 2)
    assert [(gap["first"], gap["last"]) for gap in named["numbers"]["gaps"]] == [(3, 4)]
    shown = sightline("sources", "shop", cwd=tmp_path, SIGHTLINE_URL=url)
    assert "3 to 4" in shown.out
    post(url, "/api/v1/events", [numbered(3), numbered(4)])
    seen(url, "/api/v1/sources/shop", lambda one: one["numbers"]["missing"] == 0)

    (tmp_path / "later.ndjson").write_text(json.dumps(rows[0]))
    tried = sightline("map", "try", "company/shop-orders.yaml", "later.ndjson", cwd=tmp_path)
    assert tried.code == 0, tried.out + tried.err
    assert "1 rows make 1 events" in tried.out
