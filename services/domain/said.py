"""What JUDGE last said of a KPI at each of its groups, in columns; and the columns that readers are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.domain.catalogue import Kpi
from services.domain.facts import REASONS, Reason, ValueColumns, ValueTable
from services.domain.groups import Groups
from services.domain.readings import Values, required
from services.domain.rows import Mask, Numbers, Strings
from services.domain.tables import grown
from services.domain.verdicts import gaps, judge_many
from services.domain.windows import Span

_NEVER = np.uint8(255)
_MISSING_RATE, _NO_OPENING = REASONS.index(Reason.MISSING_RATE), REASONS.index(Reason.NO_OPENING)


class Said:
    """One row per group."""

    def __init__(self, kpi: Kpi, groups: Groups) -> None:
        self.kpi = kpi
        self.groups = groups
        self.value = np.zeros(1, np.float64)
        self.samples = np.zeros(1, np.int64)
        self.reason = np.full(1, _NEVER)
        self.start, self.end, self.as_of = (np.zeros(1, np.int64) for _ in range(3))

    def say(
        self,
        rows: Numbers,
        found: Values,
        span: Span,
        *,
        now: int,
        stale: bool,
        incomplete: bool,
        immature: Mask | None = None,
    ) -> Numbers:
        """Judge what was ``found`` at ``rows``; those of them at which something else was said before."""
        self._grow()
        reason = judge_many(
            self.kpi.target,
            found.values,
            found.samples,
            required(self.kpi),
            stale=stale,
            incomplete=incomplete,
            missing=found.missing,
            unopened=found.unopened,
            immature=immature,
        )
        before = self.value[rows]
        # A value that comes or goes has another reason, unless nothing is said of it (stale, too few samples).
        other = (before != found.values) & ~(np.isnan(before) & np.isnan(found.values))
        other |= self.samples[rows] != found.samples
        other |= self.reason[rows] != reason
        other |= (self.start[rows] != span.start) | (self.end[rows] != span.end)
        fresh: Numbers = rows[other]
        if fresh.size:
            self.value[fresh], self.samples[fresh] = found.values[other], found.samples[other]
            self.reason[fresh] = reason[other]
            self.start[fresh], self.end[fresh], self.as_of[fresh] = span.start, span.end, now
        return fresh

    def known(self) -> Mask:
        """Per group whether anything was said."""
        self._grow()
        known: Mask = self.reason[: self.groups.size] != _NEVER
        return known

    def at(self, rows: Numbers, nothing: Values) -> Values:
        """What was said at ``rows``; ``nothing`` (of one element) where -1, and where nothing was ever said."""
        self._grow()
        known = (rows >= 0) & (self.reason[rows] != _NEVER)
        value = np.where(known, self.value[rows], nothing.values)
        lacking: Mask = known & (self.reason[rows] == _MISSING_RATE)
        unopened: Mask = known & (self.reason[rows] == _NO_OPENING)
        if nothing.unopened is not None:
            unopened |= ~known & nothing.unopened
        return Values(
            value,
            np.where(known, self.samples[rows], nothing.samples),
            lacking if lacking.any() else None,
            unopened if unopened.any() else None,
        )

    def forget(self, rows: Numbers) -> Numbers:
        """Those of ``rows`` at which something was said; it is no more."""
        self._grow()
        gone: Numbers = rows[self.reason[rows] != _NEVER]
        self.reason[gone] = _NEVER
        return gone

    def scope(self, row: int) -> dict[str, str]:
        """Of a row."""
        return dict(zip(*self.groups.keys[row], strict=True))

    def _grow(self) -> None:
        size = self.groups.size
        if size <= self.value.size:
            return
        self.value = grown(self.value, size)
        self.samples = grown(self.samples, size)
        self.reason = grown(self.reason, size, int(_NEVER))
        self.start, self.end, self.as_of = (grown(each, size) for each in (self.start, self.end, self.as_of))


class Told(NamedTuple):
    """Rows of ``said`` that somebody is to be told of."""

    said: Said
    rows: Numbers

    def still(self) -> Told:
        """Those that have not been forgotten since."""
        return Told(self.said, self.rows[self.said.known()[self.rows]])


def columns(told: Sequence[Told], strings: Strings) -> ValueColumns:
    """What was said at these rows. Their groups' codes are of ``strings``."""
    parts = [
        (said, grouping, rows) for said, every in told for grouping, rows in said.groups.by_grouping(every)
    ]
    tables = [ValueTable(said.kpi.name, grouping, rows.size) for said, grouping, rows in parts]
    size = sum(table.size for table in tables)
    value, gap = np.empty(size), np.empty(size)
    reason, samples = np.empty(size, np.uint8), np.empty(size, np.int64)
    start, end, as_of = (np.empty(size, np.int64) for _ in range(3))
    codes = np.empty(sum(table.size * len(table.dimensions) for table in tables), np.int32)
    at = code_at = 0
    for said, grouping, rows in parts:
        to = slice(at, at := at + rows.size)
        value[to] = said.value[rows]
        gap[to] = gaps(said.kpi.target, value[to])
        reason[to] = said.reason[rows]
        samples[to] = said.samples[rows]
        start[to], end[to], as_of[to] = said.start[rows], said.end[rows], said.as_of[rows]
        found = said.groups.codes[rows, : len(grouping)].ravel()
        codes[code_at : (code_at := code_at + found.size)] = found
    used = np.zeros(len(strings.texts), np.bool_)
    used[codes] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    texts = [strings.texts[code] for code in used.nonzero()[0].tolist()]
    return ValueColumns(tables, texts, number[codes], value, gap, reason, samples, start, end, as_of)


def portions(told: Sequence[Told], size: int) -> list[list[Told]]:
    """All of it in portions of at most ``size`` rows; one without any where there is nothing."""
    found: list[list[Told]] = [[]]
    room = size
    for said, rows in told:
        left = rows
        while left.size:
            if not room:
                found.append([])
                room = size
            found[-1].append(Told(said, left[:room]))
            left, room = left[room:], room - found[-1][-1].rows.size
    return found
