"""What a case table reads: events of one type, which of them count as a step, and which name an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import Captured
from services.domain.catalogue import Due, Field, FieldType
from services.domain.dues import due_times
from services.domain.items import Named, item_keys
from services.domain.program import Filter
from services.domain.rows import Codes, Hashes, Numbers, Places, Rows
from services.domain.texts import Packed

_TIE_BITS = np.uint64(33)
"""Ties are broken by the upper 31 bits of the identity: they fit an int32."""
_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class CaseEvents:
    """Events of one type as one process sees them; ``keys`` are ``hash64`` of the cases' ids.

    ``texts(field, at)`` gives values of a string field at row numbers ``at``; field "" is the case's id. ``only`` are
    the rows that count (None: all). ``again``: they are not news, but were told before.
    """

    type: str
    keys: Hashes
    rows: Rows
    texts: Callable[[str, Places], Packed]
    only: Places | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Hits:
    """Events that count as a step: those at ``at`` among ``events`` (None: all)."""

    step: str
    events: CaseEvents
    at: Places | None

    @property
    def size(self) -> int:
        """How many."""
        return self.events.keys.size if self.at is None else self.at.size

    @property
    def keys(self) -> Hashes:
        """Hashes of their cases' ids."""
        keys: Hashes = self._chosen(self.events.keys)
        return keys

    def number(self, name: str) -> Numbers:
        """A number field of these."""
        numbers: Numbers = self._chosen(self.events.rows.number(name))
        return numbers

    def narrow(self, capture: Captured) -> Codes:
        """Codes of a string field, or flags."""
        rows = self.events.rows
        found = rows.code(capture.field) if capture.type is FieldType.STRING else rows.flag(capture.field)
        chosen: Codes = self._chosen(found)
        return chosen

    def codes(self, name: str) -> Codes:
        """Codes of a string field."""
        codes: Codes = self._chosen(self.events.rows.code(name))
        return codes

    def hash(self, name: str) -> Hashes:
        """Hashes of a field's values."""
        hashes: Hashes = self._chosen(self.events.rows.hash(name))
        return hashes

    def texts(self, name: str, at: Places) -> Packed:
        """Values of a string field ("": the case's id) of those ``at``."""
        return self.events.texts(name, at if self.at is None else self.at[at])

    def labels(self, field: Field, at: Places) -> Packed:
        """Values of a string or number field, as text."""
        if field.type is FieldType.STRING:
            return self.texts(field.name, at)
        return Packed.of([str(number).encode() for number in self.number(field.name)[at].tolist()])

    def _chosen(self, column: NDArray[Any]) -> Any:
        return column if self.at is None else column[self.at]


def hits(
    events: CaseEvents, steps: Mapping[str, Sequence[str]], filters: Mapping[str, Filter]
) -> Iterator[Hits]:
    """Which of ``events`` count as which step; ``steps`` are the names by event type."""
    if not (events.keys if events.only is None else events.only).size:
        return
    for step in steps.get(events.type, ()):
        compiled = filters.get(step)
        if compiled is None:
            yield Hits(step, events, events.only)
            continue
        mask = compiled.mask(events.rows)
        at = mask.nonzero()[0] if events.only is None else events.only[mask[events.only]]
        if at.size:
            yield Hits(step, events, at)


class Taken:
    """Hits put together, in order; ``sizes`` of them, ``bounds`` where those of each begin, and the end."""

    def __init__(self, hits: Sequence[Hits]) -> None:
        self.hits = hits
        self.sizes = [hit.size for hit in hits]
        self.bounds = [0, *accumulate(self.sizes)]
        self.keys: Hashes = _join([hit.keys for hit in hits])
        self.time: Numbers = _join([hit.number("time") for hit in hits])
        self.tie: Codes = (_join([hit.hash("identity") for hit in hits]) >> _TIE_BITS).astype(np.int32)

    def parts(self) -> Iterator[tuple[Hits, slice]]:
        """Each hit, and where it is among all."""
        for hit, start, end in zip(self.hits, self.bounds, self.bounds[1:], strict=False):
            yield hit, slice(start, end)

    def among(self, chosen: Places) -> Iterator[tuple[Hits, Places, slice]]:
        """Each hit that has some of the (ascending) ``chosen``: which of its own they are, and where among them."""
        bounds = np.searchsorted(chosen, self.bounds).tolist()
        for hit, first, start, end in zip(self.hits, self.bounds, bounds, bounds[1:], strict=False):
            if end > start:
                yield hit, chosen[start:end] - first, slice(start, end)


def promised(hit: Hits, due: Due, type_: FieldType, at: Places | slice = _ALL) -> Numbers:
    """When ``due`` is due by the events ``at`` among ``hit``; ``type_`` is that of its field."""
    time, by = hit.number("time")[at], list[str | None]()
    values = time if due.field is None else hit.number(due.field)[at]
    if due.cut_offs is not None and due.cut_offs.by is not None:
        texts = hit.events.rows.strings.texts
        codes = hit.codes(due.cut_offs.by)[at].tolist()
        by = [texts[code] if code >= 0 else None for code in codes]
    return due_times(due, type_, values, time, by)


def named(taken: Taken, due: Due, type_: FieldType, field: Field, rows: Places) -> Iterator[Named]:
    """The events that name an item of ``due`` in ``field``; ``rows`` are those of the cases of all that was taken.
    ``type_`` is that of the due time's field.
    """
    for hit, part in taken.parts():
        if hit.step != due.step:
            continue
        hashes = hit.hash(field.name)
        at = hashes.nonzero()[0]
        if not at.size:
            continue
        time = taken.time[part][at]
        times = promised(hit, due, type_, at)
        keys = item_keys(taken.keys[part][at], hashes[at])
        labels = partial(_labels, hit, field, at)
        yield Named(rows[part][at], keys, time, taken.tie[part][at], times, labels)


def _labels(hit: Hits, field: Field, at: Places, new: Places) -> Packed:
    return hit.labels(field, at[new])


def _join(columns: list[NDArray[Any]]) -> Any:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)
