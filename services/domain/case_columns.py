"""Where a process keeps what it knows of a case: which column holds which step, due time or attribute.

A case is one row of two matrices: ``wide`` (int64: step times, last activity, due times read from a field, numeric
attributes) and ``narrow`` (int32: ties, codes and flags). What is worked on is *transposed*, one contiguous array per
column. Absent times are ``NEVER``, so that earliest, latest and "has it passed" need no special case.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Due, EventType, Field, FieldType, Opening, Process
from services.domain.rows import NULL, Codes, Mask, Numbers, Places

NEVER = 2**62
LONG_AGO = -NEVER
LAST_TIE = 2**31 - 1

_NARROW = (FieldType.STRING, FieldType.BOOLEAN)


class Captured(NamedTuple):
    """A field of a step's first event that is kept: in column ``column`` of ``wide`` or (``narrow``) of ``narrow``.

    ``absent`` is what stands there until it is known. ``due``: it takes a calendar to read it.
    """

    step: str
    field: str
    type: FieldType
    column: int
    absent: int
    due: Due | None = None

    @property
    def narrow(self) -> bool:
        """Whether it is a code or a flag."""
        return self.type in _NARROW


class Layout:
    """The columns of one process.

    Steps stand in catalogue order at the front of both matrices: times in ``wide``, ties in ``narrow``. Due times
    that follow from a step (``within_ms``) and those of items need no column here. Those in ``current`` are promised
    anew: their columns, of the first and of the current promise, are derived from all the promises (``trails.py``).
    ``since``: from when on the process is watched; where that has to be announced, its table says so here.
    """

    def __init__(self, process: Process, events: Mapping[str, EventType]) -> None:
        self.process = process
        self.step = {step.name: index for index, step in enumerate(process.steps)}
        self.since = NEVER if process.opening is Opening.ANNOUNCED else LONG_AGO
        self.ends = tuple(self.step[name] for name in process.ends)
        timeless = {self.step[step.name] for step in process.steps if step.timeless}
        self.timeless_ends = tuple(column for column in self.ends if column in timeless)
        self.timed_ends = tuple(column for column in self.ends if column not in timeless)
        self.last = len(self.step)
        self._wide, self._narrow = self.last + 1, self.last
        self._events = events
        self.case_dues = {due.name: due for due in process.dues if due.item is None}
        self.item_dues = {due.name: due for due in process.dues if due.item is not None}
        self.fields = {name: self.field(step, field) for name, (step, field) in process.attributes.items()}
        self.dues = {
            due.name: self._due(due)
            for due in self.case_dues.values()
            if due.within_ms is None or due.timezone is not None
        }
        self.current = {due.name: self._due(due) for due in self.case_dues.values() if due.renewed_by}
        self.attributes = {
            name: self._column(step, field, type_, -1 if type_ in _NARROW else NULL)
            for name, (step, field) in process.attributes.items()
            for type_ in (self.fields[name].type,)
        }
        read = [captured for name, captured in self.dues.items() if name not in self.current]
        self.captured = (*read, *self.attributes.values())
        self.empty_wide = np.full(self._wide, NEVER, np.int64)
        self.empty_wide[self.last] = LONG_AGO
        self.empty_narrow = np.full(self._narrow, LAST_TIE, np.int32)
        for capture in self.captured:
            (self.empty_narrow if capture.narrow else self.empty_wide)[capture.column] = capture.absent

    def field(self, step: str, name: str) -> Field:
        """A field of the step's event type; attributes of the envelope (``source``) are strings."""
        event = self._events[self.process.steps[self.step[step]].event]
        return event.fields.get(name) or Field(name, FieldType.STRING)

    def due_type(self, due: Due) -> FieldType:
        """What its field holds: instants or dates."""
        return FieldType.TIMESTAMP if due.field is None else self.field(due.step, due.field).type

    def _due(self, due: Due) -> Captured:
        captured = self._column(due.step, due.field or "", FieldType.TIMESTAMP, NEVER)
        type_ = self.due_type(due)
        plain = due.timezone is None and due.cut_offs is None
        return captured._replace(type=type_, due=None if plain else due)

    def _column(self, step: str, field: str, type_: FieldType, absent: int) -> Captured:
        if type_ in _NARROW:
            self._narrow += 1
            return Captured(step, field, type_, self._narrow - 1, absent)
        self._wide += 1
        return Captured(step, field, type_, self._wide - 1, absent)

    def later(self, step: str) -> range:
        """The columns of the steps that come after ``step`` in the catalogue."""
        return range(self.step[step] + 1, len(self.step))


class Cases:
    """Some cases, transposed: ``wide`` (columns, m) int64, ``narrow`` (columns, m) int32."""

    def __init__(self, layout: Layout, wide: Numbers, narrow: Codes) -> None:
        self.layout, self.wide, self.narrow = layout, wide, narrow

    def time(self, step: str) -> Numbers:
        """When the step first happened."""
        times: Numbers = self.wide[self.layout.step[step]]
        return times

    @property
    def opened(self) -> Numbers:
        """When the opening step happened."""
        return self.time(self.layout.process.opens)

    @cached_property
    def ended(self) -> Numbers:
        """The earliest of the ends."""
        return self.earliest(self.layout.ends)

    def earliest(self, columns: tuple[int, ...] | range) -> Numbers:
        """The earliest of some steps."""
        if not columns:
            return np.full(self.wide.shape[1], NEVER, np.int64)
        return reduce(np.minimum, [self.wide[column] for column in columns])

    @property
    def last(self) -> Numbers:
        """The time of the last event that was a step, first occurrence or not."""
        times: Numbers = self.wide[self.layout.last]
        return times

    @cached_property
    def unsure(self) -> Mask | None:
        """Which have ended nobody knows when; None where the process has no such end."""
        if not self.layout.timeless_ends:
            return None
        seen: Mask = self.earliest(self.layout.timeless_ends) != NEVER
        unsure: Mask = seen & (self.earliest(self.layout.timed_ends) == NEVER)
        return unsure

    def due(self, due: Due, promise: str = "first") -> Numbers:
        """The due time of a due without items."""
        captured = self.layout.current.get(due.name) if promise == "current" else None
        captured = captured or self.layout.dues.get(due.name)
        if captured is not None:
            times: Numbers = self.wide[captured.column]
            return times
        return np.minimum(self.time(due.step) + (due.within_ms or 0), NEVER)


def grown(array: NDArray[Any], size: int, absent: int) -> NDArray[Any]:
    """A writable array of at least ``size`` with ``array`` at its front."""
    if size <= array.size and array.flags.writeable:
        return array
    more = array.size * 3 // 2 if size > array.size else array.size
    larger = np.full(max(64, size, more), absent, array.dtype)
    larger[: array.size] = array
    return larger


def earliest(at: Places, time: Numbers, tie: Codes, scratch: Numbers) -> Places:
    """Which events, in ascending order, are the first by (time, tie) at their place ``at``.

    Mostly no place has two events, and nothing is sorted. ``scratch`` is overwritten at ``at``.
    """
    number = np.arange(at.size)
    scratch[at] = number
    if not np.count_nonzero(scratch[at] != number):
        return number
    order = np.lexsort((tie, time, at))
    place = at[order]
    return np.sort(order[np.concatenate([[True], place[1:] != place[:-1]])])


def distinct(rows: Places, scratch: Places) -> tuple[Places, Places]:
    """The different ones in ascending order, and for each of ``rows`` its position among them.

    ``scratch`` is overwritten at ``rows``: no table of that size is sorted.
    """
    number = np.arange(rows.size)
    scratch[rows] = number
    found = rows[scratch[rows] == number]
    found.sort()
    scratch[found] = number[: found.size]
    return found, scratch[rows]
