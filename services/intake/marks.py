"""What events say of their source rather than of the business, as marks: ends of batches, numbers that came; and from
when on levels are known.

A mark is a record without events; it is appended once the log has acknowledged the events that it speaks of. So a
mark never speaks of what is not there, and what was not acknowledged is sent, and marked, once more. The end of a
batch goes to every partition, numbers to that of their source alone (see ``services/domain/source_accounts.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from services.domain.catalogue import Catalogue
from services.domain.frames import Kind
from services.domain.identity import partition_of
from services.domain.program import LIVE
from services.domain.source_events import BATCH, OPENING
from services.intake.claims import number_of
from services.intake.events import Event
from services.ports import Append


class _Numbered(msgspec.Struct):
    sequence: str | int | None = None


_sequence = msgspec.json.Decoder(_Numbered).decode

Mark = Callable[..., list[Append]]
"""``Framer.mark``."""


class Marks:
    """Collects what the events of one catalogue say, until it is taken; with ``sources`` of these, too."""

    def __init__(self, catalogue: Catalogue, *, sources: bool = True) -> None:
        self._sources = sources
        self._numbered = frozenset(
            name for name, one in catalogue.sources.items() if one.sequence is not None and sources
        )
        self._openings: list[tuple[str, int]] = []
        self._batches: dict[str, list[list[Any]]] = {}
        self._numbers: dict[str, dict[int, int]] = {}

    def take(self, event: Event) -> bool:
        """Note what ``event`` says. True where that is all there is to it: it goes into no frame."""
        if event.type == OPENING:
            [process] = event.values
            self._openings.append((str(process), event.time))
            return True
        if event.type == BATCH and self._sources:
            until, records = event.values
            self._batches.setdefault(event.source, []).append([until, records])
            return True
        if event.source in self._numbered:
            number = number_of(_sequence(event.cold).sequence)
            if number is not None:
                self._numbers.setdefault(event.source, {})[number] = event.said
        return False

    def records(self, mark: Mark, ingest: int) -> list[Append]:
        """Records of all that was noted, stamped ``ingest``; nothing is noted any more."""
        batches, self._batches = self._batches, {}
        numbers, self._numbers = self._numbers, {}
        openings, self._openings = self._openings, []
        found: list[Append] = []
        for process, instant in openings:
            found += mark(Kind.OPENING, ingest, process=process, instant=instant)
        for source, noted in numbers.items():
            records = mark(Kind.SOURCE, ingest, source=source, numbers=list(_ranges(noted)))
            found.append(records[partition_of(source, len(records))])
        for source, ended in batches.items():
            found += mark(Kind.SOURCE, ingest, source=source, batches=ended)
        return found


def marks_of(catalogue: Catalogue, run: str) -> Marks | None:
    """What collects for a run; None where nobody wants to know. Of an import's sources nobody does."""
    sources = bool(catalogue.sources) and run == LIVE
    return Marks(catalogue, sources=sources) if sources or OPENING in catalogue.events else None


def _ranges(times: dict[int, int]) -> Iterator[Sequence[int]]:
    """Number → event time as [first, last, time of the last]."""
    ordered = sorted(times)
    first = 0
    for at, number in enumerate(ordered):
        if at + 1 == len(ordered) or ordered[at + 1] != number + 1:
            yield ordered[first], number, times[number]
            first = at + 1
