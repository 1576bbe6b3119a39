"""What events claim of their source, checked: their numbers, ends of batches, totals. Only catalogues that declare
sources have any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from services.domain.catalogue import Catalogue
from services.domain.source_events import BATCH, TOTALS
from services.domain.watermark import FUTURE_MS
from services.errors import InvalidInput
from services.intake.explain import Code, Rejection
from services.intake.shapes import Envelope, Event
from services.totals import Total, check

_DIGITS = 18

Now = Callable[[], int]
"""What time it is, in epoch ms."""


def number_of(sequence: str | int | None) -> int | None:
    """The number that CloudEvents' ``sequence`` is; None where it is none: a whole one, of at most 18 digits."""
    text = str(sequence)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


class Claims:
    """Those of one catalogue's events; without ``now`` nothing is of the future."""

    def __init__(self, catalogue: Catalogue, now: Now | None) -> None:
        self._numbered = frozenset(
            name for name, one in catalogue.sources.items() if one.sequence is not None
        )
        self._catalogue = catalogue
        self._now = now

    @classmethod
    def of(cls, catalogue: Catalogue, now: Now | None) -> Claims | None:
        """None where nothing can be claimed."""
        return cls(catalogue, now) if catalogue.sources else None

    def refusal(self, event: Event, envelope: Envelope, index: int) -> Rejection | None:
        """What is wrong with what ``event``, read of ``envelope``, claims; None: nothing."""
        sequence = envelope.sequence
        if sequence is not None and event.source in self._numbered and number_of(sequence) is None:
            message = (
                f"{event.source!r} numbers its events, and 'sequence' is no whole number of at most {_DIGITS} digits: "
                "send one, or take 'sequence' out of its declaration in the catalogue."
            )
            value = msgspec.json.encode(sequence).decode()
            return Rejection(index, envelope.id, "sequence", value, Code.NOT_A_NUMBER, message)
        if event.type == TOTALS:
            return self._total(event, envelope, index)
        return self._end(event, envelope, index) if event.type == BATCH else None

    def _total(self, event: Event, envelope: Envelope, index: int) -> Rejection | None:
        name, count, field, summed = event.values
        total = Total(
            str(name),
            None if count is None else int(count),
            None if field is None else str(field),
            None if summed is None else str(summed),
        )
        try:
            check(self._catalogue, event.source, total)
        except InvalidInput as error:
            value = msgspec.json.encode(error.value).decode()
            message = f"{error}: {error.remedy}."
            return Rejection(index, envelope.id, f"data.{error.field}", value, Code.NO_SUCH_TOTAL, message)
        return None

    def _end(self, event: Event, envelope: Envelope, index: int) -> Rejection | None:
        until, records = event.values
        if self._now is not None and int(until or 0) > self._now() + FUTURE_MS:
            field = "complete_until"
            message = (
                "A batch cannot be complete until an instant that is still to come: send the time of the last event "
                "that it can contain."
            )
        elif records is not None and int(records) < 0:
            field, message = "records", "There are no fewer records than none: count them."
        else:
            return None
        data: dict[str, Any] = msgspec.json.decode(event.cold)["data"]
        value = msgspec.json.encode(data[field]).decode()
        return Rejection(index, envelope.id, f"data.{field}", value, Code.OUT_OF_RANGE, message)
