"""The canonical event and its validation against the catalogue's event types.

An event is CloudEvents 1.0 in JSON. Two paths lead through here: a fast one (a decoder generated of the event types),
taken by what is right, and ``explain``, which finds the words for what is wrong. Whatever else an event carries is
kept: its JSON travels along, and only what the catalogue declares becomes columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Union

import msgspec
from msgspec import Raw

from services.domain.catalogue import Catalogue, EventType
from services.domain.lookups import LookupTable, Tables
from services.intake.claims import Claims, Now
from services.intake.enrichment import Derive, Misses, NoMisses, deriver
from services.intake.explain import Rejection, explain, too_large
from services.intake.images import image_shape
from services.intake.instants import instants
from services.intake.shapes import Envelope, Event, Unknown, shape

__all__ = ["Event", "Validator"]

# A NUL in a string: databases refuse it, and identities are joined with it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError)
_anything = msgspec.json.Decoder(dict[str, Raw]).decode


class Unreadable:
    """Stands where an envelope would, had the payload been readable."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def instants(self) -> tuple[str, ...]:
        """None."""
        return ()

    def event(self, _take: Callable[[], int], _cold: bytes) -> Event:
        """Raises what was raised before."""
        raise self._error


class Validator:
    """Reads events of one catalogue: one decoder for all types, picked by ``type``, does nearly all of it."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        max_event_bytes: int,
        tables: Tables | None = None,
        misses: Misses | None = None,
        now: Now | None = None,
    ) -> None:
        """``tables`` are the look-ups that fields are derived from (none: all empty), as they stand when an event
        comes; ``misses`` hears of what they do not have. ``now`` says what is still to come (None: nothing is).
        """
        self._catalogue = catalogue
        self._limit = max_event_bytes
        self._claims = Claims.of(catalogue, now)
        looked_up = {name: LookupTable(lookup) for name, lookup in catalogue.lookups.items()} | {
            **(tables or {})
        }
        shapes = [
            _shape(catalogue, event, deriver(event, looked_up, misses or NoMisses(), catalogue.calendars))
            for event in catalogue.events.values()
        ]
        self._decode: Callable[[bytes], Envelope] = msgspec.json.Decoder(Union[Unknown, *shapes]).decode

    def validate(
        self, payload: bytes, index: int = 0, *, source: str | None = None, event_id: str | None = None
    ) -> Event | Rejection:
        """``validate_all`` of one."""
        ids = None if event_id is None else [event_id]
        [outcome] = self.validate_all([payload], index, source=source, event_ids=ids)
        return outcome

    def validate_all(
        self,
        payloads: Sequence[bytes],
        first: int = 0,
        *,
        source: str | None = None,
        event_ids: Sequence[str] | None = None,
    ) -> list[Event | Rejection]:
        """For each payload (JSON) the event in it, or what is wrong with it; their indices count from ``first``.

        ``source`` and ``event_ids`` stand in for attributes that are absent, and are then written into their JSON.
        """
        found, cold = self._read(payloads), payloads
        ids: Sequence[str | None] = event_ids or [None] * len(payloads)
        if source is not None or event_ids:
            cold = [_completed(*one, source) for one in zip(payloads, found, ids, strict=True)]
        take = iter(instants([*chain.from_iterable([each.instants() for each in found])])).__next__
        outcomes: list[Event | Rejection] = []
        for number, (each, text) in enumerate(zip(found, cold, strict=True)):
            try:
                outcomes.append(each.event(take, text))
            except _UNREADABLE as error:
                supplied = {"source": source, "event_id": ids[number]}
                outcomes.append(self._refused(payloads[number], first + number, error, supplied))
        return outcomes if self._claims is None else self._believed(self._claims, outcomes, found, first)

    @staticmethod
    def _believed(
        claims: Claims,
        outcomes: Sequence[Event | Rejection],
        found: Sequence[Envelope | Unreadable],
        first: int,
    ) -> list[Event | Rejection]:
        """The outcomes, with refusals of events whose claims of their source cannot be."""
        return [
            (claims.refusal(one, envelope, first + number) or one)
            if isinstance(one, Event) and isinstance(envelope, Envelope)
            else one
            for number, (one, envelope) in enumerate(zip(outcomes, found, strict=True))
        ]

    def _read(self, payloads: Sequence[bytes]) -> Sequence[Envelope | Unreadable]:
        plain = all([b"\\" not in payload and payload.isascii() for payload in payloads])  # noqa: C419  # a list is twice as fast
        if plain and max(map(len, payloads), default=0) <= self._limit:
            with suppress(*_UNREADABLE):
                return [*map(self._decode, payloads)]
        return [self._read_one(payload) for payload in payloads]

    def _read_one(self, payload: bytes) -> Envelope | Unreadable:
        try:
            if len(payload) > self._limit or (b"\\" in payload and _NUL.search(payload)):
                return Unreadable(ValueError("NUL"))
            if not payload.isascii():
                payload.decode()  # what no field reads is kept too, and must be text
            return self._decode(payload)
        except _UNREADABLE as error:
            return Unreadable(error.with_traceback(None))

    def _refused(
        self, payload: bytes, index: int, error: Exception, supplied: dict[str, str | None]
    ) -> Rejection:
        if len(payload) > self._limit:
            return too_large(payload, index, self._limit)
        return explain(payload, index, self._catalogue, error, **supplied)


def _shape(catalogue: Catalogue, event: EventType, derive: Derive | None) -> type[Envelope]:
    images = event.images
    return shape(catalogue, event, derive) if images is None else image_shape(event, images, derive)


def _completed(
    payload: bytes, envelope: Envelope | Unreadable, event_id: str | None, source: str | None
) -> bytes:
    """The payload with ``id`` and ``source`` where it has none; the envelope gets them too."""
    if isinstance(envelope, Unreadable) or (envelope.id is not None and envelope.source is not None):
        return payload
    envelope.id, envelope.source = envelope.id or event_id, envelope.source or source
    attributes: dict[str, Any] = {**_anything(payload), "id": envelope.id, "source": envelope.source}
    attributes.setdefault("specversion", "1.0")
    return msgspec.json.encode(attributes)
