"""The live stream under a steady load: from an event's 202 until a listener sees a value that counts it.

Run ``python -m bench stream``. On Kafka, api and processor in processes of their own. Each connection posts events of a
site of its own, one request after another, so that the samples of that site say how far the stream has come.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from bisect import bisect_left
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from bench.broker import broker
from bench.peers import question
from bench.posting import CATALOGUE
from bench.program import folder, free_port, get, post_one, running, until
from bench.report import Figure

RATE, SECONDS, BATCH, CONNECTIONS = 20_000, 10, 100, 8
INTERVAL_MS = 50
MEDIAN_AIM, P99_AIM = 0.100, 0.150
_WARM = 0.3
"""The share of requests that are not counted."""


class Seen(NamedTuple):
    """How many events of a site a value counted, and when it was seen."""

    samples: int
    at: float


def run() -> list[Figure]:
    """Two figures; none where there is no Kafka."""
    with broker() as address:
        if address is None:
            return []
        port = free_port()
        with folder(address) as (_, plain):
            env = {**plain, "SIGHTLINE_API__STREAM_INTERVAL_MS": str(INTERVAL_MS)}
            with (
                running("run", "api", CATALOGUE, "--port", str(port), env=env) as api,
                running("run", "processor", "--port", str(free_port()), env=env),
            ):
                until(lambda: get(f"http://127.0.0.1:{port}/readyz") is not None, api, 60)
                return _figures(port)


def _figures(port: int) -> list[Figure]:
    seen: dict[str, list[Seen]] = defaultdict(list)
    threading.Thread(target=_listen, args=(port, seen), daemon=True).start()
    until_first = time.perf_counter() + 30
    before = _steadily(port, 1)  # until everything has started to flow
    while not seen and time.perf_counter() < until_first:
        time.sleep(0.1)
    begun = time.perf_counter()
    answered = _steadily(port, SECONDS)
    took = time.perf_counter() - begun
    time.sleep(2)
    waits = [
        wait
        for site, times in answered.items()
        for wait in _waits(times, seen[site], len(before[site]) * BATCH)
    ]
    conditions: dict[str, Any] = {
        "events/s": f"{sum(map(len, answered.values())) * BATCH / took:,.0f}",
        "requests": sum(map(len, answered.values())),
        "coalesced": f"{INTERVAL_MS} ms",
    }
    told = "accepted → seen on the stream"
    return [
        Figure(f"{told}, median", float(np.percentile(waits, 50)), "s", MEDIAN_AIM, conditions),
        Figure(f"{told}, p99", float(np.percentile(waits, 99)), "s", P99_AIM, conditions),
    ]


def _steadily(port: int, seconds: float) -> dict[str, list[float]]:
    """Post at ``RATE``; when each request was answered, by site."""

    def send(number: int) -> list[float]:
        pace = BATCH * CONNECTIONS / RATE
        due = time.perf_counter() + pace * number / CONNECTIONS
        answered = []
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            for _ in range(int(seconds / pace)):
                body = _body(number)
                time.sleep(max(due - time.perf_counter(), 0))
                post_one(connection, body)
                answered.append(time.perf_counter())
                due += pace
        return answered

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        found = pool.map(send, range(CONNECTIONS))
        return {question.site_name(number): times for number, times in enumerate(found)}


def _body(site: int) -> bytes:
    now = time.time_ns() // 1_000_000
    first = time.perf_counter_ns() * CONNECTIONS + site
    texts = [question.text(first + n * CONNECTIONS, site, now, 100, 100, late=False) for n in range(BATCH)]
    return b"[" + b",".join(texts) + b"]"


def _listen(port: int, seen: dict[str, list[Seen]]) -> None:
    """Follow the stream, and note what it says of each site."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/stream?scopes=single", timeout=60) as answer:
        for line in answer:
            if line.startswith(b"data: ") and b'"values"' in line:
                at = time.perf_counter()
                for value in json.loads(line[6:]).get("values", ()):
                    if value["kpi"] == "late_share" and value["scope"]:
                        seen[value["scope"]["site"]].append(Seen(value["samples"], at))


def _waits(answered: list[float], seen: list[Seen], before: int) -> list[float]:
    """For each request how long (s) until its last event was seen; those of a warm-up are left out."""
    waits = []
    for number, at in enumerate(answered, 1):
        place = bisect_left(seen, Seen(before + number * BATCH, 0.0))
        if number > len(answered) * _WARM:
            waits.append(max(seen[place].at - at, 0.0) if place < len(seen) else float("inf"))
    return waits
