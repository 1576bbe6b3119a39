"""What a case table reads: events of one type, which of them count as a step, and which name an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import NEVER, Captured
from services.domain.catalogue import Due, Field, FieldType
from services.domain.items import Named, item_keys
from services.domain.program import Filter
from services.domain.rows import NULL, Codes, Hashes, Numbers, Rows

_TIE_BITS = np.uint64(33)
"""Ties are broken by the upper 31 bits of the identity: they fit an int32."""


@dataclass(frozen=True, slots=True)
class CaseEvents:
    """Events of one type as one process sees them; ``keys`` are ``hash64`` of the cases' ids.

    ``texts(field, at)`` gives values of a string field at row numbers ``at``, as UTF-8; field "" is the case's id.
    """

    type: str
    keys: Hashes
    rows: Rows
    texts: Callable[[str, NDArray[np.intp]], Sequence[bytes]]


class Hits(NamedTuple):
    """Events that count as a step: at ``at`` among ``events`` (None: all)."""

    step: str
    events: CaseEvents
    at: NDArray[np.intp] | None
    keys: Hashes
    time: Numbers
    tie: Codes

    def number(self, name: str) -> Numbers:
        """A number field of these."""
        numbers = self.events.rows.number(name)
        return numbers if self.at is None else numbers[self.at]

    def narrow(self, capture: Captured) -> Codes:
        """Codes of a string field, or flags."""
        rows = self.events.rows
        found = rows.code(capture.field) if capture.type is FieldType.STRING else rows.flag(capture.field)
        return (found if self.at is None else found[self.at]).astype(np.int32)

    def hash(self, name: str) -> Hashes:
        """Hashes of a field's values."""
        hashes = self.events.rows.hash(name)
        return hashes if self.at is None else hashes[self.at]

    def texts(self, name: str, at: NDArray[np.intp]) -> Sequence[bytes]:
        """Values of a string field ("": the case's id) of those ``at``."""
        return self.events.texts(name, at if self.at is None else self.at[at])

    def labels(self, field: Field, at: NDArray[np.intp]) -> Sequence[bytes]:
        """Values of a string or number field, as text."""
        if field.type is FieldType.STRING:
            return self.texts(field.name, at)
        return [str(number).encode() for number in self.number(field.name)[at].tolist()]


def hits(
    events: CaseEvents, steps: Mapping[str, Sequence[str]], filters: Mapping[str, Filter]
) -> Iterator[Hits]:
    """Which of ``events`` count as which step; ``steps`` are the names by event type."""
    if not events.keys.size:
        return
    for step in steps.get(events.type, ()):
        compiled = filters.get(step)
        time = events.rows.number("time")
        tie = (events.rows.hash("identity") >> _TIE_BITS).astype(np.int32)
        if compiled is None:
            yield Hits(step, events, None, events.keys, time, tie)
            continue
        at = np.flatnonzero(compiled.mask(events.rows))
        if at.size:
            yield Hits(step, events, at, events.keys[at], time[at], tie[at])


def named(hit: Hits, due: Due, field: Field, rows: Codes) -> Iterator[Named]:
    """The events among ``hit`` that name an item in ``field``; ``rows`` are those of their cases."""
    hashes = hit.hash(field.name)
    at = np.flatnonzero(hashes)
    if not at.size:
        return
    if due.field is None:
        times = hit.time + (due.within_ms or 0)
    else:
        read = hit.number(due.field)
        times = np.where(read == NULL, NEVER, read)
    keys = item_keys(hit.keys[at], hashes[at])
    yield Named(rows[at], keys, hit.time[at], hit.tie[at], times[at], lambda new: hit.labels(field, at[new]))
