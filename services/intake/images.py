"""What events that carry a row before and after a change look like: as in ``shapes.py``, but for the fields, which
stand in two objects of their ``data``. Both are validated and completed alike, each by its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from services.domain.catalogue import EventType, FieldType, Images
from services.domain.frames import Image
from services.domain.identity import event_identity
from services.domain.windows import midnight
from services.intake.amounts import EPOCH, MILLISECOND
from services.intake.enrichment import Derive
from services.intake.explain import unlike_said
from services.intake.shapes import Envelope, Event, Values, read_fields, record

_METHODS = """
def texts(self, d):
    return ({texts})

def values(d, t):
    return ({values})
"""


@dataclass(frozen=True, slots=True)
class _Reader:
    """How a row is read: ``texts`` are those of its instants, ``values`` takes them as epoch ms."""

    texts: Callable[[Any, Any], tuple[str, ...]]
    values: Callable[[Any, Sequence[int]], Values]
    instants: int
    place: int
    moment: Callable[[int], int]
    derive: Derive | None

    def row(self, d: Any, t: Sequence[int], changed: int) -> tuple[int, Values]:
        """When what it tells of occurred, and its values as frames carry them."""
        own = self.values(d, t)
        told = own[self.place]
        if told is None:
            raise ValueError("a row without its time")
        time = self.moment(int(told))
        return time, (*(own if self.derive is None else self.derive(own, time)), changed)


def image_shape(event: EventType, images: Images, derive: Derive | None = None) -> type[Envelope]:
    """The class of an event type with images."""
    row = record("Row", event)
    said = [("before", row | None, None), ("after", row | None, None), ("op", Any, None)]
    names = {"before": images.before, "after": images.after, "op": images.op}
    data = msgspec.defstruct("Data", cast("Any", said), rename=names, kw_only=True, gc=False)
    made = msgspec.defstruct(
        "Shape",
        [("data", data)],
        bases=(Envelope,),
        namespace=_methods(event, _reader(event, images, derive)),
        tag_field="type",
        tag=event.name,
        kw_only=True,
        gc=False,
    )
    return cast("type[Envelope]", made)


def _reader(event: EventType, images: Images, derive: Derive | None) -> _Reader:
    names, texts, values = read_fields(event)
    listed = {"texts": texts, "values": values}
    code = {name: "".join(part + ", " for part in parts) for name, parts in listed.items()}
    exec(_METHODS.format(**code), names)  # noqa: S102  # of positions only, see shapes.py
    dated = event.fields[images.time].type is FieldType.DATE
    moment = _beginning(images.timezone) if dated else _as_it_is
    place = list(event.own).index(images.time)
    return _Reader(names["texts"], names["values"], len(texts), place, moment, derive)


def _methods(event: EventType, reader: _Reader) -> dict[str, Any]:
    name = event.name

    def rows(self: Any) -> Iterator[Any]:
        yield from (row for row in (self.data.after, self.data.before) if row is not None)

    def instants(self: Any) -> tuple[str, ...]:
        return (self.time, *(text for row in rows(self) for text in reader.texts(self, row)))

    def read(self: Any, take: Callable[[], int], cold: bytes) -> Event:
        changed = take()
        taken = [(row, [take() for _ in range(reader.instants)]) for row in rows(self)]
        instants = [changed, *(instant for _, own in taken for instant in own)]
        if min(instants) < 0 or self.id is None or self.source is None or self.corrects or self.cancels:
            raise ValueError("an instant, id, source or what is corrected")
        before, after = self.data.before is not None, self.data.after is not None
        if not taken or unlike_said(self.data.op, before=before, after=after):
            raise ValueError("the rows before and after")
        (time, values), *other = [reader.row(row, own, changed) for row, own in taken]
        image = Image.GONE if not after else Image.AFTER if before else Image.NEW
        identity = event_identity(self.source, self.id)
        route = self.partitionkey or self.subject or self.id
        return Event(
            name,
            time,
            self.source,
            identity,
            values,
            (),
            route,
            cold,
            changed,
            image,
            other[0] if other else None,
        )

    return {"instants": instants, "event": read}


def _as_it_is(instant: int) -> int:
    return instant


def _beginning(timezone: str) -> Callable[[int], int]:
    """A date (its 00:00 in UTC) → the beginning of that day in a time zone."""
    return lambda instant: max(0, midnight((EPOCH + instant * MILLISECOND).date(), timezone))
