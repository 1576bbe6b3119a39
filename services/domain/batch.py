"""Several decoded frames of one partition as rows per (event type, process, primary).

Columns are put together when they are asked for, and only then: of most fields nobody asks. Strings that somebody
asks for by code are interned in the partition's ``Strings``; the rest stay what they are in the frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.catalogue import FieldType
from services.domain.frames import Block, Frame
from services.domain.identity import hash64
from services.domain.index import Index
from services.domain.rows import NULL, Codes, Flags, Hashes, Mask, Numbers, Strings, hash_numbers

_UNKNOWN = -2
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.TIMESTAMP})


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
        self.starts = np.cumsum([0] + [frame.hashes.size for frame in frames])
        self.hashes = np.concatenate([*(frame.hashes for frame in frames), np.zeros(1, np.uint64)])
        self._codes = np.full(self.hashes.size, _UNKNOWN, np.int32)
        self._codes[-1] = -1

    @property
    def strings(self) -> Strings:
        """Where codes are interned."""
        return self._interner.strings

    def texts(self, codes: Codes) -> list[bytes]:
        """The strings of codes, as UTF-8; empty where absent."""
        found = [b""] * codes.size
        frames = np.searchsorted(self.starts, codes, "right") - 1
        for number in np.unique(frames[codes >= 0]).tolist():
            frame = self._frames[number]
            text = frame.text.tobytes()
            at = np.flatnonzero((frames == number) & (codes >= 0))
            own = codes[at] - int(self.starts[number])
            lows, highs = frame.offsets[own].tolist(), frame.offsets[own + 1].tolist()
            for place, low, high in zip(at.tolist(), lows, highs, strict=True):
                found[place] = text[low:high]
        return found

    def intern(self, codes: Codes) -> Codes:
        """Codes of the same texts in ``strings``."""
        found = self._codes[codes]
        if found.size and found.min() == _UNKNOWN:
            used = np.zeros(self._codes.size, np.bool_)
            used[codes] = True
            self._look_up((used & (self._codes == _UNKNOWN)).nonzero()[0])
            found = self._codes[codes]
        return found

    def _look_up(self, codes: NDArray[np.intp]) -> None:
        known = self._interner.find(self.hashes[codes])
        self._codes[codes] = known
        fresh = codes[known < 0].astype(np.int32)
        if fresh.size:
            self._codes[fresh] = [self.strings.code(text.decode()) for text in self.texts(fresh)]


@dataclass(frozen=True, slots=True)
class Part:
    """One block, from the batch's frame number ``frame``; ``kept`` are the rows that count (None: all), ``start`` is
    the batch's row that is its first.
    """

    frame: int
    block: Block
    kept: NDArray[np.intp] | None
    start: int

    @property
    def n(self) -> int:
        """How many rows count."""
        return self.block.n if self.kept is None else int(self.kept.size)


class BlockRows:
    """``Rows`` over the blocks of one (event type, process, primary)."""

    def __init__(self, parts: Sequence[Part], dictionary: Dictionary) -> None:
        self.parts = parts
        self.dictionary = dictionary
        self.n = sum(part.n for part in parts)
        self._held: dict[tuple[str, str], NDArray[Any]] = {}
        self._shift: Codes | None = None

    @property
    def strings(self) -> Strings:
        """See ``Rows``."""
        return self.dictionary.strings

    @property
    def weight(self) -> Numbers | None:
        """Events are only ever added."""
        return None

    def number(self, name: str) -> Numbers:
        """See ``Rows``."""
        held = self._held.get(("number", name))
        if held is None:
            held = self._time() if name == "time" else self._column(name, _NUMBERS, NULL, np.int64)
            self._held["number", name] = held
        return held

    def code(self, name: str) -> Codes:
        """See ``Rows``. Flags and numbers read as their texts, so that they can be dimensions."""
        held = self._held.get(("code", name))
        if held is None:
            held = self._held["code", name] = self._coded(name)
        return held

    def flag(self, name: str) -> Flags:
        """See ``Rows``."""
        held = self._held.get(("flag", name))
        if held is None:
            held = self._held["flag", name] = self._column(name, {FieldType.BOOLEAN}, -1, np.int8)
        return held

    def hash(self, name: str) -> Hashes:
        """See ``Rows``; ``identity`` is the event's, ``key`` that of the case's id."""
        held = self._held.get(("hash", name))
        if held is None:
            held = self._held["hash", name] = self._hashed(name)
        return held

    def texts(self, name: str, at: NDArray[np.intp]) -> list[bytes]:
        """The strings of field ``name`` ("": the case's id) at rows ``at``, as UTF-8; empty where absent."""
        return self.dictionary.texts(self.dictionary_codes(name)[at])

    def dictionary_codes(self, name: str) -> Codes:
        """Codes of a string field ("": the case's id) in the batch's dictionary."""
        held = self._held.get(("own", name))
        if held is None:
            held = self._held["own", name] = self._shifted(
                self._join([self._kept(part, _string_codes(part.block, name)) for part in self.parts])
            )
        return held

    def _shifted(self, codes: Codes) -> Codes:
        """Codes of the frames' own dictionaries as codes of the batch's."""
        if len(self.dictionary.starts) == 2:
            return codes
        if self._shift is None:
            starts = self.dictionary.starts[[part.frame for part in self.parts]].astype(np.int32)
            self._shift = np.repeat(starts, [part.n for part in self.parts])
        return np.where(codes < 0, np.int32(-1), codes + self._shift)

    def _time(self) -> Numbers:
        time: Numbers = self._join([self._kept(part, part.block.time) for part in self.parts])
        return time

    def _type(self, name: str) -> FieldType | None:
        if name == "source":
            return FieldType.STRING
        return next((part.block.types[name] for part in self.parts if name in part.block.types), None)

    def _coded(self, name: str) -> Codes:
        type_ = self._type(name)
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
        if name == "identity":
            identities: Hashes = self._join([self._kept(part, part.block.identity) for part in self.parts])
            return identities
        if name == "key":
            return self.dictionary.hashes[self.dictionary_codes("")]
        type_ = self._type(name)
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

    def batch_rows(self) -> NDArray[np.intp]:
        """The batch's row that each of these is."""
        rows: NDArray[np.intp] = self._join(
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
    if name in ("", "source"):
        return block.source if name else block.key
    if block.types.get(name) is FieldType.STRING:
        codes: Codes = block.columns[name]
        return codes
    return np.full(block.n, -1, np.int32)


class Batch:
    """Frames of one run and partition, in log order, with no barrier between them.

    ``frame``, ``identity`` (of this copy), ``time``, ``primary`` have an element per row, in the order of the log.
    """

    def __init__(self, frames: Sequence[Frame], interner: Interner) -> None:
        self.frames = frames
        self.dictionary = Dictionary(frames, interner)
        self.blocks = [(number, block) for number, frame in enumerate(frames) for block in frame.blocks]
        sizes = [block.n for _, block in self.blocks]
        self.n = sum(sizes)
        self.frame = np.repeat([number for number, _ in self.blocks], sizes)
        self.primary = np.repeat([block.primary for _, block in self.blocks], sizes)
        self.time: Numbers = _all([block.time for _, block in self.blocks], np.int64)
        salts = np.array([_salt(block.process) for _, block in self.blocks], np.uint64)
        self.identity: Hashes = _all([block.identity for _, block in self.blocks], np.uint64) ^ np.repeat(
            salts, sizes
        )

    def sources(self) -> Codes:
        """Each row's source as a code of the partition's strings."""
        starts = self.dictionary.starts[:-1].astype(np.int32)[self.frame]
        return self.dictionary.intern(starts + _all([block.source for _, block in self.blocks], np.int32))

    def origin(self, row: int) -> tuple[int, int]:
        """The frame that ``row`` came in, and its index among the frame's events."""
        for number, block in self.blocks:
            if row < block.n:
                return number, block.first + row
            row -= block.n
        raise IndexError(row)

    def rows(self, keep: Mask | None) -> Iterator[tuple[tuple[str, str, bool], BlockRows]]:
        """Rows by (event type, process, primary); ``keep`` says which rows count (None: all)."""
        grouped: dict[tuple[str, str, bool], list[Part]] = {}
        start = 0
        for number, block in self.blocks:
            kept = None
            if keep is not None:
                own = keep[start : start + block.n]
                kept = None if own.all() else np.flatnonzero(own)
            if kept is None or kept.size:
                part = Part(number, block, kept, start)
                grouped.setdefault((block.type, block.process, block.primary), []).append(part)
            start += block.n
        for key, parts in grouped.items():
            yield key, BlockRows(parts, self.dictionary)


@lru_cache(maxsize=1024)
def _salt(process: str) -> int:
    return hash64(process.encode())


def _all(columns: list[NDArray[Any]], dtype: type) -> Any:
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns) if columns else np.empty(0, dtype)
