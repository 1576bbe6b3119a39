"""The question that all engines answer: of delivered parcels, per site and minute, how many, two sums, how many late.

Events are JSON texts of some 215 bytes, in the order of their time, ten minutes of them whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np

SITES, MINUTES = 130, 10
MINUTE = 60_000
LATE_SHARE = 0.1
TYPE = "parcel.delivered"


class Slot(NamedTuple):
    """What is asked about: a site and a minute (epoch ms of its start)."""

    site: str
    minute: int


class Totals(NamedTuple):
    """What is asked: how many parcels, their value (EUR), their weight (g), how many of them late."""

    count: int
    amount: float
    weight: int
    late: int

    def equals(self, other: Totals) -> bool:
        """The same; amounts to the cent, since some engines add them up as floats."""
        return self._replace(amount=0) == other._replace(amount=0) and abs(self.amount - other.amount) < 0.005


class Events(NamedTuple):
    """Events as (site number, time, JSON), and the right answer."""

    sites: list[int]
    times: list[int]
    texts: list[bytes]
    answer: Mapping[Slot, Totals]


def site_name(number: int) -> str:
    return f"W{number:03}"


def make(count: int, start: int, *, seed: int = 1) -> Events:
    """``count`` events from ``start`` (epoch ms, a whole minute) on."""
    rng = np.random.default_rng(seed)
    sites = rng.integers(0, SITES, count)
    times = start + np.arange(count, dtype=np.int64) * (MINUTES * MINUTE) // count
    cents, weights = rng.integers(100, 30_000, count), rng.integers(50, 20_000, count)
    late = rng.random(count) < LATE_SHARE
    listed = [column.tolist() for column in (sites, times, cents, weights, late)]
    texts = [
        text(number, *row, late=is_late) for number, (*row, is_late) in enumerate(zip(*listed, strict=True))
    ]
    answer = _answer(start, sites, times, np.stack([np.ones(count, np.int64), cents, weights, late]))
    return Events(listed[0], listed[1], texts, answer)


def text(number: int, site: int, time: int, cents: int, weight: int, *, late: bool) -> bytes:
    """One event as its producer writes it."""
    return (
        f'{{"specversion":"1.0","id":"wms-{number:09}","source":"wms","type":"{TYPE}",'
        f'"time":"{_second(time // 1000)}.{time % 1000:03}Z","data":{{"parcel_id":"PARCEL{number:09}",'
        f'"site":"{site_name(site)}","amount":{cents / 100:.2f},"weight":{weight},'
        f'"late":{"true" if late else "false"}}}}}'
    ).encode()


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}"


def _answer(start: int, sites: np.ndarray, times: np.ndarray, figures: np.ndarray) -> dict[Slot, Totals]:
    slots = sites * MINUTES + (times - start) // MINUTE
    sums = np.zeros((len(figures), SITES * MINUTES), np.int64)
    for total, figure in zip(sums, figures, strict=True):
        np.add.at(total, slots, figure)
    return {
        Slot(site_name(slot // MINUTES), start + slot % MINUTES * MINUTE): Totals(
            count, cents / 100, weight, late
        )
        for slot, (count, cents, weight, late) in enumerate(sums.T.tolist())
        if count
    }
