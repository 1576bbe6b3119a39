"""A list of ids against those that are here: what is missing, and what is here and not in the list.

Memory is nine bytes for each id of the list, whatever of them is here; and a hash for each that is not in the list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from services.domain.identity import hash64
from services.domain.rows import Hashes, Mask


@dataclass(slots=True)
class Differences:
    """Distinct ``listed`` ids were compared with those of the events ``here``. ``missing_count`` and ``surplus_count``
    count distinct ids; the first of them are named.
    """

    listed: int = 0
    here: int = 0
    missing_count: int = 0
    surplus_count: int = 0
    missing: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)


class Listed:
    """The ids of a list, as hashes; each once."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._hashes = np.unique(np.fromiter((hash64(one.encode()) for one in ids), np.uint64))
        self._seen: Mask = np.zeros(self._hashes.size, np.bool_)

    def __len__(self) -> int:
        return int(self._hashes.size)

    def meet(self, ids: Sequence[str]) -> list[str]:
        """Note that these are here; returns those that are not in the list."""
        hashes: Hashes = np.fromiter((hash64(one.encode()) for one in ids), np.uint64, len(ids))
        at = np.searchsorted(self._hashes, hashes)
        at[at == self._hashes.size] = 0
        known = self._hashes[at] == hashes if self._hashes.size else np.zeros(hashes.size, np.bool_)
        self._seen[at[known]] = True
        return [ids[place] for place in np.flatnonzero(~known).tolist()]

    def missing(self, ids: Iterable[str]) -> Iterator[str]:
        """Of the same list once more, those that nobody met; each once, since it counts as met from then on."""
        for one in ids:
            at = np.searchsorted(self._hashes, np.uint64(hash64(one.encode())))
            if not self._seen[at]:
                self._seen[at] = True
                yield one

    @property
    def missing_count(self) -> int:
        """How many nobody met."""
        return int(np.count_nonzero(~self._seen))


async def compare(
    listed: Listed, again: Iterable[str], here: AsyncIterator[Sequence[str]], limit: int
) -> Differences:
    """``again`` is the list that ``listed`` was made of; at most ``limit`` ids of each kind are named."""
    found = Differences(listed=len(listed))
    surplus: set[int] = set()
    async for ids in here:
        found.here += len(ids)
        for one in listed.meet(ids):
            identity = hash64(one.encode())
            if identity not in surplus and len(surplus) < limit:
                found.surplus.append(one)
            surplus.add(identity)
    found.surplus.sort()
    found.surplus_count = len(surplus)
    found.missing_count = listed.missing_count
    found.missing = list(islice(listed.missing(again), limit))
    return found
