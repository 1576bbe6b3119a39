"""Small honest states: OBSERVE counts and sums per key, JUDGE adds up what the partitions say. In JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence

from services.domain.facts import DeadLetter
from services.domain.state import Emission

JUDGES = 4
POISON = -1
"""An amount on which a fold raises, when it has done half of its work."""


def event(key: str, amount: int) -> bytes:
    return json.dumps([[key, amount]]).encode()


def frame(events: Sequence[tuple[str, int]]) -> bytes:
    return json.dumps([list(pair) for pair in events]).encode()


class Tally:
    """Count and sum per key of one partition; refuses records that are not the next ones."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.applied = -1
        self.cells: dict[str, list[int]] = {}
        self.letters: list[DeadLetter] = []
        self.changed: set[str] = set()

    def fold(self, records: Sequence[tuple[int, bytes]]) -> None:
        for offset, value in records:
            assert offset == self.applied + 1, (offset, self.applied)
            for key, amount in json.loads(value):
                cell = self.cells.setdefault(key, [0, 0])
                cell[0] += 1
                cell[1] += amount
                self.changed.add(key)
                if amount == POISON:
                    raise ZeroDivisionError(f"half of record {offset} is counted")
            self.applied = offset

    def refuse(self, offset: int, value: bytes, error: str) -> None:
        letter = DeadLetter(
            f"{self.partition}:{offset}", "t", 0, "", None, None, None, "", error, value.decode()
        )
        self.letters.append(letter)
        self.applied = offset

    def emit(self, *, everything: bool = False) -> list[Emission]:
        letters, self.letters = self.letters, []
        keys = self.cells if everything else self.changed
        parts: dict[int, dict[str, list[int]]] = {}
        for key in keys:
            parts.setdefault(zlib.crc32(key.encode()) % JUDGES, {})[key] = self.cells[key]
        self.changed = set()
        return [
            Emission("judging", judge, json.dumps([self.partition, self.applied, cells]).encode())
            for judge, cells in parts.items()
        ] + [Emission("dead_letters", 0, letter) for letter in letters]

    def chunks(self) -> Iterator[bytes]:
        copy = json.dumps([self.applied, self.cells]).encode()
        return iter([copy[: len(copy) // 2], copy[len(copy) // 2 :]])

    def restore(self, chunks: Sequence[bytes]) -> None:
        self.applied, self.cells = json.loads(b"".join(chunks))


class Totals:
    """Per key, the sum of what each source partition said last."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.applied = -1
        self.latest: dict[str, dict[str, list[int]]] = {}
        self.changed: set[str] = set()

    def fold(self, records: Sequence[tuple[int, bytes]]) -> None:
        for offset, value in records:
            source, version, cells = json.loads(value)
            for key, (count, total) in cells.items():
                known = self.latest.setdefault(key, {})
                if known.get(str(source), [-1])[0] <= version:
                    known[str(source)] = [version, count, total]
                self.changed.add(key)
            self.applied = offset

    def refuse(self, offset: int, value: bytes, error: str) -> None:
        raise NotImplementedError

    def values(self) -> dict[str, tuple[int, int]]:
        return {
            key: (sum(c[1] for c in said.values()), sum(c[2] for c in said.values()))
            for key, said in self.latest.items()
        }

    def emit(self, *, everything: bool = False) -> list[Emission]:
        values = self.values()
        keys = set(values) if everything else self.changed
        self.changed = set()
        said = {key: values[key] for key in keys}
        return [Emission("kpis", self.partition, json.dumps(said).encode())] if said else []

    def chunks(self) -> Iterator[bytes]:
        return iter([json.dumps([self.applied, self.latest]).encode()])

    def restore(self, chunks: Sequence[bytes]) -> None:
        self.applied, self.latest = json.loads(b"".join(chunks))
