"""What the events of a type look like: for each event type a class that msgspec decodes JSON into. Its methods are
generated, since straight code is several times faster than a loop over fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Raw

from services.domain.catalogue import Catalogue, EventType, Field, FieldType
from services.domain.frames import Image
from services.domain.identity import event_identity
from services.domain.source_events import OPENING, announced
from services.intake.amounts import LARGEST, amount_parser, day, milliseconds
from services.intake.enrichment import Derive
from services.intake.explain import MAX_KEY, MAX_TEXT
from services.intake.instants import Instant

Values = tuple[str | int | bool | None, ...]
Copies = tuple[tuple[str, str], ...]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY)]


class Event(msgspec.Struct, gc=False, frozen=True):
    """A valid event, ready to be framed.

    ``time`` is epoch ms; ``values`` are the EventType's fields in catalogue order (see ``frames.Row``); ``copies``
    are the (process, case key) that it concerns, and ``route`` decides its partition where there are none;
    ``cold`` is its JSON. ``said`` is its own time.

    Of an event that carries a row before and after a change (``image`` then says which) ``time`` and ``values`` are
    those of the row after, or of the only one; ``before`` are those of the other.
    """

    type: str
    time: int
    source: str
    identity: int
    values: Values
    copies: Copies
    route: str
    cold: bytes
    said: int
    image: Image | None = None
    before: tuple[int, Values] | None = None


class Envelope(msgspec.Struct, kw_only=True, gc=False):
    """CloudEvents' attributes as far as they are read; the shape of an event type adds ``data``.

    ``id`` and ``source`` may be absent where the way in supplies them.
    """

    time: str
    id: Key | None = None
    source: Key | None = None
    subject: Key | None = None
    specversion: Literal["1.0"] | None = None
    partitionkey: Key | None = None
    recordedtime: Instant | None = None
    sequence: Annotated[str, Meta(max_length=MAX_KEY)] | int | None = None
    correlationid: Key | None = None
    causationid: Key | None = None
    traceparent: Key | None = None
    corrects: Key | None = None
    cancels: Key | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data_base64: None = None

    def instants(self) -> tuple[str, ...]:
        """The texts of ``time`` and of the fields that are instants (``time`` again where one is absent)."""
        return (self.time,)

    def named(self) -> str:
        """The event that is corrected or cancelled, or this one: what ``event_identity`` hashes."""
        return f"{self.source}\0{self.corrects or self.cancels or self.id}"

    def recorded(self) -> int | None:
        """``recordedtime`` as epoch ms."""
        return None if self.recordedtime is None else milliseconds(self.recordedtime)

    def event(self, take: Callable[[], int], cold: bytes) -> Event:  # noqa: ARG002  # shapes do
        """The event; ``take`` gives each of ``instants`` as epoch ms. Raises ``ValueError`` where a number or an
        instant is none, or id or source are absent.
        """
        raise ValueError("no event type")


class Unknown(Envelope, tag_field="type", tag=""):
    """No event type's name; without it, a catalogue without event types would have nothing to decode."""


_METHODS = """
def instants(self):
    d = self.data
    return ({texts})

def event(self, take, cold):
    t = ({taken})
    if min(t) < 0 or self.id is None or self.source is None{refused}:
        raise ValueError("an instant, id, source or what is corrected")
    d = self.data
    {derived}
    copies = ({copies})
    route = "" if copies else {route}
    return Event({type!r}, t[0], self.source, identity(self.source, self.id), ({values}), copies, route, cold, t[0])
"""

# What is said of one key must meet in one partition, where no case brings it together.
_ROUTES = {
    "any": "self.partitionkey or self.subject or self.id",
    "id": "{name!r} + chr(0) + self.source",
    "key": "{name!r} + chr(0) + str({key})",
}


def shape(catalogue: Catalogue, event: EventType, derive: Derive | None = None) -> type[Envelope]:
    """The class of an event type; ``derive`` adds the values of derived fields to those of its own. Names in it are
    positional: field names need not be identifiers.
    """
    kinds = dict.fromkeys(event.own, Literal[announced(catalogue)]) if event.name == OPENING else {}
    data = record("Data", event, kinds)
    required = any(field.required for field in event.own.values())
    slot: Any = ("data", data) if required else ("data", data, msgspec.field(default_factory=data))
    made = msgspec.defstruct(
        "Shape",
        [slot],
        bases=(Envelope,),
        namespace=_methods(catalogue, event, derive),
        tag_field="type",
        tag=event.name,
        kw_only=True,
        gc=False,
    )
    return cast("type[Envelope]", made)


def record(name: str, event: EventType, kinds: Mapping[str, Any] = {}) -> type[msgspec.Struct]:
    """The class of an object with the event type's own fields; ``kinds`` are the types of those that must not be
    just anything of theirs.
    """
    fields = list(event.own.values())
    keys = set(event.objects.values())
    return msgspec.defstruct(
        name,
        [
            (f"f{at}", kinds[field.name])
            if field.name in kinds
            else _slot(f"f{at}", field, is_key=field.name in keys)
            for at, field in enumerate(fields)
        ],
        rename={f"f{at}": field.name for at, field in enumerate(fields)},
        kw_only=True,
        gc=False,
    )


def _slot(name: str, field: Field, *, is_key: bool) -> tuple[str, Any] | tuple[str, Any, Any]:
    kind: Any = Key if is_key and field.type is FieldType.STRING else _TYPES[field.type]
    if field.required:
        return (name, kind)
    # msgspec reads `Raw | None` as null alone, so an absent amount is an empty Raw.
    return (name, Raw, Raw()) if kind is Raw else (name, kind | None, None)


_TYPES: Mapping[FieldType, Any] = {
    FieldType.STRING: Annotated[str, Meta(max_length=MAX_TEXT)],
    FieldType.INTEGER: Annotated[int, Meta(ge=-LARGEST, le=LARGEST)],
    FieldType.DECIMAL: Raw,
    FieldType.BOOLEAN: bool,
    FieldType.TIMESTAMP: str,
    FieldType.DATE: date,
}


def _methods(catalogue: Catalogue, event: EventType, derive: Derive | None) -> dict[str, Any]:
    names, texts, values = read_fields(event, first=1)
    names |= {"Event": Event, "identity": event_identity, "derive": derive}
    texts = ["self.time", *texts]
    derived = ""
    if derive is not None:
        derived = f"v = derive(({''.join(value + ', ' for value in values)}), t[0])"
        values = [f"v[{at}]" for at in range(len(event.fields))]
    copies = _copies(catalogue, event, values)
    route = _route(event, values)
    refused = " or self.corrects or self.cancels"
    if event.by_id:
        values += ["self.named()", "self.recorded()", "self.cancels is not None"]
        refused = " or (self.corrects and self.cancels)"
    parts = {
        "texts": texts,
        "taken": ["take()"] * len(texts),
        "values": values,
        "copies": copies,
    }
    code = {name: "".join(part + ", " for part in listed) for name, listed in parts.items()}
    exec(_METHODS.format(type=event.name, route=route, refused=refused, derived=derived, **code), names)  # noqa: S102  # built above, of positions and quoted names only
    return {"instants": names["instants"], "event": names["event"]}


def read_fields(event: EventType, first: int = 0) -> tuple[dict[str, Any], list[str], list[str]]:
    """Code that reads the event type's own fields of ``d``, and the names in it: the texts of its instants, and the
    values, where instants stand in ``t``, the ``first`` of them at that place.
    """
    names: dict[str, Any] = {"day": day}
    texts: list[str] = []
    values: list[str] = []
    for at, field in enumerate(event.own.values()):
        value = f"d.f{at}"
        if field.type is FieldType.DECIMAL:
            names[f"amount{at}"] = _amount(field.scale) if field.required else _optional_amount(field.scale)
            values.append(f"amount{at}({value})")
        elif field.type is FieldType.TIMESTAMP:
            instant = f"t[{first + len(texts)}]"
            texts.append(value if field.required else f"self.time if {value} is None else {value}")
            values.append(instant if field.required else f"None if {value} is None else {instant}")
        elif field.type is FieldType.DATE:
            values.append(f"day({value})" if field.required else f"None if {value} is None else day({value})")
        else:
            values.append(value)
    return names, texts, values


def _route(event: EventType, values: Sequence[str]) -> str:
    """What decides the partition of an event without copies."""
    if event.by_id:
        return _ROUTES["id"].format(name=event.name)  # whatever a chain of corrections names
    if event.correctable is not None and event.correctable.key is not None:
        name, key = event.name, event.correctable.key
    elif event.reverses is not None:
        name, key = event.reverses.event, event.reverses.key
    else:
        return _ROUTES["any"]
    return _ROUTES["key"].format(name=name, key=values[list(event.fields).index(key)])


def _copies(catalogue: Catalogue, event: EventType, values: Sequence[str]) -> list[str]:
    """Which (process, case key) an event of this type concerns, in catalogue order."""
    places = {name: at for at, name in enumerate(event.fields)}
    parts = []
    for process in catalogue.processes.values():
        if process.object not in event.objects:
            continue
        field = event.fields.get(event.objects[process.object])
        key = "self.subject" if field is None else values[places[field.name]]
        if field is not None and field.required and field.type is FieldType.STRING:
            parts.append(f"({process.name!r}, {key})")
        else:
            parts.append(f"*(() if (key := {key}) is None else (({process.name!r}, str(key)),))")
    return parts


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
