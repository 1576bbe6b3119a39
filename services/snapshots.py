"""What a snapshot looks like in a changelog, and which one a state is restored from. No Faust here, no I/O.

A snapshot is a partition's whole state in chunks, followed by a manifest that makes it count. Each snapshot
has a *generation* of its own in its keys, so a late write of a paused worker can never replace newer state,
and a crash half-way leaves the one before untouched.
"""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import xxhash

_KEY = struct.Struct(">I16sI")
_MANIFEST = 0xFFFF_FFFF


class Key(NamedTuple):
    """The key of one changelog record, 24 bytes on the wire. ``chunk`` counts from 0."""

    partition: int
    generation: bytes
    chunk: int

    @classmethod
    def manifest(cls, partition: int, generation: bytes) -> Key:
        """The key under which the manifest of a snapshot is written."""
        return cls(partition, generation, _MANIFEST)

    @classmethod
    def unpack(cls, data: bytes) -> Key:
        """From bytes; raises ``struct.error`` where they are no such key."""
        return cls(*_KEY.unpack(data))

    def pack(self) -> bytes:
        """To bytes."""
        return _KEY.pack(*self)


class Snapshot(NamedTuple):
    """A complete snapshot; ``applied`` is the offset it is complete up to, ``keys`` are its own.

    ``taken`` is when (epoch ms); None where its manifest does not say.
    """

    applied: int
    chunks: Sequence[bytes]
    keys: frozenset[bytes]
    taken: int | None = None


def new_generation() -> bytes:
    """An identity that no other snapshot has: 16 random bytes."""
    return uuid.uuid4().bytes


def digest(chunk: bytes) -> str:
    """What a manifest remembers of a chunk."""
    return xxhash.xxh3_64_hexdigest(chunk)


def manifest(applied: int, taken: int, digests: Sequence[str]) -> bytes:
    """The record that completes a snapshot."""
    content = {"applied": applied, "taken": taken, "chunks": list(digests)}
    return json.dumps(content, separators=(",", ":")).encode()


def partition_of(key: bytes) -> int:
    """The partition whose snapshot ``key`` belongs to."""
    return Key.unpack(key).partition


def choose(records: Mapping[bytes, bytes]) -> Snapshot | None:
    """Of one partition's changelog, the complete snapshot that reaches furthest; None when there is none.

    Incomplete ones (a chunk missing or damaged: the writer died, or tombstones came first) do not count.
    """
    found = (_assemble(records, key, Key.unpack(key)) for key in records)
    return max(filter(None, found), key=lambda snapshot: snapshot.applied, default=None)


def _assemble(records: Mapping[bytes, bytes], name: bytes, key: Key) -> Snapshot | None:
    if key.chunk != _MANIFEST:
        return None
    content = json.loads(records[name])
    digests: list[str] = content["chunks"]
    names = [key._replace(chunk=index).pack() for index in range(len(digests))]
    chunks = [records[name] for name in names if name in records]
    if [digest(chunk) for chunk in chunks] != digests:
        return None
    return Snapshot(content["applied"], chunks, _keys(name, names), content.get("taken"))


def _keys(name: bytes, names: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset((name, *names))
