"""One hash for everything: identities of events, case keys, partitions, distinct counts.

XXH3 (64 bit) is fixed by its specification, so every process and every replay computes the same; collisions among
a million live keys are a matter of 1 in 30 million.
"""

from __future__ import annotations

from collections.abc import Callable

from xxhash import xxh3_64_intdigest

hash64: Callable[[bytes], int] = xxh3_64_intdigest
"""XXH3-64 of the bytes as an unsigned integer."""


def event_identity(source: str, event_id: str) -> int:
    """What duplicates are recognised by and ties are broken with: (source, id)."""
    return xxh3_64_intdigest(f"{source}\0{event_id}".encode())


def partition_of(key: str, partitions: int) -> int:
    """The partition that a case key (or another routing key) lives in."""
    return xxh3_64_intdigest(key.encode()) % partitions
