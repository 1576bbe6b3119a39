"""The event types that a catalogue has of itself: what a source says of its own events, and when levels begin.

``sightline.batch`` ends a batch; it becomes a mark in every partition, behind the events of the batch. A
``sightline.totals`` says what the source counts itself; the day that it speaks of is that of its time, and of several
for one day the one with the latest time counts. A ``sightline.opening`` is a mark in every partition, too.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Opening

BATCH = "sightline.batch"
TOTALS = "sightline.totals"
OPENING = "sightline.opening"
PREFIX = "sightline."
SUM_SCALE = 4


def announced(catalogue: Catalogue) -> tuple[str, ...]:
    """The processes whose opening is announced."""
    return tuple(name for name, one in catalogue.processes.items() if one.opening is Opening.ANNOUNCED)


def _type(name: str, description: str, *fields: Field) -> EventType:
    return EventType(name, description, {field.name: field for field in fields}, {})


SOURCE_EVENTS: Mapping[str, EventType] = {
    BATCH: _type(
        BATCH,
        "A batch has come to its end.",
        Field("complete_until", FieldType.TIMESTAMP, required=True, description="The source is complete up to it."),
        Field("records", FieldType.INTEGER, description="How many events the source says were in it."),
    ),
    TOTALS: _type(
        TOTALS,
        "What the source itself counts on the day of this event's time.",
        Field("event", FieldType.STRING, required=True, description="The event type that was counted."),
        Field("count", FieldType.INTEGER, description="How many events."),
        Field("field", FieldType.STRING, description="The field that was added up."),
        Field("sum", FieldType.DECIMAL, scale=SUM_SCALE, description="What it came to."),
    ),
}  # fmt: skip
"""Those of a catalogue with sources."""

OPENING_EVENTS: Mapping[str, EventType] = {
    OPENING: _type(
        OPENING,
        "From this event's time on the levels of a process are known.",
        Field("process", FieldType.STRING, required=True, description="The process."),
    ),
}
"""Those of a catalogue with a process whose opening is announced."""
