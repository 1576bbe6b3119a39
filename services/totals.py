"""What a source counts itself, checked against the catalogue: whichever way it comes in."""

from __future__ import annotations

from dataclasses import dataclass

from services.catalogue.problems import did_you_mean
from services.domain.catalogue import Catalogue, FieldType
from services.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Total:
    """What a source counts of events of a type: how many, or what ``field`` adds up to (a decimal)."""

    event: str
    count: int | None = None
    field: str | None = None
    sum: str | None = None


def check(catalogue: Catalogue, source: str, total: Total) -> None:
    """Raise ``InvalidInput`` for an event type that the source does not send, for a total that says nothing or two
    things, and for one that cannot be.
    """
    sent = [name for name, event in catalogue.events.items() if source in event.sources]
    if total.event not in sent:
        raise InvalidInput(
            f"{source!r} sends no {total.event!r}",
            field="event",
            value=total.event,
            remedy=did_you_mean(total.event, sent) or f"name {source!r} in the sources of its event types",
        )
    if (total.count is None) == (total.sum is None) or (total.sum is None) != (total.field is None):
        raise InvalidInput(
            "a total is a count, or the sum of a field",
            field="count",
            value=total.count,
            remedy="send count, or field and sum",
        )
    if total.count is not None and total.count < 0:
        raise InvalidInput(
            "there are no fewer events than none", field="count", value=total.count, remedy="count them"
        )
    fields = catalogue.events[total.event].fields
    numbers = [name for name, one in fields.items() if one.type in {FieldType.INTEGER, FieldType.DECIMAL}]
    if total.field is not None and total.field not in numbers:
        raise InvalidInput(
            f"{total.event} has no number field {total.field!r}",
            field="field",
            value=total.field,
            remedy=did_you_mean(total.field, numbers) or "name a field that is an integer or a decimal",
        )
