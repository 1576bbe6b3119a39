from __future__ import annotations

import json

import pytest

from services.errors import InvalidInput, TooLarge, Unsupported
from services.intake.cloudevents import BATCH, SINGLE, parse
from tests.unit.intake.given import event, text

ONE, TWO = text(id="1"), text(id="2")
ARRAY = b"[" + ONE + b", " + TWO + b"]"
LINES = ONE + b"\r\n\n" + TWO + b"\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BATCH, ARRAY),
        ("application/json", ARRAY),
        ("application/json; charset=utf-8", b" \n" + ARRAY),
        ("", ARRAY),
        ("application/x-ndjson", LINES),
        ("application/x-www-form-urlencoded", LINES),
    ],
)
def test_forms_of_a_batch(kind: str, body: bytes) -> None:
    """Arrays and lines give the same events, byte for byte."""
    assert parse({"content-type": kind}, body) == [ONE, TWO]


@pytest.mark.parametrize("kind", [SINGLE, "application/json", "", "text/plain"])
def test_a_single_event(kind: str) -> None:
    """Structured mode; also over several lines."""
    assert parse({"content-type": kind}, ONE) == [ONE]
    pretty = json.dumps(event(), indent=2).encode()
    assert parse({"content-type": kind}, pretty) == [pretty]


def test_binary_mode() -> None:
    """Attributes come in headers, percent-encoded, and the body is the data."""
    headers = {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "%C3%A91",
        "ce-type": "order.placed",
        "ce-source": "shop",
        "ce-time": "2026-03-01T12:00:00Z",
    }
    [payload] = parse(headers, b'{"order_id": "SO-1", "price": 12.50}')
    assert json.loads(payload) == event(id="é1", data={"order_id": "SO-1", "price": 12.5})
    assert b"12.50" in payload, "amounts keep their text"
    assert "data" not in json.loads(parse(headers, b"")[0])


def test_one_bad_line_does_not_spoil_the_others() -> None:
    """Single events are judged by validation, not here."""
    assert parse({"content-type": "application/x-ndjson"}, ONE + b"\nnonsense\n" + TWO) == [
        ONE,
        b"nonsense",
        TWO,
    ]


@pytest.mark.parametrize("bad", [b'{"id": NaN}', b'{"id": "\xff, ]"}', b"nonsense", b"", b'{"a": [1, 2,]}'])
@pytest.mark.parametrize("kind", [BATCH, "application/json"])
def test_one_bad_element_does_not_spoil_the_others(kind: str, bad: bytes) -> None:
    """Nor does one line that is not UTF-8: whatever it is, the others are taken, and it is left to validation."""
    body = b"[" + ONE + b", " + bad + b", " + TWO + b"]"
    assert parse({"content-type": kind}, body) == [ONE, bad, TWO]
    lines = [ONE, bad or b"x", TWO]
    assert parse({"content-type": "application/x-ndjson"}, b"\n".join(lines)) == lines


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("image/png", b"x", Unsupported),
        ("application/json", b"[1,", InvalidInput),
        (BATCH, b"{}", InvalidInput),
        ("application/json", b"[" * 100_000, InvalidInput),
        ("application/json", b"\xff", InvalidInput),
    ],
)
def test_bodies_that_cannot_be_taken_apart(kind: str, body: bytes, error: type[InvalidInput]) -> None:
    """They are refused as a whole, with a remedy where there is one."""
    with pytest.raises(error):
        parse({"content-type": kind}, body)


def test_the_number_of_events_is_bounded() -> None:
    """A body of millions of tiny elements would be millions of dead letters."""
    with pytest.raises(TooLarge):
        parse({}, b"[1,1,1]", max_events=2)


def test_binary_mode_wants_json() -> None:
    """Data of another type, or broken, is refused."""
    headers = {"ce-type": "order.placed", "content-type": "application/xml"}
    with pytest.raises(Unsupported):
        parse(headers, b"<a/>")
    with pytest.raises(InvalidInput):
        parse({**headers, "content-type": "application/json"}, b"{")
