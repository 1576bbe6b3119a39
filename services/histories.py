"""A KPI's history from what the database keeps of its closed windows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from services.domain.facts import ClosedWindow
from services.domain.history import Point, combine
from services.domain.program import Program
from services.domain.readings import Reading, reading
from services.domain.windows import slot
from services.ports import History

INLINE = 500
"""Windows that are merged at once; more are merged in a thread (some 20 µs each)."""


class Programs(Protocol):
    """Which catalogue a run is read with."""

    async def program(self, tenant: str, run: str) -> Program:
        """The run's, compiled; ``NotFound`` where there is no such run."""
        ...


class Histories:
    """Series of slots by run, KPI and scope. Windows of other versions of the KPI are not mixed in."""

    def __init__(self, history: History, programs: Programs) -> None:
        self._history = history
        self._programs = programs

    async def of(
        self,
        tenant: str,
        run: str,
        kpi: str,
        *,
        start: int,
        end: int | None,
        step: str,
        scope: Mapping[str, str],
    ) -> Sequence[Point]:
        """The closed slots of length ``step`` that start in [start, end), at ``scope``, by time.

        A level's slots go on while nothing changes, up to the last slot that any scope of the KPI has told.
        Raises ``NotFound`` for an unknown run, ``KeyError`` for an unknown KPI, ``ValueError`` for a step finer
        than the KPI's grain.
        """
        read = reading(await self._programs.program(tenant, run), kpi)
        # The last step may go on beyond ``end``.
        before = None if end is None else slot(step, read.kpi.window.timezone, end - 1).end
        # A level is the sum of all changes since the run began.
        since, only = (None, None) if read.accumulates else (start, scope)
        windows = await self._history.windows(
            tenant, run, kpi, start=since, end=before, scope=only, version=read.program.version
        )
        work = (read, windows, step, scope)
        points = _points(*work) if len(windows) <= INLINE else await asyncio.to_thread(_points, *work)
        return [each for each in points if each.start >= start and (end is None or each.start < end)]


def _points(
    read: Reading, windows: Sequence[ClosedWindow], step: str, scope: Mapping[str, str]
) -> Sequence[Point]:
    if not read.accumulates:
        return combine(read, windows, step, tuple(scope))
    until = max((window.end for window in windows), default=0)
    wanted = scope.items()
    chosen = [window for window in windows if wanted <= window.scope.items()]
    return held(combine(read, chosen, step, tuple(scope)), step, read.kpi.window.timezone, until)


def held(points: Sequence[Point], step: str, zone: str, until: int) -> list[Point]:
    """With the steps, up to the last one that ends by ``until``, in which a level did not change."""
    filled: list[Point] = []
    for point in points:
        filled += _between(filled, step, zone, point.start)
        filled.append(point)
    return filled + list(_between(filled, step, zone, until))


def _between(filled: Sequence[Point], step: str, zone: str, until: int) -> list[Point]:
    found: list[Point] = []
    last = filled[-1] if filled else None
    while last is not None and (span := slot(step, zone, last.end)).end <= until:
        last = replace(last, start=span.start, end=span.end)
        found.append(last)
    return found
