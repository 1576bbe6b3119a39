from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Process, Step
from services.domain.identity import event_identity
from services.intake.events import Event, Validator
from services.intake.explain import Code, Rejection
from tests.unit.intake.given import CATALOGUE, NOON, text

VALIDATOR = Validator(CATALOGUE, max_event_bytes=10_000)


def accepted(payload: bytes, **more: Any) -> Event:
    outcome = VALIDATOR.validate(payload, **more)
    assert isinstance(outcome, Event), outcome
    return outcome


def refused(payload: bytes, **more: Any) -> Rejection:
    outcome = VALIDATOR.validate(payload, 7, **more)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.index == 7
    assert outcome.message.endswith((".", "?"))
    return outcome


def test_a_valid_event_becomes_columns() -> None:
    """Fields come in catalogue order, amounts in fixed point, instants in epoch ms (dates: of their 00:00 UTC); the
    JSON is kept as it came.
    """
    payload = text(
        data_price=12.5,
        data_weight="0.125",
        data_quantity=3,
        data_express=True,
        **{"data_promised at": "2026-03-01T13:00:00.250+01:00"},
        **{"data_ready on": "2026-03-01"},
        data_note="kept",
    )
    event = accepted(payload)
    assert event.values == ("SO-1", 1250, 125, 3, True, NOON + 250, None, NOON - 43_200_000)
    assert (event.type, event.time, event.source) == ("order.placed", NOON, "shop")
    assert event.identity == event_identity("shop", "e1")
    assert event.cold == payload


def test_absent_and_null_are_the_same() -> None:
    """Optional fields may be left out or be null."""
    nothing = {f"data_{name}": None for name in ("weight", "quantity", "express", "promised at", "ready on")}
    assert accepted(text(**nothing)).values == ("SO-1", 1250, None, None, None, None, None, None)
    assert accepted(text()).values == ("SO-1", 1250, None, None, None, None, None, None)


def test_an_event_is_copied_for_each_process_that_it_concerns() -> None:
    """One copy per process with a key; none, and a route, where it concerns no object."""
    assert accepted(text()).copies == (("order", "SO-1"),)
    assert accepted(text(data_ticket="T-9")).copies == (("order", "SO-1"), ("ticket", "T-9"))
    ping = {"type": "pinged", "data": None}
    assert (accepted(text(**ping)).copies, accepted(text(**ping)).route) == ((), "e1")
    assert accepted(text(**ping, subject="s")).route == "s"
    assert accepted(text(**ping, subject="s", partitionkey="p")).route == "p"


def test_a_way_in_may_supply_id_and_source() -> None:
    """Then they stand in the kept JSON, beside what the event said, to the digit."""
    event = accepted(text(id=None, source=None, data_price=1.10), source="crm", event_id="t:0:7")
    assert event.identity == event_identity("crm", "t:0:7")
    kept = json.loads(event.cold)
    assert (kept["id"], kept["source"]) == ("t:0:7", "crm")
    assert b"1.1" in event.cold
    assert accepted(text(), source="crm", event_id="x").identity == event_identity("shop", "e1")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"id": None}, Code.MISSING_ATTRIBUTE, "id"),
        ({"source": None}, Code.MISSING_ATTRIBUTE, "source"),
        ({"type": None}, Code.MISSING_ATTRIBUTE, "type"),
        ({"time": None}, Code.MISSING_ATTRIBUTE, "time"),
        ({"id": ""}, Code.EMPTY, "id"),
        ({"id": 5}, Code.WRONG_TYPE, "id"),
        ({"id": "x" * 300}, Code.TOO_LONG, "id"),
        ({"specversion": "0.3"}, Code.UNSUPPORTED_VERSION, "specversion"),
        ({"data_base64": "AA=="}, Code.UNSUPPORTED_DATA, "data_base64"),
        ({"type": "order.plced"}, Code.UNKNOWN_TYPE, "type"),
        ({"time": "2026-03-01T12:00:00"}, Code.INVALID_TIME, "time"),
        ({"time": "yesterday"}, Code.INVALID_TIME, "time"),
        ({"time": 1772366400}, Code.INVALID_TIME, "time"),
        ({"time": "1969-01-01T00:00:00Z"}, Code.OUT_OF_RANGE, "time"),
        ({"recordedtime": "soon"}, Code.INVALID_TIME, "recordedtime"),
        ({"data": [1]}, Code.WRONG_TYPE, "data"),
        ({"data_order_id": None}, Code.MISSING_FIELD, "data.order_id"),
        ({"data_order_id": ""}, Code.EMPTY, "data.order_id"),
        ({"data_order_id": 17}, Code.WRONG_TYPE, "data.order_id"),
        ({"data_order_id": "x" * 257}, Code.TOO_LONG, "data.order_id"),
        ({"data_price": "12,50"}, Code.NOT_A_NUMBER, "data.price"),
        ({"data_price": True}, Code.NOT_A_NUMBER, "data.price"),
        ({"data_price": None}, Code.MISSING_FIELD, "data.price"),
        ({"data_price": "12.505"}, Code.TOO_MANY_DIGITS, "data.price"),
        ({"data_price": 1e30}, Code.OUT_OF_RANGE, "data.price"),
        ({"data_quantity": "3"}, Code.WRONG_TYPE, "data.quantity"),
        ({"data_quantity": 3.5}, Code.WRONG_TYPE, "data.quantity"),
        ({"data_quantity": 2**63}, Code.OUT_OF_RANGE, "data.quantity"),
        ({"data_express": "yes"}, Code.WRONG_TYPE, "data.express"),
        ({"data_promised at": "2026-03-01"}, Code.INVALID_TIME, "data.promised at"),
        ({"data_ready on": "2026-03-01T12:00:00Z"}, Code.INVALID_TIME, "data.ready on"),
        ({"data_ready on": "2026-02-30"}, Code.INVALID_TIME, "data.ready on"),
        ({"data_ready on": 20260301}, Code.INVALID_TIME, "data.ready on"),
        ({"data_ready on": "1969-12-31"}, Code.OUT_OF_RANGE, "data.ready on"),
        ({"data_promised at": "2300-01-01T00:00:00Z"}, Code.OUT_OF_RANGE, "data.promised at"),
        ({"data_ticket": "a\0b"}, Code.CONTROL_CHARACTER, None),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], code: Code, field: str | None) -> None:
    """Each refusal names the field and a code of the closed list."""
    rejection = refused(text(**changes))
    assert (rejection.code, rejection.field) == (code, field)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"{", Code.INVALID_JSON),
        (b"", Code.INVALID_JSON),
        (b"[" * 100_000, Code.TOO_LARGE),
        (b'{"data":' + b"[" * 5_000, Code.INVALID_JSON),
        (b"[]", Code.NOT_AN_OBJECT),
        (b"3", Code.NOT_AN_OBJECT),
        (text(data_note="x" * 20_000), Code.TOO_LARGE),
    ],
)
def test_what_is_no_event_at_all(payload: bytes, code: Code) -> None:
    """Broken JSON, other JSON and bulk are refused without harm."""
    assert refused(payload).code is code


def test_refusals_say_what_was_probably_meant() -> None:
    """Types and fields that are nearly right are recognised."""
    assert "'order.placed'?" in refused(text(type="order.plced")).message
    assert "'orderid'?" in refused(text(data_order_id=None, data_orderid="x")).message
    assert "'sourc'?" in refused(text(source=None, sourc="x")).message


def test_a_refusal_shows_id_and_value() -> None:
    """So that the sender finds the event again."""
    rejection = refused(text(data_price="x" * 500))
    assert rejection.id == "e1"
    assert rejection.value == '"' + "x" * 199 + "…"


def test_a_backslash_before_u0000_is_no_nul() -> None:
    """An escaped backslash followed by u0000 is six harmless characters."""
    assert accepted(text(data_ticket="\\u0000")).values[6] == "\\u0000"


texts = st.text("ab\0é", max_size=5)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = leaves | st.lists(leaves, max_size=2) | st.dictionaries(texts, leaves, max_size=2)
names = st.sampled_from(
    ["id", "source", "type", "time", "subject", "specversion", "sequence", "data", "partitionkey"]
)
fields = st.sampled_from([*(f"data_{name}" for name in CATALOGUE.events["order.placed"].fields)])


@given(st.dictionaries(names | fields, values, max_size=3))
def test_whatever_is_refused_is_explained(changes: dict[str, Any]) -> None:
    """The fast path and the explanation agree: a refusal always finds its words."""
    outcome = VALIDATOR.validate(text(**changes))
    if isinstance(outcome, Rejection):
        assert outcome.code is not Code.INVALID_JSON, outcome
        assert outcome.field is not None or outcome.code is Code.CONTROL_CHARACTER


def test_what_no_field_reads_must_be_text_too() -> None:
    """The event is kept and shown as it came."""
    bad = text(note="x").replace(b'"x"', b'"\xff"')
    assert "UTF-8" in refused(bad).message


@given(
    st.lists(st.dictionaries(names | fields, values, max_size=2), min_size=1, max_size=4),
    st.sampled_from(["crm", None]),
)
def test_in_company_each_is_what_it_is_alone(events: list[dict[str, Any]], source: str | None) -> None:
    """Whatever stands beside it, wherever it came from, only its index is another."""
    payloads = [text(**changes) for changes in events] + [b"{", b"x" * 10_001]
    ids = [f"t:0:{at}" for at in range(len(payloads))] if source else None
    alone = [
        VALIDATOR.validate(payload, 5 + at, source=source, event_id=ids[at] if ids else None)
        for at, payload in enumerate(payloads)
    ]
    assert VALIDATOR.validate_all(payloads, 5, source=source, event_ids=ids) == alone


def test_a_catalogue_without_event_types_knows_none() -> None:
    """Everything is refused, in words."""
    outcome = Validator(Catalogue({}, {}, {}, "d"), max_event_bytes=10_000).validate(text())
    assert isinstance(outcome, Rejection)
    assert outcome.code is Code.UNKNOWN_TYPE


def test_a_number_can_be_a_key() -> None:
    """As its digits; where it is absent, the event does not concern that process."""
    numbered = EventType(
        "counted", "", {"no": Field("no", FieldType.INTEGER)}, {"bin": "no", "shelf": "subject"}
    )
    processes = {name: Process(name, name, (Step("s", "counted"),), "s", (), {}) for name in ("bin", "shelf")}
    validator = Validator(Catalogue({"counted": numbered}, processes, {}, "d"), max_event_bytes=10_000)
    one = validator.validate(text(type="counted", data={"no": 17}, subject="S-1"))
    other = validator.validate(text(type="counted", data={}))
    assert isinstance(one, Event)
    assert isinstance(other, Event)
    assert (one.copies, other.copies) == ((("bin", "17"), ("shelf", "S-1")), ())
