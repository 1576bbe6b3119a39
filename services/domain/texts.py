"""The ids of cases and items: bytes back to back, row by row, of any length; never cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.domain.rows import Mask


class Packed(NamedTuple):
    """Texts back to back, as UTF-8, and how many bytes each has."""

    text: NDArray[np.uint8]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[bytes]) -> Packed:
        """Put texts back to back."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(np.frombuffer(b"".join(texts), np.uint8), lengths)

    def each(self) -> list[bytes]:
        """One by one."""
        data, ends = self.text.tobytes(), np.cumsum(self.lengths).tolist()
        return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)]


def cut_out(text: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Packed:
    """The pieces of ``text`` that begin at ``starts``, back to back."""
    ends = np.cumsum(lengths)
    at = np.repeat(starts - ends + lengths, lengths)
    at += np.arange(at.size)
    return Packed(text[at], lengths)


class Texts:
    """Texts numbered 0, 1, 2 … in the order of coming; 4 bytes each beside their own."""

    def __init__(self, blob: bytes = b"", offsets: NDArray[np.uint32] | None = None) -> None:
        """Start empty, or with what ``blob`` and ``offsets`` gave."""
        self._blob = bytearray(blob)
        self._offsets = np.zeros(64, np.uint32) if offsets is None else np.array(offsets)
        self._n = 0 if offsets is None else offsets.size - 1

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> str:
        return self.raw(row).decode()

    def raw(self, row: int) -> bytes:
        """One text as it is."""
        return bytes(self._blob[self._offsets[row] : self._offsets[row + 1]])

    @property
    def blob(self) -> bytes:
        """All bytes."""
        return bytes(self._blob)

    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Where each starts, and where the last one ends (a copy)."""
        return self._offsets[: self._n + 1].copy()

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return len(self._blob) + self._offsets.nbytes

    def extend(self, texts: Packed) -> None:
        """Number some more. Raises ``OverflowError`` beyond 4 GiB."""
        n = self._n + texts.lengths.size
        if n >= self._offsets.size:
            larger = np.zeros(max(n + 1, self._offsets.size * 3 // 2), np.uint32)
            larger[: self._n + 1] = self._offsets[: self._n + 1]
            self._offsets = larger
        if len(self._blob) + texts.text.size >= 2**32:
            raise OverflowError("more than 4 GiB of ids in one partition")
        self._offsets[self._n + 1 : n + 1] = np.cumsum(texts.lengths) + len(self._blob)
        self._blob += texts.text.tobytes()
        self._n = n

    def keep(self, kept: Mask) -> None:
        """Remove the texts where ``kept`` is false; the others close ranks."""
        offsets = self._offsets[: self._n + 1].astype(np.int64)
        lengths = np.diff(offsets)
        blob = np.frombuffer(self._blob, np.uint8)[np.repeat(kept, lengths)].tobytes()
        ends = np.cumsum(lengths[kept])
        self._blob = bytearray(blob)
        self._n = ends.size
        self._offsets = np.zeros(max(64, self._n + self._n // 8 + 1), np.uint32)
        self._offsets[1 : self._n + 1] = ends
