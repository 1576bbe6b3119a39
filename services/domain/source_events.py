"""The event types that every catalogue with sources has: what a source says of its own events.

``sightline.batch`` ends a batch; it becomes a mark in every partition, behind the events of the batch. A
``sightline.totals`` says what the source counts itself; the day that it speaks of is that of its time, and of several
for one day the one with the latest time counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.domain.catalogue import EventType, Field, FieldType

BATCH = "sightline.batch"
TOTALS = "sightline.totals"
PREFIX = "sightline."
SUM_SCALE = 4


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
