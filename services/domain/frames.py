"""A frame: the events that one log record carries, in columns per event type; and the other kinds of record that
the events topic holds.

A block holds the events of one type as one process sees them: an event that concerns objects of several processes
stands in one block for each, in that process's partition, and exactly one of these copies is *primary*. An event of
no process has one primary copy with process "". An event that carries a row before and after a change stands in
blocks of images. Field columns follow the catalogue's EventType; the canonical event
itself (JSON) is cold: carried along, never decoded by the engine.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import Field, FieldType
from services.domain.columns import pack, unpack, view
from services.domain.identity import hash64
from services.domain.rows import NULL, Codes, Flags, Hashes, Numbers


class Kind(StrEnum):
    """What a record of the events topic is.

    ``events``; ``tick`` (only the time); ``catalogue`` (the barrier at which every worker switches; head
    ``catalogue`` holds the documents); ``begin`` (a run's new attempt: what earlier attempts left is dropped);
    ``end`` (a run is complete: every window closes; ``ingest`` is its as-of time); ``source`` (a mark of head
    ``source``: the batches that it has ended, the numbers of its events that came; see ``source_accounts.py``);
    ``opening`` (from ``instant`` on the levels of ``process`` are known);
    ``passed`` (copies of events that cases of another partition passed on, see ``passing.py``: meta ``version`` and
    ``withdrawn``; ``ingest`` is that partition's time).
    """

    EVENTS = "events"
    TICK = "tick"
    CATALOGUE = "catalogue"
    BEGIN = "begin"
    END = "end"
    SOURCE = "source"
    OPENING = "opening"
    PASSED = "passed"


class Image(StrEnum):
    """Which image of a changed row a block holds: of one that is ``new``, of one that is ``gone``, or, of one that
    was changed, the row ``after`` and ``before``.

    In a frame the rows after and those before have blocks of one length, and those at one place are of one event.
    The row before is then no event by itself, and not primary.
    """

    NEW = "new"
    AFTER = "after"
    BEFORE = "before"
    GONE = "gone"

    @property
    def weight(self) -> int:
        """+1 where the row is added, -1 where it is taken back."""
        return 1 if self in {Image.NEW, Image.AFTER} else -1


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


class Group(NamedTuple):
    """What the rows of a block have in common."""

    type: str
    process: str
    primary: bool
    image: Image | None = None

    @property
    def counted(self) -> bool:
        """Whether KPIs over events read them."""
        return self.primary or self.image is Image.BEFORE


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a block: ``types`` by field, ``places`` as (section, number among the section's columns).

    A section holds the columns of one width, of all blocks one behind the other; ``sizes`` counts this block's.
    """

    group: Group
    types: Mapping[str, FieldType]
    places: Mapping[str, tuple[int, int]]
    sizes: tuple[int, int, int]


class Table(NamedTuple):
    """All events of a frame, one block behind the other: one element per event, then the sections of field columns."""

    identity: Hashes
    time: Numbers
    source: Codes
    key: Codes
    sections: tuple[Numbers, Codes, Flags]


@dataclass(slots=True, eq=False)
class Block:
    """Events of one type and process, in columns; string columns hold codes into the frame's dictionary.

    ``first`` is the index of the block's first event among the frame's events.
    """

    group: Group
    n: int
    first: int
    types: Mapping[str, FieldType]
    _layout: Layout
    _starts: tuple[int, int, int]
    _table: Table

    @property
    def type(self) -> str:
        """The event type."""
        return self.group.type

    @property
    def process(self) -> str:
        """The process that sees them so; "" where there is none."""
        return self.group.process

    @property
    def primary(self) -> bool:
        """Whether these are their events' primary copies."""
        return self.group.primary

    @property
    def identity(self) -> Hashes:
        """What duplicates are recognised by."""
        return self._table.identity[self.first : self.first + self.n]

    @property
    def time(self) -> Numbers:
        """Epoch ms."""
        return self._table.time[self.first : self.first + self.n]

    @property
    def source(self) -> Codes:
        """Who sent it."""
        return self._table.source[self.first : self.first + self.n]

    @property
    def key(self) -> Codes:
        """The case's id."""
        return self._table.key[self.first : self.first + self.n]

    @property
    def columns(self) -> Mapping[str, NDArray[Any]]:
        """By field name; each is made when it is asked for."""
        return _Fields(self)

    def column(self, name: str) -> NDArray[Any]:
        """The field's values. Raises ``KeyError`` where the type has no such field."""
        section, number = self._layout.places[name]
        start = self._starts[section] + number * self.n
        return self._table.sections[section][start : start + self.n]


class _Fields(Mapping[str, NDArray[Any]]):
    """The field columns of a block."""

    __slots__ = ("_block",)

    def __init__(self, block: Block) -> None:
        self._block = block

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._block.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._block.types)

    def __len__(self) -> int:
        return len(self._block.types)


@dataclass(slots=True, eq=False)
class Frame:
    """A decoded record. ``hashes`` are the ``hash64`` of the dictionary's strings."""

    head: Head
    blocks: Sequence[Block]
    hashes: Hashes
    offsets: NDArray[np.uint32]
    text: NDArray[np.uint8]
    cold_offsets: NDArray[np.uint32]
    cold: NDArray[np.uint8]
    table: Table
    meta: Mapping[str, Any]

    def string(self, code: int) -> str:
        """The dictionary's string ``code``."""
        return self.text[self.offsets[code] : self.offsets[code + 1]].tobytes().decode()

    def event(self, index: int) -> bytes:
        """The canonical event (JSON) at ``block.first + row``."""
        return self.cold[self.cold_offsets[index] : self.cold_offsets[index + 1]].tobytes()

    def primary_events(self) -> Iterator[bytes]:
        """Each event (JSON) whose primary copy is here."""
        for block in self.blocks:
            if block.primary:
                yield from map(self.event, range(block.first, block.first + block.n))


_NUMBERS, _CODES, _FLAGS = range(3)
_SECTIONS = {
    FieldType.STRING: _CODES,
    FieldType.INTEGER: _NUMBERS,
    FieldType.DECIMAL: _NUMBERS,
    FieldType.TIMESTAMP: _NUMBERS,
    FieldType.DATE: _NUMBERS,
    FieldType.BOOLEAN: _FLAGS,
}


_Key = tuple[str | bool, ...]
"""(type, process, primary) of a block; of one of images with its image."""

_LAYOUTS = 4096
# Identity, time, source, key and about ten fields.
_ROW_BYTES = 80


class FrameBuilder:
    """Collects rows of one (tenant, run, partition) until they are worth a record."""

    def __init__(self, fields: Mapping[str, Sequence[Field]]) -> None:
        """``fields`` gives each event type's fields in catalogue order."""
        self._fields = fields
        self._laid_out: dict[_Key, tuple[str, list[int]]] = {}
        self._rows: dict[_Key, list[Row]] = {}
        self.events = 0
        self.bytes = 0

    def add(self, row: Row, image: Image | None = None) -> None:
        """Take one row; ``events`` and ``bytes`` (an estimate from above) grow. Both images of a change go into the
        same frame.
        """
        group: _Key = row[:3] if image is None else (*row[:3], image)
        rows = self._rows.get(group)
        if rows is None:
            rows = self._rows[group] = []
        rows.append(row)
        self.events += 1
        # Texts stand in the cold event and, at worst, once more in the dictionary.
        self.bytes += 2 * len(row[8]) + _ROW_BYTES

    def build(self, head: Head, **more: Any) -> bytes:
        """The record, with ``more`` in its meta; ``low``, ``high`` and ``count`` of ``head`` are filled in. The
        builder is empty again.
        """
        dictionary = _dictionary()
        blocks: list[tuple[str, int]] = []
        sources: list[str] = []
        keys: list[str] = []
        times: list[int] = []
        identities: list[int] = []
        cold: list[bytes] = []
        sections: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for group, rows in self._rows.items():
            text, places = self._laid_out.get(group) or self._lay_out(group)
            blocks.append((text, len(rows)))
            _, _, _, keys_, times_, sources_, identities_, values, cold_ = zip(*rows, strict=True)
            sources += sources_
            keys += keys_
            times += times_
            identities += identities_
            cold += cold_
            for section, column in zip(places, zip(*values, strict=True), strict=True):
                sections[section].extend(_present(section, column))
        codes = _coded([*sources, *keys, *sections[_CODES]], dictionary)
        n = len(times)
        texts = [text.encode() for text in dictionary if text is not None]
        meta = {
            **_head(head),
            "low": min(times, default=0),
            "high": max(times, default=0),
            "count": sum(len(rows) for (_, _, primary, *_), rows in self._rows.items() if primary),
            "blocks": blocks,
            **more,
        }
        self._rows = {}
        self.events = self.bytes = 0
        return pack(
            meta,
            {
                "hashes": np.fromiter(map(hash64, texts), np.uint64, len(texts)),
                "identity": np.array(identities, np.uint64),
                "time": np.array(times, np.int64),
                "numbers": np.array(sections[_NUMBERS], np.int64),
                "offsets": _offsets(texts),
                "cold_offsets": _offsets(cold),
                "source": codes[:n],
                "key": codes[n : 2 * n],
                "codes": codes[2 * n :],
                "flags": np.array(sections[_FLAGS], np.int8),
                "text": np.frombuffer(b"".join(texts), np.uint8),
                "cold": np.frombuffer(b"".join(cold), np.uint8),
            },
        )

    def _lay_out(self, group: _Key) -> tuple[str, list[int]]:
        """A block's layout as text (see ``_layout``), and the section of each of its columns; remembered."""
        fields = self._fields[str(group[0])]
        text = json.dumps([*group, [(field.name, field.type) for field in fields]], separators=(",", ":"))
        self._laid_out[group] = made = text, [_SECTIONS[field.type] for field in fields]
        return made


def mark(head: Head, **more: Any) -> bytes:
    """A record without events: a tick, a barrier (``catalogue=…``) or a run mark."""
    return pack({**_head(head), "blocks": [], **more}, {})


def is_begin(data: bytes) -> bool:
    """Whether a record begins a run's new attempt, without decoding it."""
    return b'"kind":"begin"' in data[:64]


def is_opening(data: bytes) -> bool:
    """Whether a record says from when on levels are known, without decoding it."""
    return b'"kind":"opening"' in data[:64]


def is_tick(data: bytes) -> bool:
    """Whether a record carries only the time, without decoding it."""
    return b'"kind":"tick"' in data[:64]


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
    held: Mapping[str, NDArray[Any]] = arrays if meta["blocks"] else _NOTHING
    sections = held["numbers"], held["codes"], held["flags"]
    table = Table(held["identity"], held["time"], held["source"], held["key"], sections)
    return Frame(
        head,
        _blocks(table, meta["blocks"]),
        held["hashes"],
        held["offsets"],
        held["text"],
        held["cold_offsets"],
        held["cold"],
        table,
        meta,
    )


def _blocks(table: Table, listing: Sequence[tuple[str, int]]) -> list[Block]:
    """``listing``: each block's layout and number of events."""
    blocks = []
    first = numbers = codes = flags = 0
    for text, n in listing:
        layout = _layout(text)
        starts = (numbers, codes, flags)
        blocks.append(Block(layout.group, n, first, layout.types, layout, starts, table))
        first += n
        numbers += n * layout.sizes[_NUMBERS]
        codes += n * layout.sizes[_CODES]
        flags += n * layout.sizes[_FLAGS]
    return blocks


@lru_cache(maxsize=_LAYOUTS)
def _layout(text: str) -> Layout:
    kind, process, primary, *image, fields = json.loads(text)
    types = {name: FieldType(type_) for name, type_ in fields}
    sizes = [0, 0, 0]
    places = {}
    for name, type_ in types.items():
        section = _SECTIONS[type_]
        places[name] = section, sizes[section]
        sizes[section] += 1
    group = Group(kind, process, primary, Image(image[0]) if image else None)
    return Layout(group, types, places, (sizes[0], sizes[1], sizes[2]))


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
    np.cumsum(np.fromiter(map(len, parts), np.uint32, len(parts)), out=offsets[1:])
    return offsets


Dictionary = defaultdict[str | None, int]


def _dictionary() -> Dictionary:
    """Text → code; looking a new text up gives it the next code, absent is -1."""
    dictionary: Dictionary = defaultdict(count().__next__)
    dictionary[None] = -1
    return dictionary


def _coded(texts: Sequence[str | None], dictionary: Dictionary) -> Codes:
    return np.fromiter(map(dictionary.__getitem__, texts), np.int32, len(texts))


def _present(section: int, values: Sequence[Any]) -> Sequence[Any]:
    """Values with absent ones as a column holds them; texts stay None until they are coded."""
    if section == _CODES or None not in values:
        return values
    absent = NULL if section == _NUMBERS else -1
    return [absent if value is None else value for value in values]


_NOTHING: Mapping[str, NDArray[Any]] = unpack(FrameBuilder({}).build(Head(Kind.TICK, "", "", 0, "", 0)))[1]
