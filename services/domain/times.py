"""Events by another time than when they occurred: when they were posted, or recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.domain.catalogue import EventType, Time
from services.domain.rows import NULL, Codes, Flags, Hashes, Mask, Numbers, Rows, Strings


@dataclass(frozen=True, slots=True)
class Retimed:
    """``rows`` that count at ``time``."""

    rows: Rows
    time: Numbers

    @property
    def n(self) -> int:
        """See ``Rows``."""
        return self.rows.n

    @property
    def strings(self) -> Strings:
        """See ``Rows``."""
        return self.rows.strings

    @property
    def weight(self) -> Numbers | None:
        """See ``Rows``."""
        return self.rows.weight

    def number(self, name: str) -> Numbers:
        """See ``Rows``."""
        return self.time if name == "time" else self.rows.number(name)

    def code(self, name: str) -> Codes:
        """See ``Rows``."""
        return self.rows.code(name)

    def flag(self, name: str) -> Flags:
        """See ``Rows``."""
        return self.rows.flag(name)

    def hash(self, name: str) -> Hashes:
        """See ``Rows``."""
        return self.rows.hash(name)


def kept_time(rows: Rows, time: Time) -> Numbers:
    """The ``time`` of rows that hold it as a number of that name; where they do not: when they occurred."""
    told = rows.number(time_column(time))
    return np.where(told == NULL, rows.number("time"), told)


def time_column(time: Time) -> str:
    """The name of the number that keeps the ``time`` of rows; no field is called so."""
    return f"~{time.value}"


def retimed(rows: Rows, event: EventType, time: Time, ingest: Callable[[], Numbers]) -> Retimed:
    """``rows``, events of a type, by their ``time``: that of its field; where there is none, when they were recorded
    is when the intake saw them (``ingest``), and they were posted when they occurred.
    """
    name = event.times.get(time)
    if name is None:
        return Retimed(rows, ingest() if time is Time.RECORDED else rows.number("time"))
    told = rows.number(name)
    absent: Mask = told == NULL
    if not absent.any():
        return Retimed(rows, told)
    other = ingest() if time is Time.RECORDED else rows.number("time")
    return Retimed(rows, np.where(absent, other, told))
