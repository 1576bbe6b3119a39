"""How events say what they correct, and where they meet it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.domain.catalogue import Catalogue, Correctable, EventType, Field, FieldType, Reverses
from services.domain.identity import event_identity, hash64
from services.intake.events import Event, Validator
from services.intake.explain import Code, Rejection

DOC = Field("doc", FieldType.STRING, required=True)
TYPES = {
    "plain": EventType("plain", "", {"doc": DOC}, {}),
    "by.id": EventType("by.id", "", {"doc": DOC}, {}, correctable=Correctable()),
    "by.key": EventType("by.key", "", {"doc": DOC}, {}, correctable=Correctable("doc", None)),
    "undone": EventType("undone", "", {"doc": DOC}, {}, reverses=Reverses("by.key", "doc")),
}
VALIDATOR = Validator(Catalogue(TYPES, {}, {}, "d"), max_event_bytes=10_000)


def validate(type_: str, **more: Any) -> Event | Rejection:
    event = {
        "id": "e2",
        "source": "erp",
        "type": type_,
        "time": "2024-05-06T08:00:00Z",
        "data": {"doc": "D1"},
    }
    return VALIDATOR.validate(msgspec.json.encode({**event, **more}))


def valid(type_: str, **more: Any) -> Event:
    event = validate(type_, **more)
    assert isinstance(event, Event), event
    return event


def test_what_corrects_by_id_carries_the_identity_of_the_first_event() -> None:
    """An event that corrects nothing carries its own; all of a type and source go to one place, since a correction may
    name a correction.
    """
    first, correction = valid("by.id", id="e1"), valid("by.id", corrects="e1")
    for event in (first, correction):
        root = event.values[1]
        assert isinstance(root, str)
        assert hash64(root.encode()) == event_identity("erp", "e1")
        assert event.route == first.route
    assert [event.values[3] for event in (first, valid("by.id", cancels="e1"))] == [False, True]

    assert valid("by.id", id="e3", corrects="e2", subject="a").route == first.route
    assert valid("by.id", source="crm").route != first.route


def test_when_a_correction_was_recorded_is_epoch_ms() -> None:
    """Absent where the event does not say it."""
    assert valid("by.id", corrects="e1").values[2] is None
    assert valid("by.id", corrects="e1", recordedtime="2024-05-06T09:00:00Z").values[2] == 1_714_986_000_000


def test_what_reverses_goes_where_the_original_goes() -> None:
    """Also where no case brings them together, whatever their subjects."""
    assert valid("by.key", subject="a").route == valid("undone", subject="b").route


@pytest.mark.parametrize(
    ("type_", "attributes", "field", "words"),
    [
        ("plain", {"corrects": "e1"}, "corrects", "write correctable: {} at its event type"),
        ("by.key", {"cancels": "e1"}, "cancels", "send another version of the same 'doc'"),
        ("by.id", {"corrects": "e1", "cancels": "e1"}, "cancels", "send one of the two"),
    ],
)
def test_a_correction_that_cannot_be_one_is_refused(
    type_: str, attributes: dict[str, str], field: str, words: str
) -> None:
    """With the attribute, its value and the remedy: it must not count as one more event."""
    refused = validate(type_, **attributes)
    assert isinstance(refused, Rejection)
    assert (refused.code, refused.field, refused.value) == (Code.NOT_CORRECTABLE, field, '"e1"')
    assert words in refused.message
