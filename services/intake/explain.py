"""What is wrong with an event, in words: which field, which value, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Images
from services.domain.source_events import OPENING, announced
from services.intake.amounts import (
    LARGEST,
    NotANumberError,
    OutOfRangeError,
    TooManyDigitsError,
    fixed_point,
    milliseconds,
)

MAX_KEY = 256
MAX_TEXT = 1024
_SHOWN = 200


class Code(StrEnum):
    """Why an event is refused: a closed list, for programs."""

    INVALID_JSON = "invalid_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    CONTROL_CHARACTER = "control_character"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNSUPPORTED_DATA = "unsupported_data"
    MISSING_ATTRIBUTE = "missing_attribute"
    UNKNOWN_TYPE = "unknown_type"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    INVALID_TIME = "invalid_time"
    NOT_A_NUMBER = "not_a_number"
    TOO_MANY_DIGITS = "too_many_digits"
    OUT_OF_RANGE = "out_of_range"
    NOT_CORRECTABLE = "not_correctable"
    UNKNOWN_PROCESS = "unknown_process"
    NO_SUCH_TOTAL = "no_such_total"


@dataclass(frozen=True, slots=True)
class Rejection:
    """The first thing that is wrong with the event at ``index``; ``message`` says what to do.

    ``field`` is an attribute's name or ``data.`` and a field's; ``value`` what stands there, as JSON text. ``code`` is
    a ``Code``, or a ``MapCode`` of the mapping that should have made the event.
    """

    index: int
    id: str | None
    field: str | None
    value: str | None
    code: StrEnum
    message: str


class _WrongError(Exception):
    def __init__(self, code: Code, message: str, field: str | None = None, value: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.value = code, message, field, value


_objects = msgspec.json.Decoder(dict[str, Raw])
_json = msgspec.json.Decoder()
_dates = msgspec.json.Decoder(date)
_instants = msgspec.json.Decoder(Annotated[datetime, Meta(tz=True)])

_REQUIRED = ("id", "source", "type", "time")
_TEXTS = (
    *_REQUIRED[:3],
    "subject",
    "partitionkey",
    "correlationid",
    "causationid",
    "traceparent",
    "corrects",
    "cancels",
)


def too_large(payload: bytes, index: int, limit: int) -> Rejection:
    """An event of more bytes than are taken."""
    message = (
        f"The event has {len(payload):,} bytes and at most {limit:,} are taken: send a reference to bulky data, "
        "or raise SIGHTLINE_API__MAX_EVENT_BYTES."
    )
    return Rejection(index, None, None, None, Code.TOO_LARGE, message)


def explain(
    payload: bytes,
    index: int,
    catalogue: Catalogue,
    error: Exception | None,
    *,
    source: str | None = None,
    event_id: str | None = None,
) -> Rejection:
    """Why ``payload`` was refused. ``error`` is what the fast path ran into, in case nothing else is found."""
    attributes: dict[str, Any] = {}
    try:
        attributes = _attributes(payload)
        supplied = {"source": source, "id": event_id}
        _check_attributes(attributes, {name for name, value in supplied.items() if value is not None})
        event = _known(attributes, catalogue)
        _check_corrections(event, attributes)
        _check_data(event, attributes)
        _check_opening(event, attributes, catalogue)
    except _WrongError as wrong:
        return Rejection(index, _text(attributes, "id"), wrong.field, wrong.value, wrong.code, wrong.message)
    if error is not None and str(error) == "NUL":
        message = "The event holds the character U+0000, which databases refuse: remove it."
        return Rejection(index, _text(attributes, "id"), None, None, Code.CONTROL_CHARACTER, message)
    message = f"The event cannot be read ({error}): check that it is JSON by RFC 8259, in UTF-8."
    return Rejection(index, _text(attributes, "id"), None, None, Code.INVALID_JSON, message)


def _attributes(payload: bytes) -> dict[str, Any]:
    try:
        return _objects.decode(payload)
    except msgspec.ValidationError:
        raise _WrongError(
            Code.NOT_AN_OBJECT,
            "An event is a JSON object with id, source, type, time and data.",
            None,
            _shown(payload),
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _WrongError(Code.INVALID_JSON, f"This is not JSON ({error}).", None, _shown(payload)) from None
    except RecursionError:
        raise _WrongError(Code.INVALID_JSON, "The JSON is nested too deeply: flatten it.") from None


def _check_attributes(attributes: dict[str, Any], supplied: set[str]) -> None:
    for name in _REQUIRED:
        if _absent(attributes.get(name)) and name not in supplied:
            likely = _mean(name, attributes.keys() - set(_REQUIRED), "Did you write it as")
            raise _WrongError(
                Code.MISSING_ATTRIBUTE, f"The attribute {name!r} is missing: {_MISSING[name]}{likely}", name
            )
    _check_envelope(attributes)
    for name in _TEXTS:
        _check_text(name, attributes.get(name), MAX_KEY, may_be_empty=False)
    for name in ("datacontenttype", "dataschema"):
        _check_text(name, attributes.get(name), None, may_be_empty=True)
    for name in ("time", "recordedtime"):
        if not _absent(attributes.get(name)):
            at = _check_instant(name, attributes[name])
            if name == "time":
                _check_range(name, attributes[name], at)


def _check_envelope(attributes: dict[str, Any]) -> None:
    version: Any = attributes.get("specversion")
    if not _absent(version) and bytes(version) != b'"1.0"':
        message = "Only CloudEvents 1.0 is understood: send specversion 1.0."
        raise _WrongError(Code.UNSUPPORTED_VERSION, message, "specversion", _shown(version))
    if not _absent(attributes.get("data_base64")):
        message = "Binary data is not understood: send JSON in 'data'."
        raise _WrongError(Code.UNSUPPORTED_DATA, message, "data_base64")
    sequence = attributes.get("sequence")
    if not _absent(sequence) and type(_plain("sequence", sequence)) is not int:
        _check_text("sequence", sequence, MAX_KEY, may_be_empty=True)


def _known(attributes: dict[str, Any], catalogue: Catalogue) -> EventType:
    name = _text(attributes, "type") or ""
    event = catalogue.events.get(name)
    if event is None:
        likely = _mean(name, catalogue.events, "Did you mean")
        message = f"The catalogue has no event type {name!r}: add it, or correct the name.{likely}"
        raise _WrongError(Code.UNKNOWN_TYPE, message, "type", _shown(attributes["type"]))
    return event


def _check_data(event: EventType, attributes: dict[str, Any]) -> None:
    raw = attributes.get("data", Raw(b"{}"))
    if event.images is None:
        _check_fields(event, "data", raw)
    else:
        _check_rows(event, event.images, raw)


def _check_rows(event: EventType, images: Images, raw: Any) -> None:
    data = _object("data", raw, f"carries the row in {images.before!r}, in {images.after!r}, or in both")
    rows = {name: data[name] for name in (images.before, images.after) if not _absent(data.get(name))}
    if not rows:
        message = f"{event.name!r} carries a row before a change, after it, or both: send one."
        raise _WrongError(Code.MISSING_FIELD, message, f"data.{images.after}", None)
    op = None if _absent(data.get(images.op)) else _plain(f"data.{images.op}", data[images.op])
    lacking = unlike_said(op, before=images.before in rows, after=images.after in rows)
    if lacking is not None:
        name = images.before if lacking == "before" else images.after
        remedy = _FULL_ROWS if lacking == "before" else "send it."
        message = f"{images.op!r} says {op!r}, and the row {lacking} is missing: {remedy}"
        raise _WrongError(Code.MISSING_FIELD, message, f"data.{name}", None)
    for name, row in rows.items():
        try:
            _check_fields(event, f"data.{name}", row)
        except _WrongError as wrong:
            if name == images.before and wrong.code is Code.MISSING_FIELD:
                wrong.message += f" If it is a key alone, {_FULL_ROWS}"
            raise
        if _absent(_objects.decode(row).get(images.time)):
            message = f"the row does not say when it counts: send {images.time!r}."
            raise _WrongError(Code.MISSING_FIELD, message, f"data.{name}.{images.time}", None)


_FULL_ROWS = (
    "let the database log whole rows (PostgreSQL: REPLICA IDENTITY FULL; MySQL: binlog_row_image=FULL), for without "
    "it nothing is taken back."
)


def unlike_said(op: object, *, before: bool, after: bool) -> str | None:
    """Which row, ``before`` or ``after``, is missing for what ``op`` says was done (in Debezium's letters: c, r, u,
    d; of others nothing is known).
    """
    if op in ("u", "d") and not before:
        return "before"
    return "after" if op in ("c", "r", "u") and not after else None


def _object(name: str, raw: Any, what: str) -> dict[str, Any]:
    try:
        return _objects.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{name!r} is a JSON object: it {what}."
        raise _WrongError(Code.WRONG_TYPE, message, name, _shown(raw)) from None


def _check_fields(event: EventType, within: str, raw: Any) -> None:
    """The fields of an event, or of a row that it carries; they stand ``within``."""
    data = _object(within, raw, f"has the fields that the catalogue declares for {event.name!r}")
    keys = set(event.objects.values())
    for field in event.own.values():
        name, raw = f"{within}.{field.name}", data.get(field.name)
        if _absent(raw):
            if field.required:
                likely = _mean(field.name, data.keys() - event.own.keys(), "Did you write it as")
                message = f"{event.name!r} requires the field {field.name!r}: send it.{likely}"
                raise _WrongError(Code.MISSING_FIELD, message, name, None)
            continue
        if field.type is FieldType.STRING:
            is_key = field.name in keys
            _check_text(name, raw, MAX_KEY if is_key else MAX_TEXT, may_be_empty=not is_key)
        else:
            _CHECKS[field.type](name, raw, field)


def _check_integer(name: str, raw: Any, _field: Field) -> None:
    value = _plain(name, raw)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _WrongError(
            Code.WRONG_TYPE, f"{name!r} is an integer: send digits without quotes.", name, _shown(raw)
        )
    if abs(value) > LARGEST:
        raise _WrongError(
            Code.OUT_OF_RANGE, f"{name!r} lies beyond ±2^62: use a larger unit.", name, _shown(raw)
        )


def _check_decimal(name: str, raw: Any, field: Field) -> None:
    shown = _shown(raw)
    try:
        fixed_point(str(raw, "utf-8").strip('"'), field.scale)
    except NotANumberError:
        message = f'{name!r} is a number: send 12.50 or "12.50", with a point and without grouping.'
        raise _WrongError(Code.NOT_A_NUMBER, message, name, shown) from None
    except TooManyDigitsError:
        message = (
            f"{name!r} keeps {field.scale} decimal digits and nothing is rounded away: "
            "send fewer, or raise 'scale' in the catalogue."
        )
        raise _WrongError(Code.TOO_MANY_DIGITS, message, name, shown) from None
    except OutOfRangeError:
        message = f"{name!r} is too large for its scale of {field.scale}: use a larger unit."
        raise _WrongError(Code.OUT_OF_RANGE, message, name, shown) from None


def _check_boolean(name: str, raw: Any, _field: Field) -> None:
    if not isinstance(_plain(name, raw), bool):
        raise _WrongError(Code.WRONG_TYPE, f"{name!r} is true or false, without quotes.", name, _shown(raw))


def _check_timestamp(name: str, raw: Any, _field: Field) -> None:
    _check_range(name, raw, _check_instant(name, raw))


def _check_date(name: str, raw: Any, _field: Field) -> None:
    try:
        on: date = _dates.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{name!r} is a date without a time: send one such as 2026-03-01."
        raise _WrongError(Code.INVALID_TIME, message, name, _shown(raw)) from None
    _check_range(name, raw, datetime(on.year, on.month, on.day, tzinfo=UTC))


_CHECKS = {
    FieldType.INTEGER: _check_integer,
    FieldType.DECIMAL: _check_decimal,
    FieldType.BOOLEAN: _check_boolean,
    FieldType.TIMESTAMP: _check_timestamp,
    FieldType.DATE: _check_date,
}

_MISSING = {
    "id": "send one that is unique within its source, so that duplicates are recognised.",
    "source": "name the system that speaks, such as 'wms'.",
    "type": "name an event type of the catalogue.",
    "time": "send when it happened, by RFC 3339, such as 2026-03-01T12:00:00Z.",
}


def _check_corrections(event: EventType, attributes: dict[str, Any]) -> None:
    said = [name for name in ("corrects", "cancels") if not _absent(attributes.get(name))]
    if said and not event.by_id:
        name = said[0]
        how = event.correctable
        remedy = (
            f"send another version of the same {how.key!r}."
            if how is not None
            else "write correctable: {} at its event type in the catalogue."
            if event.images is None
            else "send the row before and after another change."
        )
        message = f"Events of type {event.name!r} are not corrected by id: {remedy}"
        raise _WrongError(Code.NOT_CORRECTABLE, message, name, _shown(attributes[name]))
    if len(said) > 1:
        message = "An event either corrects another or cancels it: send one of the two."
        raise _WrongError(Code.NOT_CORRECTABLE, message, "cancels", _shown(attributes["cancels"]))


def _check_opening(event: EventType, attributes: dict[str, Any], catalogue: Catalogue) -> None:
    """An opening names a process that waits for one."""
    if event.name != OPENING:
        return
    raw = _objects.decode(attributes["data"])["process"]
    name, waiting = _json.decode(raw), announced(catalogue)
    if name not in waiting:
        likely = _mean(name, waiting, "Did you mean")
        remedy = f"write opening: announced at it, or correct the name.{likely}"
        message = f"No process {name!r} waits for its opening: {remedy}"
        raise _WrongError(Code.UNKNOWN_PROCESS, message, "data.process", _shown(raw))


def _check_text(name: str, raw: Any, limit: int | None, *, may_be_empty: bool) -> None:
    if _absent(raw):
        return
    value = _plain(name, raw)
    if not isinstance(value, str):
        raise _WrongError(Code.WRONG_TYPE, f"{name!r} is text: send it in quotes.", name, _shown(raw))
    if not value and not may_be_empty:
        raise _WrongError(Code.EMPTY, f"{name!r} is empty: send a value, or leave it out.", name, '""')
    if limit is not None and len(value) > limit:
        message = f"{name!r} has {len(value):,} characters and at most {limit} are taken: shorten it."
        raise _WrongError(Code.TOO_LONG, message, name, _shown(raw))


def _check_instant(name: str, raw: Any) -> datetime:
    try:
        at: datetime = _instants.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = f"{name!r} is no instant by RFC 3339: send one with a zone, such as 2026-03-01T12:00:00Z."
        raise _WrongError(Code.INVALID_TIME, message, name, _shown(raw)) from None
    return at


def _check_range(name: str, raw: Any, at: datetime) -> None:
    try:
        milliseconds(at)
    except OutOfRangeError:
        message = f"{name!r} lies outside the years 1970 to 2199: correct it."
        raise _WrongError(Code.OUT_OF_RANGE, message, name, _shown(raw)) from None


def _plain(name: str, raw: Any) -> Any:
    try:
        return _json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{name!r} is not JSON ({error})."
        raise _WrongError(Code.INVALID_JSON, message, name, _shown(raw)) from None


def _absent(raw: Any) -> bool:
    return raw is None or bytes(raw) == b"null"


def _text(attributes: dict[str, Any], name: str) -> str | None:
    try:
        value = _json.decode(attributes[name])
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value[:MAX_KEY] if isinstance(value, str) else None


def _shown(raw: Any) -> str:
    text = bytes(raw).decode("utf-8", "replace")
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _mean(name: str, known: Iterable[str], words: str) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" {words} {close[0]!r}?" if close else ""
