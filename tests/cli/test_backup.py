"""An installation that is backed up while it runs, and lives on elsewhere."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.catalogue.template import write_template
from tests.cli.command import COMMAND, environment, sightline
from tests.cli.test_commands import free_port, wait_until_ready

HOUR = 3600
KPIS = ("orders", "open_orders", "revenue", "on_time_share")


@contextmanager
def up(folder: Path) -> Iterator[str]:
    """A running installation in ``folder``; its URL."""
    port = free_port()
    command = [*COMMAND, "up", "mine", "--port", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=quiet, stderr=quiet, text=True
    ) as process:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)


def event(number: int, at: float) -> dict[str, Any]:
    """Every third is the delivery of the order before it."""
    placed = number % 3 != 2
    data = {"order_id": f"SO-{number if placed else number - 1}"}
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "shop",
        "type": "order.placed" if placed else "order.delivered",
        "time": datetime.fromtimestamp(at, UTC).isoformat(),
        "data": data | ({"amount": "10.00"} if placed else {}),
    }


def post(url: str, events: list[dict[str, Any]]) -> None:
    for one in events:
        answer = httpx2.post(f"{url}/api/v1/events", json=one).json()
        assert answer == {"accepted": 1, "rejected": []}


def numbers(url: str) -> dict[str, Any]:
    """Every total, but for what depends on the day that it is, and the slots that have closed."""
    told = httpx2.get(f"{url}/api/v1/kpis").json()["kpis"]
    found: dict[str, Any] = {
        kpi["definition"]["name"]: [
            (one["value"], one["samples"]) for one in kpi["values"] if not one["scope"]
        ]
        for kpi in told
        if kpi["definition"]["name"] != "revenue"
    }
    for name in KPIS:
        slots = httpx2.get(f"{url}/api/v1/kpis/{name}/history").json()["points"]
        found[f"{name} history"] = [(one["start"], one["value"], one["samples"]) for one in slots]
    return found


@pytest.mark.timeout(240)
def test_a_restored_installation_comes_to_the_same_numbers(tmp_path: Path) -> None:
    """Hours of orders; a backup while more come in. What is restored elsewhere is sent all of them again, and then has
    the values and the history that the first one has.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        write_template(folder / "mine")
    now = time.time() // HOUR * HOUR
    past = [event(number, now - 8 * HOUR + number * 240) for number in range(90)]
    late = [event(number, time.time() - 5) for number in range(90, 150)]
    with up(first) as url:
        post(url, past)
        busy = threading.Thread(target=post, args=(url, late))
        busy.start()
        made = sightline("backup", "../file", cwd=first)
        assert re.fullmatch(r"wrote \.\./file \([0-9.]+ MB\)\n", made.out)
        busy.join()
        there = settled(url)
    assert sightline("restore", "../file", cwd=second).out.startswith("restored ../file, as of ")
    with up(second) as url:
        assert numbers(url)["orders history"]
        post(url, past + late)
        here = settled(url)
    assert here == there
    assert here["open_orders"] == [(50.0, here["open_orders"][0][1])]


def settled(url: str) -> dict[str, Any]:
    """The numbers once all 150 events are in them and the slots up to the last hour have closed."""
    while True:
        found = numbers(url)
        if found["open_orders"][0][0] == 50 and len(found["orders history"]) >= 5 and found == numbers(url):
            return found
        time.sleep(0.1)
