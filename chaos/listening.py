"""A client of the live stream that comes back with ``Last-Event-ID``: what it was told, and when nothing."""

from __future__ import annotations

import json
import threading
import time
from itertools import pairwise
from typing import Any

import httpx2

from chaos.oracle import Scope

SILENCE_S = 10.0
"""The stream has a heartbeat each 5 s."""
AGAIN_S = 0.1


class Listener(threading.Thread):
    """Keeps the values that the stream tells; ``events`` is how many it says have been counted, ``news`` the
    moments (monotonic s) at which that grew.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True, name="listener")
        self._url = f"{url}/api/v1/stream?scopes=all"
        self._stopped = threading.Event()
        self._last: str | None = None
        self.events = 0
        self.values: dict[tuple[str, Scope], float | None] = {}
        self.news: list[float] = []
        self.snapshots = 0

    def run(self) -> None:
        """Until ``stop``."""
        with httpx2.Client(timeout=SILENCE_S) as client:
            while not self._stopped.is_set():
                try:
                    self._listen(client)
                except httpx2.HTTPError:
                    self._stopped.wait(AGAIN_S)

    def stop(self) -> None:
        """Listen no more."""
        self._stopped.set()

    def longest_gap(self, start: float, end: float) -> float:
        """The longest time (s) without news in [start, end]."""
        times = [start, *(at for at in self.news if start <= at <= end), end]
        return max(later - earlier for earlier, later in pairwise(times))

    def _listen(self, client: httpx2.Client) -> None:
        headers = {} if self._last is None else {"last-event-id": self._last}
        with client.stream("GET", self._url, headers=headers) as answer:
            answer.raise_for_status()
            kind = ""
            for line in answer.iter_lines():
                if self._stopped.is_set():
                    return
                name, _, text = line.partition(": ")
                if name == "event":
                    kind = text
                elif name == "id":
                    self._last = text
                elif name == "data":
                    self._hear(kind, json.loads(text))

    def _hear(self, kind: str, told: dict[str, Any]) -> None:
        if kind == "snapshot":
            self.snapshots += 1
            self.values = {}
            self._take([value for kpi in told["kpis"] for value in kpi["values"]])
        elif kind == "changes":
            self._take(told["values"])
            for gone in told["removed"]:
                self.values.pop((gone["kpi"], place(gone["scope"])), None)
        events = told.get("counters", {}).get("events", 0)
        if events > self.events:
            self.events = events
            self.news.append(time.monotonic())

    def _take(self, values: list[dict[str, Any]]) -> None:
        for value in values:
            self.values[value["kpi"], place(value["scope"])] = value["value"]


def place(scope: dict[str, str]) -> Scope:
    """A scope as the oracle writes it."""
    return tuple(sorted(scope.items(), key=lambda one: ("site", "channel").index(one[0])))
