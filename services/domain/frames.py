"""A frame: the events that one log record carries, in columns per event type; and the other kinds of record that
the events topic holds.

A block holds the events of one type as one process sees them: an event that concerns objects of several processes
stands in one block for each, in that process's partition, and exactly one of these copies is *primary*. An event of
no process has one primary copy with process "". Field columns follow the catalogue's EventType; the canonical event
itself (JSON) is cold: carried along, never decoded by the engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Field, FieldType
from services.domain.columns import Arrays, pack, view
from services.domain.identity import hash64
from services.domain.rows import NULL, Codes, Flags, Hashes, Numbers


class Kind(StrEnum):
    """What a record of the events topic is.

    ``events``; ``tick`` (only the time); ``catalogue`` (the barrier at which every worker switches; head
    ``catalogue`` holds the documents); ``begin`` (a run's new attempt: what earlier attempts left is dropped);
    ``end`` (a run is complete: every window closes; ``ingest`` is its as-of time).
    """

    EVENTS = "events"
    TICK = "tick"
    CATALOGUE = "catalogue"
    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True)
class Head:
    """Who a record belongs to, and when.

    ``run`` is "live" or an import's name, ``attempt`` grows with each repetition of the run (live: 0). ``ingest`` is
    engine time in epoch ms: when the intake saw it (an import: the highest event time so far). ``low`` and ``high``
    bound the event times, ``count`` counts primary events.
    """

    kind: Kind
    tenant: str
    run: str
    attempt: int
    digest: str
    ingest: int
    low: int = 0
    high: int = 0
    count: int = 0


class Row(NamedTuple):
    """One copy of an event on its way into a frame.

    ``values`` holds the values of the EventType's fields in catalogue order: str, int (integers, scaled decimals,
    epoch ms), bool or None. ``key`` is the case's id in ``process`` ("" without). ``cold``: the event as JSON.
    """

    type: str
    process: str
    primary: bool
    key: str
    time: int
    source: str
    identity: int
    values: tuple[str | int | bool | None, ...]
    cold: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """Events of one type and process, in columns; string columns hold codes into the frame's dictionary.

    ``first`` is the index of the block's first event among the frame's cold events.
    """

    type: str
    process: str
    primary: bool
    n: int
    first: int
    identity: Hashes
    time: Numbers
    source: Codes
    key: Codes
    columns: Mapping[str, NDArray[Any]]
    types: Mapping[str, FieldType]


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded record. ``hashes`` are the ``hash64`` of the dictionary's strings."""

    head: Head
    blocks: Sequence[Block]
    hashes: Hashes
    offsets: NDArray[np.uint32]
    text: NDArray[np.uint8]
    cold_offsets: NDArray[np.uint32]
    cold: NDArray[np.uint8]
    meta: Mapping[str, Any]

    def string(self, code: int) -> str:
        """The dictionary's string ``code``."""
        return self.text[self.offsets[code] : self.offsets[code + 1]].tobytes().decode()

    def event(self, index: int) -> bytes:
        """The canonical event (JSON) at ``block.first + row``."""
        return self.cold[self.cold_offsets[index] : self.cold_offsets[index + 1]].tobytes()


_TYPES = {type_.value: type_ for type_ in FieldType}
_DTYPES = {
    FieldType.STRING: np.int32,
    FieldType.INTEGER: np.int64,
    FieldType.DECIMAL: np.int64,
    FieldType.TIMESTAMP: np.int64,
    FieldType.BOOLEAN: np.int8,
}


# Identity, time, source, key and about ten fields.
_ROW_BYTES = 80


class FrameBuilder:
    """Collects rows of one (tenant, run, partition) until they are worth a record."""

    def __init__(self, fields: Mapping[str, Sequence[Field]]) -> None:
        """``fields`` gives each event type's fields in catalogue order."""
        self._fields = fields
        self._rows: dict[tuple[str, str, bool], list[Row]] = {}
        self.events = 0
        self.bytes = 0

    def add(self, row: Row) -> None:
        """Take one row; ``events`` and ``bytes`` (an estimate from above) grow."""
        group = row[:3]
        rows = self._rows.get(group)
        if rows is None:
            rows = self._rows[group] = []
        rows.append(row)
        self.events += 1
        # Texts stand in the cold event and, at worst, once more in the dictionary.
        self.bytes += 2 * len(row[8]) + _ROW_BYTES

    def build(self, head: Head) -> bytes:
        """The record; ``low``, ``high`` and ``count`` of ``head`` are filled in. The builder is empty again."""
        dictionary = _dictionary()
        arrays: dict[str, NDArray[Any]] = {}
        blocks: list[list[Any]] = []
        cold: list[bytes] = []
        for index, ((kind, process, primary), rows) in enumerate(self._rows.items()):
            fields = self._fields[kind]
            blocks.append([kind, process, primary, len(rows), [[f.name, f.type.value] for f in fields]])
            _, _, _, keys, times_, sources, identities, values, texts_ = zip(*rows, strict=True)
            arrays[f"{index}.identity"] = np.array(identities, np.uint64)
            arrays[f"{index}.time"] = np.array(times_, np.int64)
            arrays[f"{index}.source"] = _coded(sources, dictionary)
            arrays[f"{index}.key"] = _coded(keys, dictionary)
            for field, column in zip(fields, zip(*values, strict=True), strict=True):
                arrays[f"{index}.f.{field.name}"] = _column(field.type, column, dictionary)
            cold += texts_
        times = [array for name, array in arrays.items() if name.endswith(".time") and ".f." not in name]
        texts = [text.encode() for text in dictionary if text is not None]
        meta = {
            **_head(head),
            "low": int(min(array.min() for array in times)) if times else 0,
            "high": int(max(array.max() for array in times)) if times else 0,
            "count": sum(len(rows) for (_, _, primary), rows in self._rows.items() if primary),
            "blocks": blocks,
        }
        arrays["hashes"] = np.fromiter(map(hash64, texts), np.uint64, len(texts))
        arrays["offsets"] = _offsets(texts)
        arrays["text"] = np.frombuffer(b"".join(texts), np.uint8)
        arrays["cold_offsets"] = _offsets(cold)
        arrays["cold"] = np.frombuffer(b"".join(cold), np.uint8)
        self._rows = {}
        self.events = self.bytes = 0
        return pack(meta, arrays)


def mark(head: Head, **more: Any) -> bytes:
    """A record without events: a tick, a barrier (``catalogue=…``) or a run mark."""
    return pack({**_head(head), "blocks": [], **more}, {})


def is_begin(data: bytes) -> bool:
    """Whether a record begins a run's new attempt, without decoding it."""
    return b'"kind":"begin"' in data[:64]


def decode(data: bytes) -> Frame:
    """Read a record of the events topic. Raises ``ValueError`` where it is none."""
    meta, arrays = view(data)
    head = Head(
        Kind(meta["kind"]),
        meta["tenant"],
        meta["run"],
        meta["attempt"],
        meta["digest"],
        meta["ingest"],
        meta["low"],
        meta["high"],
        meta["count"],
    )
    blocks = []
    first = 0
    for index, (kind, process, primary, n, fields) in enumerate(meta["blocks"]):
        blocks.append(
            Block(
                kind,
                process,
                primary,
                n,
                first,
                arrays[f"{index}.identity"],
                arrays[f"{index}.time"],
                arrays[f"{index}.source"],
                arrays[f"{index}.key"],
                _Fields(arrays, index, [name for name, _ in fields]),
                {name: _TYPES[type_] for name, type_ in fields},
            )
        )
        first += n
    none = np.empty(0, np.uint8)
    return Frame(
        head,
        blocks,
        arrays.get("hashes", np.empty(0, np.uint64)),
        arrays.get("offsets", np.zeros(1, np.uint32)),
        arrays.get("text", none),
        arrays.get("cold_offsets", np.zeros(1, np.uint32)),
        arrays.get("cold", none),
        meta,
    )


class _Fields(Mapping[str, NDArray[Any]]):
    """The field columns of block ``index``, made when they are asked for."""

    __slots__ = ("_arrays", "_index", "_names")

    def __init__(self, arrays: Arrays, index: int, names: Sequence[str]) -> None:
        self._arrays, self._index, self._names = arrays, index, names

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[f"{self._index}.f.{name}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _head(head: Head) -> dict[str, Any]:
    return {
        "kind": head.kind.value,
        "tenant": head.tenant,
        "run": head.run,
        "attempt": head.attempt,
        "digest": head.digest,
        "ingest": head.ingest,
        "low": head.low,
        "high": head.high,
        "count": head.count,
    }


def _offsets(parts: Sequence[bytes]) -> NDArray[np.uint32]:
    offsets = np.zeros(len(parts) + 1, np.uint32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return offsets


Dictionary = defaultdict[str | None, int]


def _dictionary() -> Dictionary:
    """Text → code; looking a new text up gives it the next code, absent is -1."""
    dictionary: Dictionary = defaultdict(count().__next__)
    dictionary[None] = -1
    return dictionary


def _coded(texts: Sequence[str | None], dictionary: Dictionary) -> Codes:
    return np.fromiter(map(dictionary.__getitem__, texts), np.int32, len(texts))


def _column(type_: FieldType, values: Sequence[Any], dictionary: Dictionary) -> Numbers | Codes | Flags:
    if type_ is FieldType.STRING:
        return _coded(values, dictionary)
    if None in values:
        absent = -1 if type_ is FieldType.BOOLEAN else NULL
        values = [absent if value is None else value for value in values]
    return np.fromiter(values, _DTYPES[type_], len(values))
