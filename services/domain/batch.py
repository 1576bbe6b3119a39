"""Several decoded frames of one partition as rows per (event type, process, primary, image).

Columns are put together when they are asked for, and only then: of most fields nobody asks. Strings that somebody
asks for by code are interned in the partition's ``Strings``; the rest stay what they are in the frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import CHANGED, FieldType
from services.domain.frames import Block, Frame, Group, Image
from services.domain.identity import hash64
from services.domain.index import Index
from services.domain.rows import NULL, Codes, Flags, Hashes, Mask, Numbers, Places, Strings, hash_numbers
from services.domain.texts import Packed, cut_out

_UNKNOWN = -2
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.TIMESTAMP, FieldType.DATE})


class Interner:
    """The codes that texts have in ``strings``, looked up by hash."""

    def __init__(self, strings: Strings) -> None:
        self.strings = strings
        self._index = Index()

    def find(self, hashes: Hashes) -> Codes:
        """Codes; -1 where a text is not interned."""
        known = self.strings.hashes()
        if len(self._index) < known.size - 1:
            self._index.upsert(known[len(self._index) : -1])
        return self._index.find(hashes)


class Dictionary:
    """The dictionaries of several frames as one; code -1 stays absent."""

    def __init__(self, frames: Sequence[Frame], interner: Interner) -> None:
        self._frames = frames
        self._interner = interner
        self.starts = [0, *accumulate(frame.hashes.size for frame in frames)]
        self.hashes = np.concatenate([*(frame.hashes for frame in frames), np.zeros(1, np.uint64)])

    @property
    def strings(self) -> Strings:
        """Where codes are interned."""
        return self._interner.strings

    def texts(self, codes: Places) -> Packed:
        """The strings of codes; empty where absent."""
        text, starts, lengths = self._texts
        return cut_out(text, starts[codes], lengths[codes])

    @cached_property
    def _texts(self) -> tuple[NDArray[np.uint8], Numbers, Numbers]:
        """The text of all frames, and where in it each string begins and how long it is; absent is empty."""
        bases = [0, *accumulate(frame.text.size for frame in self._frames)]
        nothing = np.zeros(1, np.int64)
        starts = [
            frame.offsets[:-1] + np.int64(base) for frame, base in zip(self._frames, bases, strict=False)
        ]
        lengths = [np.diff(frame.offsets).astype(np.int64) for frame in self._frames]
        return (
            np.concatenate([frame.text for frame in self._frames]),
            np.concatenate([*starts, nothing]),
            np.concatenate([*lengths, nothing]),
        )

    def intern(self, codes: Places) -> Codes:
        """Codes of the same texts in ``strings``."""
        found = self._codes[codes]
        if found.size and found.min() == _UNKNOWN:
            self._add(codes[found == _UNKNOWN])
            found = self._codes[codes]
        return found

    @cached_property
    def _codes(self) -> Codes:
        """What is interned of all strings, looked up once; asking for the rest makes it known."""
        codes = self._interner.find(self.hashes)
        codes[codes < 0] = _UNKNOWN
        codes[-1] = -1
        return codes

    def _add(self, codes: Places) -> None:
        used = np.zeros(self.hashes.size, np.bool_)
        used[codes] = True
        codes = used.nonzero()[0]
        self._codes[codes] = [self.strings.code(text.decode()) for text in self.texts(codes).each()]


@dataclass(frozen=True, slots=True)
class Part:
    """One block, from the batch's frame number ``frame``; ``kept`` are the rows that count (None: all), ``n`` how
    many, ``start`` is the batch's row that is its first.
    """

    frame: int
    block: Block
    kept: Places | None
    n: int
    start: int


class Envelope(NamedTuple):
    """What every event has, an element per row: ``keys`` are codes of the cases' ids in the batch's dictionary,
    ``hashes`` their hashes.
    """

    time: Numbers
    identity: Hashes
    keys: Places
    hashes: Hashes

    def at(self, rows: slice | Mask) -> Envelope:
        """Some of the rows."""
        return Envelope(self.time[rows], self.identity[rows], self.keys[rows], self.hashes[rows])


class BlockRows:
    """``Rows`` over the blocks of one ``Group``."""

    def __init__(
        self, parts: Sequence[Part], dictionary: Dictionary, envelope: Envelope, image: Image | None = None
    ) -> None:
        self.parts = parts
        self.dictionary = dictionary
        self.n = envelope.time.size
        self._image = image
        self._own = {"": envelope.keys}
        self._numbers = {"time": envelope.time}
        self._codes: dict[str, Codes] = {}
        self._flags: dict[str, Flags] = {}
        self._hashes = {"identity": envelope.identity, "key": envelope.hashes}

    @property
    def strings(self) -> Strings:
        """See ``Rows``."""
        return self.dictionary.strings

    @property
    def weight(self) -> Numbers | None:
        """Events are only ever added; of changed rows those before are taken back."""
        image = self._image
        return None if image is None or image.weight > 0 else np.full(self.n, image.weight)

    def number(self, name: str) -> Numbers:
        """See ``Rows``."""
        held = self._numbers.get(name)
        if held is None:
            held = self._numbers[name] = self._column(name, _NUMBERS, NULL, np.int64)
        return held

    def code(self, name: str) -> Codes:
        """See ``Rows``. Flags and numbers read as their texts, so that they can be dimensions."""
        held = self._codes.get(name)
        if held is None:
            held = self._codes[name] = self._coded(name)
        return held

    def flag(self, name: str) -> Flags:
        """See ``Rows``."""
        held = self._flags.get(name)
        if held is None:
            held = self._flags[name] = self._column(name, {FieldType.BOOLEAN}, -1, np.int8)
        return held

    def hash(self, name: str) -> Hashes:
        """See ``Rows``; ``identity`` is the event's, ``key`` that of the case's id."""
        held = self._hashes.get(name)
        if held is None:
            held = self._hashes[name] = self._hashed(name)
        return held

    def texts(self, name: str, at: Places) -> Packed:
        """The strings of field ``name`` ("": the case's id) at rows ``at``; empty where absent."""
        return self.dictionary.texts(self.dictionary_codes(name)[at])

    def dictionary_codes(self, name: str) -> Places:
        """Codes of a string field ("": the case's id) in the batch's dictionary."""
        held = self._own.get(name)
        if held is None:
            codes = self._join([self._kept(part, _string_codes(part.block, name)) for part in self.parts])
            held = self._own[name] = _shifted(codes, self.parts, self.dictionary)
        return held

    def _types(self, name: str) -> list[FieldType]:
        """The types that blocks hold it in: one, but where they were framed under catalogues that differ in it."""
        if name == "source":
            return [FieldType.STRING]
        found = dict.fromkeys(types[name] for types in self._layouts if name in types)
        return list(found) or [FieldType.STRING]

    @cached_property
    def _layouts(self) -> list[Mapping[str, FieldType]]:
        """The different ones among the blocks'; decoding shares them."""
        return list({id(part.block.types): part.block.types for part in self.parts}.values())

    def _coded(self, name: str) -> Codes:
        """A row's value is of one type, and absent in the others."""
        return reduce(np.maximum, [self._coded_as(type_, name) for type_ in self._types(name)])

    def _coded_as(self, type_: FieldType, name: str) -> Codes:
        if type_ is FieldType.BOOLEAN:
            words = [self.strings.code(word) for word in ("false", "true")]
            flags: Codes = np.array([*words, -1], np.int32)[self.flag(name)]
            return flags
        if type_ in _NUMBERS:
            numbers = self.number(name)
            distinct, which = np.unique(numbers, return_inverse=True)
            codes = [-1 if number == NULL else self.strings.code(str(number)) for number in distinct.tolist()]
            numbered: Codes = np.array(codes, np.int32)[which]
            return numbered
        return self.dictionary.intern(self.dictionary_codes(name))

    def _hashed(self, name: str) -> Hashes:
        return reduce(np.maximum, [self._hashed_as(type_, name) for type_ in self._types(name)])

    def _hashed_as(self, type_: FieldType, name: str) -> Hashes:
        if type_ in _NUMBERS:
            return hash_numbers(self.number(name))
        if type_ is FieldType.BOOLEAN:
            flags = self.flag(name).astype(np.int64)
            return hash_numbers(np.where(flags < 0, NULL, flags))
        return self.dictionary.hashes[self.dictionary_codes(name)]

    def _column(
        self, name: str, types: frozenset[FieldType] | set[FieldType], absent: int, dtype: type
    ) -> Any:
        return self._join(
            [
                self._kept(part, part.block.columns[name])
                if part.block.types.get(name) in types
                else np.full(part.n, absent, dtype)
                for part in self.parts
            ]
        )

    def of_frames(self, values: Numbers) -> Numbers:
        """Per row what ``values`` has for its frame."""
        return np.repeat(values[[part.frame for part in self.parts]], [part.n for part in self.parts])

    def places(self) -> Places:
        """Per row its index among the events of its frame."""
        places: Places = self._join(
            [
                part.block.first + (np.arange(part.n) if part.kept is None else part.kept)
                for part in self.parts
            ]
        )
        return places

    def batch_rows(self) -> Places:
        """The batch's row that each of these is."""
        rows: Places = self._join(
            [part.start + (np.arange(part.n) if part.kept is None else part.kept) for part in self.parts]
        )
        return rows

    @staticmethod
    def _kept(part: Part, column: NDArray[Any]) -> NDArray[Any]:
        return column if part.kept is None else column[part.kept]

    @staticmethod
    def _join(columns: list[NDArray[Any]]) -> Any:
        return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _string_codes(block: Block, name: str) -> Codes:
    if name == "source":
        return block.source
    if block.types.get(name) is FieldType.STRING:
        codes: Codes = block.columns[name]
        return codes
    return np.full(block.n, -1, np.int32)


def _shifted(codes: Codes, parts: Sequence[Part], dictionary: Dictionary) -> Places:
    """Codes of the frames' own dictionaries as codes of the batch's."""
    places = codes.astype(np.intp)
    if len(dictionary.starts) > 2:
        starts = [dictionary.starts[part.frame] for part in parts]
        places += np.repeat(starts, [part.n for part in parts])
        places[codes < 0] = -1
    return places


class Batch:
    """Frames of one run and partition, in log order, with no barrier between them.

    Rows of one ``Group`` lie together, each of these in the order of the log. ``identity`` (of this copy) and what the
    ``envelope`` holds have an element per row. ``pairs`` are the rows of changes, after and before: what becomes of
    the one becomes of the other.
    """

    def __init__(self, frames: Sequence[Frame], interner: Interner) -> None:
        self.frames = frames
        self.dictionary = Dictionary(frames, interner)
        groups: dict[Group, list[tuple[int, Block]]] = {}
        for number, frame in enumerate(frames):
            for block in frame.blocks:
                groups.setdefault(block.group, []).append((number, block))
        self._groups: dict[Group, list[Part]] = {}
        self.n = 0
        for key, blocks in groups.items():
            parts = self._groups[key] = []
            for number, block in blocks:
                parts.append(Part(number, block, None, block.n, self.n))
                self.n += block.n
        self.parts = [part for parts in self._groups.values() for part in parts]
        keys = _shifted(_all([part.block.key for part in self.parts], np.int32), self.parts, self.dictionary)
        self.envelope = Envelope(
            _all([part.block.time for part in self.parts], np.int64),
            _all([part.block.identity for part in self.parts], np.uint64),
            keys,
            self.dictionary.hashes[keys],
        )
        self.pairs = [
            (_place(self._groups[group._replace(primary=True, image=Image.AFTER)]), _place(parts))
            for group, parts in self._groups.items()
            if group.image is Image.BEFORE
        ]
        salts = np.array([_salt(group.process) for group in self._groups], np.uint64)
        sizes = [sum(part.n for part in parts) for parts in self._groups.values()]
        self.identity: Hashes = self.envelope.identity ^ np.repeat(salts, sizes)

    @property
    def time(self) -> Numbers:
        """When what each row tells of occurred."""
        return self.envelope.time

    @cached_property
    def said(self) -> Numbers:
        """When each row's event says that it happened: of a changed row, when it was changed."""
        changed = [part for part in self.parts if part.block.group.image is not None]
        if not changed:
            return self.envelope.time
        said = self.envelope.time.copy()
        for part in changed:
            said[part.start : part.start + part.n] = part.block.column(CHANGED.name)
        return said

    @cached_property
    def frame(self) -> Places:
        """The number of each row's frame."""
        return self._of_parts([part.frame for part in self.parts])

    @cached_property
    def primary(self) -> Mask:
        """Whether each row is its event's primary copy."""
        return self._of_parts([part.block.primary for part in self.parts]).astype(np.bool_)

    @cached_property
    def in_log_order(self) -> Places:
        """The rows as the log has them, but for those before a change."""
        own = (
            [part for part in self.parts if part.block.group.image is not Image.BEFORE]
            if self.pairs
            else self.parts
        )
        parts = sorted(own, key=lambda part: (part.frame, part.block.first))
        sizes = [part.n for part in parts]
        before = [0, *accumulate(sizes)]
        shifts = [part.start - first for part, first in zip(parts, before, strict=False)]
        return np.arange(before[-1]) + np.repeat(np.array(shifts, np.intp), sizes)

    def sources(self) -> Codes:
        """Each row's source as a code of the partition's strings."""
        own = _all([part.block.source for part in self.parts], np.int32)
        return self.dictionary.intern(_shifted(own, self.parts, self.dictionary))

    def origin(self, row: int) -> tuple[int, int]:
        """The frame that the event of ``row`` came in, and its index among the frame's events."""
        for after, before in self.pairs:
            if before.start <= row < before.stop:
                row += after.start - before.start
        part = next(part for part in self.parts if row < part.start + part.n)
        return part.frame, part.block.first + row - part.start

    def rows(self, keep: Mask | None) -> Iterator[tuple[Group, BlockRows]]:
        """Rows by group, those after a change ahead of those before; ``keep`` says which count (None: all)."""
        envelope = self.envelope if keep is None else self.envelope.at(keep)
        start = 0
        for key, parts in self._groups.items():
            own = parts if keep is None else [kept for part in parts if (kept := _some(part, keep)).n]
            end = start + sum(part.n for part in own)
            if end > start:
                yield key, BlockRows(own, self.dictionary, envelope.at(slice(start, end)), key.image)
            start = end

    def _of_parts(self, values: list[int]) -> Places:
        return np.repeat(np.array(values, np.intp), [part.n for part in self.parts])


def _place(parts: Sequence[Part]) -> slice:
    """The rows of parts that lie together."""
    return slice(parts[0].start, parts[-1].start + parts[-1].n)


def _some(part: Part, keep: Mask) -> Part:
    """What of a part counts."""
    own = keep[part.start : part.start + part.n]
    n = int(np.count_nonzero(own))
    return part if n == part.n else replace(part, kept=own.nonzero()[0], n=n)


@lru_cache(maxsize=1024)
def _salt(process: str) -> int:
    return hash64(process.encode())


def _all(columns: list[NDArray[Any]], dtype: type) -> Any:
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns) if columns else np.empty(0, dtype)
