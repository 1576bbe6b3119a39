"""What each engine tells, read from its output topic: records as (slot, totals) that replace what was told before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench.peers.question import MINUTE, Slot, Totals
from services import records
from services.domain.facts import ClosedWindow, ClosedWindows, KpiValues

Told = tuple[Slot, Totals]
_json = msgspec.json.Decoder().decode


Reader = Callable[[bytes, bytes], Iterator[Told]]
"""Reads one record of an output topic: its key, its value."""


def kafka_streams(_: bytes, value: bytes) -> Iterator[Told]:
    """An update of a window, at each commit."""
    told = _json(value)
    yield Slot(told["site"], told["start"]), _totals(told)


def quix(key: bytes, value: bytes) -> Iterator[Told]:
    """A window that has closed."""
    told = _json(value)
    yield Slot(key.decode(), told["start"]), Totals(*told["value"])


def faust(key: bytes, value: bytes) -> Iterator[Told]:
    """An entry of the table's changelog; windows are in seconds."""
    site, (start, _) = _json(key)
    yield Slot(site, round(start * 1000)), Totals(*_json(value))


def pathway(_: bytes, value: bytes) -> Iterator[Told]:
    """A row that has come; what it replaces is told too, as a row that has gone."""
    told = _json(value)
    if told["diff"] > 0:
        at = datetime.fromisoformat(told["minute"]).replace(tzinfo=UTC)
        yield Slot(told["site"], round(at.timestamp() * 1000)), _totals(told)


def _totals(told: dict[str, Any]) -> Totals:
    return Totals(told["count"], told["amount"], told["weight"], told["late"])


def our_values(_: bytes, value: bytes) -> Iterator[Told]:
    """Sightline's KPI topic: current values. Their window holds all events, so their minute is 0."""
    for one in records.decode(KpiValues, value).values:
        if one.kpi == "late_share" and one.scope:
            yield Slot(one.scope["site"], 0), Totals(one.samples, 0, 0, 0)


def our_counters() -> Reader:
    """Sightline's KPI topic: how many events its values count, as JUDGE says beside them."""
    most = 0

    def read(_: bytes, value: bytes) -> Iterator[Told]:
        nonlocal most
        most = max(most, records.decode(KpiValues, value).counters.get("events", 0))
        yield Slot("", 0), Totals(most, 0, 0, 0)

    return read


def our_history() -> Reader:
    """Sightline's history topic: the closed minutes of its three KPIs, put together."""
    known: dict[Slot, dict[str, ClosedWindow]] = defaultdict(dict)

    def read(_: bytes, value: bytes) -> Iterator[Told]:
        for window in records.decode(ClosedWindows, value).windows:
            if not window.scope or window.end - window.start != MINUTE:
                continue
            slot = Slot(window.scope["site"], window.start)
            before = known[slot].get(window.kpi)
            if before is None or before.version <= window.version:
                known[slot][window.kpi] = window
            if len(known[slot]) == 3:
                yield slot, _put_together(known[slot])

    return read


def _put_together(kpis: dict[str, ClosedWindow]) -> Totals:
    share = kpis["late_share"]
    late = (share.value or 0) * share.samples / 100
    return Totals(share.samples, kpis["amount"].value or 0, round(kpis["weight"].value or 0), round(late))
