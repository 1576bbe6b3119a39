"""Rows from plain dictionaries, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.domain.catalogue import Field, FieldType
from services.domain.identity import hash64
from services.domain.rows import NULL, Codes, Flags, Hashes, Numbers, Strings

Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows as they would be written down; numbers are scaled already."""

    rows: Sequence[Mapping[str, Value]]
    strings: Strings

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def weight(self) -> Numbers:
        return np.ones(self.n, np.int64)

    def number(self, name: str) -> Numbers:
        values = [row.get(name) for row in self.rows]
        return np.array([NULL if value is None else value for value in values], np.int64)

    def code(self, name: str) -> Codes:
        values = [row.get(name) for row in self.rows]
        return np.array(
            [-1 if value is None else self.strings.code(str(value)) for value in values], np.int32
        )

    def flag(self, name: str) -> Flags:
        values = [row.get(name) for row in self.rows]
        return np.array([-1 if value is None else value for value in values], np.int8)

    def hash(self, name: str) -> Hashes:
        values = [row.get(name) for row in self.rows]
        return np.array([0 if value is None else hash64(str(value).encode()) for value in values], np.uint64)


def rows_of(*rows: Mapping[str, Value]) -> PlainRows:
    return PlainRows(rows, Strings())


FIELDS = {
    "site": Field("site", FieldType.STRING),
    "carrier": Field("carrier", FieldType.STRING),
    "lines": Field("lines", FieldType.INTEGER),
    "weight": Field("weight", FieldType.INTEGER),
    "price": Field("price", FieldType.DECIMAL, scale=2),
    "rate": Field("rate", FieldType.DECIMAL, scale=4),
    "express": Field("express", FieldType.BOOLEAN),
    "gift": Field("gift", FieldType.BOOLEAN),
    "placed": Field("placed", FieldType.TIMESTAMP),
    "due": Field("due", FieldType.TIMESTAMP),
}
