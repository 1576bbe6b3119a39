"""The canonical event and its validation against the catalogue's event types.

An event is CloudEvents 1.0 in JSON. Two paths lead through here: a fast one (one decoder generated per event type),
taken by what is right, and ``explain``, which finds the words for what is wrong. Whatever else an event carries is
kept: its JSON travels along, and only what the catalogue declares becomes columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Raw

from services.domain.catalogue import Catalogue, EventType, Field, FieldType
from services.domain.identity import event_identity
from services.intake.amounts import LARGEST, amount_parser, milliseconds
from services.intake.explain import MAX_KEY, MAX_TEXT, Rejection, explain, too_large

Values = tuple[str | int | bool | None, ...]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY)]
Instant = Annotated[datetime, Meta(tz=True)]


class Envelope(msgspec.Struct, gc=False):
    """CloudEvents' attributes as far as they are read; ``data`` stays undecoded until the type is known.

    ``id`` and ``source`` may be absent where the way in supplies them.
    """

    type: Key
    time: Instant
    id: Key | None = None
    source: Key | None = None
    data: Raw = Raw(b"{}")
    subject: Key | None = None
    specversion: Literal["1.0"] | None = None
    partitionkey: Key | None = None
    recordedtime: Instant | None = None
    sequence: Annotated[str, Meta(max_length=MAX_KEY)] | int | None = None
    correlationid: Key | None = None
    causationid: Key | None = None
    traceparent: Key | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data_base64: None = None


class Event(msgspec.Struct, gc=False, frozen=True):
    """A valid event, ready to be framed.

    ``time`` is epoch ms; ``values`` are the EventType's fields in catalogue order (see ``frames.Row``); ``copies``
    are the (process, case key) that it concerns, and ``route`` decides its partition where there are none;
    ``cold`` is its JSON.
    """

    type: str
    time: int
    source: str
    identity: int
    values: Values
    copies: tuple[tuple[str, str], ...]
    route: str
    cold: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """How events of one type are read: JSON → data → values; and (values, subject) → copies."""

    decode: Callable[[Any], Any]
    values: Callable[[Any], Values]
    copies: Callable[[Values, str | None], tuple[tuple[str, str], ...]]


# A NUL in a string: databases refuse it, and identities are joined with it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_envelope = msgspec.json.Decoder(Envelope).decode
_anything = msgspec.json.Decoder(dict[str, Raw]).decode


class Validator:
    """Reads events of one catalogue."""

    def __init__(self, catalogue: Catalogue, *, max_event_bytes: int) -> None:
        self._catalogue = catalogue
        self._limit = max_event_bytes
        self._plans = {name: _plan(catalogue, event) for name, event in catalogue.events.items()}

    def validate(
        self, payload: bytes, index: int = 0, *, source: str | None = None, event_id: str | None = None
    ) -> Event | Rejection:
        """The event in ``payload`` (JSON), or what is wrong with it; ``index`` is its place among its kind.

        ``source`` and ``event_id`` stand in for attributes that are absent, and are then written into its JSON.
        """
        if len(payload) > self._limit:
            return too_large(payload, index, self._limit)
        try:
            if not payload.isascii():
                payload.decode()  # what no field reads is kept too, and must be text
            if b"\\" in payload and _NUL.search(payload):
                raise ValueError("NUL")  # noqa: TRY301  # one handler explains every refusal
            envelope = _envelope(payload)
            plan = self._plans[envelope.type]
            values = plan.values(plan.decode(envelope.data))
            time = milliseconds(envelope.time)
        except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
            return explain(payload, index, self._catalogue, error, source=source, event_id=event_id)
        if envelope.id is None or envelope.source is None:
            if (event_id is None and envelope.id is None) or (source is None and envelope.source is None):
                return explain(payload, index, self._catalogue, None, source=source, event_id=event_id)
            payload, envelope.id, envelope.source = _complete(payload, envelope, source, event_id)
        copies = plan.copies(values, envelope.subject)
        route = "" if copies else envelope.partitionkey or envelope.subject or envelope.id
        identity = event_identity(envelope.source, envelope.id)
        return Event(envelope.type, time, envelope.source, identity, values, copies, route, payload)


def _complete(
    payload: bytes, envelope: Envelope, source: str | None, event_id: str | None
) -> tuple[bytes, str, str]:
    known_id = envelope.id or event_id or ""
    known_source = envelope.source or source or ""
    attributes: dict[str, Any] = {**_anything(payload), "id": known_id, "source": known_source}
    attributes.setdefault("specversion", "1.0")
    return msgspec.json.encode(attributes), known_id, known_source


def _plan(catalogue: Catalogue, event: EventType) -> Plan:
    fields = list(event.fields.values())
    keys = set(event.objects.values())
    # Names in the generated decoder are positional: field names need not be identifiers.
    shape = msgspec.defstruct(
        "Data",
        [_slot(f"f{at}", field, is_key=field.name in keys) for at, field in enumerate(fields)],
        rename={f"f{at}": field.name for at, field in enumerate(fields)},
        kw_only=True,
        gc=False,
    )
    return Plan(msgspec.json.Decoder(shape).decode, _reader(fields), _copier(catalogue, event))


def _copier(
    catalogue: Catalogue, event: EventType
) -> Callable[[Values, str | None], tuple[tuple[str, str], ...]]:
    """Which (process, case key) an event of this type concerns, in catalogue order."""
    places = {name: at for at, name in enumerate(event.fields)}
    routes = [
        (process.name, event.objects[process.object])
        for process in catalogue.processes.values()
        if process.object in event.objects
    ]
    if len(routes) == 1:
        [(process, name)] = routes
        field = event.fields.get(name)
        if (
            field is not None and field.required and field.type is FieldType.STRING
        ):  # nearly all are like this
            at = places[name]
            return lambda values, _subject: ((process, cast("str", values[at])),)

    def copies(values: Values, subject: str | None) -> tuple[tuple[str, str], ...]:
        keys = ((process, values[places[name]] if name in places else subject) for process, name in routes)
        return tuple((process, str(key)) for process, key in keys if key is not None)

    return copies


def _slot(name: str, field: Field, *, is_key: bool) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind: Any = Key if is_key and field.type is FieldType.STRING else _SHAPES[field.type]
    if field.required:
        return (name, kind)
    # msgspec reads `Raw | None` as null alone, so an absent amount is an empty Raw.
    return (name, Raw, Raw()) if kind is Raw else (name, kind | None, None)


_SHAPES: Mapping[FieldType, Any] = {
    FieldType.STRING: Annotated[str, Meta(max_length=MAX_TEXT)],
    FieldType.INTEGER: Annotated[int, Meta(ge=-LARGEST, le=LARGEST)],
    FieldType.DECIMAL: Raw,
    FieldType.BOOLEAN: bool,
    FieldType.TIMESTAMP: Instant,
}


def _reader(fields: list[Field]) -> Callable[[Any], Values]:
    """Generated: ``lambda d: (d.f0, amount1(d.f1), …)``; several times faster than a loop over fields."""
    names: dict[str, Any] = {"instant": milliseconds}
    parts = []
    for at, field in enumerate(fields):
        value = f"d.f{at}"
        if field.type is FieldType.DECIMAL:
            names[f"amount{at}"] = _amount(field.scale) if field.required else _optional_amount(field.scale)
            parts.append(f"amount{at}({value})")
            continue
        if field.type is not FieldType.TIMESTAMP:
            parts.append(value)
        elif field.required:
            parts.append(f"instant({value})")
        else:
            parts.append(f"(None if {value} is None else instant({value}))")
    body = "".join(part + ", " for part in parts)
    read_values: Callable[[Any], Values] = eval(f"lambda d: ({body})", names)  # noqa: S307  # built above, of positions only
    return read_values


def _amount(scale: int) -> Callable[[Raw], int]:
    parse = amount_parser(scale)
    return lambda raw: parse(str(raw, "utf-8"))


def _optional_amount(scale: int) -> Callable[[Raw], int | None]:
    parse = amount_parser(scale)

    def read(raw: Raw) -> int | None:
        text = str(raw, "utf-8")
        return None if text in _NOTHING else parse(text)

    return read


_NOTHING = frozenset({"", "null"})
