"""Events that are kept to be passed on: their values and themselves as text, and the way they went."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from services.domain.batch import BlockRows
from services.domain.catalogue import Field, FieldType
from services.domain.frames import Frame
from services.domain.rows import NULL, Places

Value = str | int | bool | None

_WAY = b',"via":{'
write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""A value as JSON, at half of the time that ``json.dumps`` takes."""
read = json.JSONDecoder().decode
"""The inverse of ``write``."""


def values(rows: BlockRows, fields: Mapping[str, Field], at: Places) -> list[dict[str, Value]]:
    """The fields of the events ``at``, as a frame's ``Row`` has them."""
    columns = [column(rows, field, at) for field in fields.values()]
    if not columns:
        return [{} for _ in range(at.size)]
    return [dict(zip(fields, each, strict=True)) for each in zip(*columns, strict=True)]


def column(rows: BlockRows, field: Field, at: Places) -> list[Value]:
    """One field of the events ``at``."""
    if field.type is FieldType.STRING:
        there = rows.dictionary_codes(field.name)[at] >= 0
        found = rows.texts(field.name, at).each()
        return [text.decode() if known else None for text, known in zip(found, there.tolist(), strict=True)]
    if field.type is FieldType.BOOLEAN:
        return [None if flag < 0 else bool(flag) for flag in rows.flag(field.name)[at].tolist()]
    return [None if number == NULL else number for number in rows.number(field.name)[at].tolist()]


def texts(rows: BlockRows, name: str, at: Places) -> list[str]:
    """A text of each event ("": the case's id)."""
    return [text.decode() for text in rows.texts(name, at).each()]


def cold(rows: BlockRows, frames: Sequence[Frame], at: Places) -> list[bytes]:
    """The events themselves (JSON), which came in ``frames``."""
    numbers = rows.of_frames(np.arange(len(frames)))[at].tolist()
    places = rows.places()[at].tolist()
    return [frames[number].event(place) for number, place in zip(numbers, places, strict=True)]


def with_way(event: bytes, process: str, case: str, *, further: bool) -> bytes:
    """The event (JSON) with the case that passes it on; ``further``: it has come a way already."""
    step = f"{write(process)}:{write(case)}".encode()
    event = event.rstrip()
    return event[:-2] + b"," + step + b"}}" if further else event[:-1] + _WAY + step + b"}}"
