"""Texts → rows of a look-up, or all that is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from services.catalogue.problems import did_you_mean
from services.domain.catalogue import Field, FieldType, Lookup
from services.domain.lookups import EVER, FOREVER, LookupRow, Value
from services.importing.times import DAY, ReadTime, Zone, time_reader
from services.intake.amounts import (
    LARGEST,
    NotANumberError,
    OutOfRangeError,
    TooManyDigitsError,
    fixed_point,
    rfc3339,
)

Cells = Mapping[str, str | None]
"""A row as it came: column → text; None or absent where empty."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "false": False}


class Wrong(NamedTuple):
    """What is wrong with one column of a row, and what to do."""

    column: str
    value: str
    message: str
    remedy: str = ""


class WrongRowError(ValueError):
    """A row that cannot be used; ``problems`` are all that is wrong with it."""

    def __init__(self, problems: Sequence[Wrong]) -> None:
        super().__init__("; ".join(f"{one.column}: {one.message}" for one in problems))
        self.problems = tuple(problems)


class RowReader:
    """Reads the rows of one look-up."""

    def __init__(self, lookup: Lookup) -> None:
        """Raises ``InvalidInput`` for a time zone that does not exist."""
        self.lookup = lookup
        self._zone = Zone(lookup.timezone)
        self._time = time_reader(lookup.time_format, self._zone)
        times = (lookup.valid_from, lookup.valid_to, lookup.alias_column)
        self.columns = (*lookup.key, *lookup.columns, *(name for name in times if name))

    def read(self, cells: Cells, *, strict: bool = True) -> LookupRow:
        """The row; raises ``WrongRowError``. ``strict`` refuses columns that the look-up does not have."""
        wrong: list[Wrong] = []
        if strict:
            wrong += self._unknown(cells)
        key = tuple(self._key(cells, name, wrong) for name in self.lookup.key)
        values = tuple(self._value(cells, field, wrong) for field in self.lookup.columns.values())
        start, end = self._start(cells, wrong), self._end(cells, wrong)
        if not wrong and end is not None and end <= start:
            name = self.lookup.valid_to or ""
            wrong.append(Wrong(name, cells.get(name) or "", "the row ends before it begins", "swap the two"))
        if wrong:
            raise WrongRowError(wrong)
        if end is None:
            return LookupRow(key, start, self._expiry(start), values, self._aliases(cells))
        return LookupRow(key, start, end, values, self._aliases(cells), closed=True)

    def written(self, row: LookupRow) -> dict[str, str | None]:
        """The row as texts that ``read`` takes."""
        cells: dict[str, str | None] = dict(zip(self.lookup.key, row.key, strict=True))
        for field, value in zip(self.lookup.columns.values(), row.values, strict=True):
            cells[field.name] = None if value is None else text_of(field, value)
        if self.lookup.valid_from is not None and row.start != EVER:
            cells[self.lookup.valid_from] = rfc3339(row.start)
        if self.lookup.valid_to is not None and row.closed:
            cells[self.lookup.valid_to] = rfc3339(row.end)
        if self.lookup.alias_column is not None and row.aliases:
            cells[self.lookup.alias_column] = "|".join(row.aliases)
        return cells

    def day(self, at: int) -> str:
        """The calendar day that ``at`` falls on in the look-up's time zone, as ``2024-05-04``."""
        return rfc3339(self._zone.to_local(at) // DAY * DAY)[:10]

    def _unknown(self, cells: Cells) -> list[Wrong]:
        return [
            Wrong(name, cells[name] or "", "there is no such column", did_you_mean(name, self.columns))
            for name in cells
            if name not in self.columns
        ]

    @staticmethod
    def _key(cells: Cells, name: str, wrong: list[Wrong]) -> str:
        text = (cells.get(name) or "").strip()
        if not text:
            wrong.append(Wrong(name, "", "the key is empty", "each row names what it is about"))
        return text

    @staticmethod
    def _value(cells: Cells, field: Field, wrong: list[Wrong]) -> Value:
        text = (cells.get(field.name) or "").strip()
        if not text:
            if field.required:
                wrong.append(Wrong(field.name, "", "the value is missing", "write one"))
            return None
        try:
            return _READERS[field.type](text, field)
        except ValueError as error:
            wrong.append(Wrong(field.name, text, *_why(error, field)))
            return None

    def _start(self, cells: Cells, wrong: list[Wrong]) -> int:
        found = self._instant(cells, self.lookup.valid_from, wrong)
        return EVER if found is None else found

    def _end(self, cells: Cells, wrong: list[Wrong]) -> int | None:
        """A date without a time is valid to its end."""
        name = self.lookup.valid_to
        found = self._instant(cells, name, wrong)
        if found is None or not _DATE.fullmatch((cells.get(name or "") or "").strip()):
            return found
        return self._zone.to_utc(self._zone.to_local(found) + DAY)

    def _expiry(self, start: int) -> int:
        age = self.lookup.max_age_ms
        return (
            FOREVER if age is None or start == EVER else self._zone.to_utc(self._zone.to_local(start) + age)
        )

    def _instant(self, cells: Cells, name: str | None, wrong: list[Wrong]) -> int | None:
        text = (cells.get(name or "") or "").strip()
        if name is None or not text:
            return None
        try:
            return self._read_time(text)
        except (ValueError, OverflowError):
            remedy = "write it like 2024-05-01, or 2024-05-01T06:00:00"
            if self.lookup.time_format != "iso":
                remedy = f"write it as timeFormat says: {self.lookup.time_format}"
            wrong.append(Wrong(name, text, "this is no time", remedy))
            return None

    def _read_time(self, text: str) -> int:
        """By the look-up's format; RFC 3339 with a zone, as the API shows times, is always understood."""
        read: ReadTime = self._time
        try:
            return read(text)
        except ValueError:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise
            return round(moment.timestamp() * 1000)

    def _aliases(self, cells: Cells) -> tuple[str, ...]:
        text = cells.get(self.lookup.alias_column or "") or ""
        return tuple(part.strip() for part in text.split("|") if part.strip())


def text_of(field: Field, value: Value) -> str:
    """A value as it is written: decimals with their point, times by RFC 3339."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if field.type is FieldType.DECIMAL and isinstance(value, int):
        digits = f"{abs(value):0{field.scale + 1}d}"
        whole, fraction = digits[: len(digits) - field.scale], digits[len(digits) - field.scale :]
        return f"{'-' if value < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"
    if field.type is FieldType.TIMESTAMP and isinstance(value, int):
        return rfc3339(value)
    return str(value)


def _whole(text: str, _field: Field) -> int:
    if not _WHOLE.fullmatch(text):
        raise NotANumberError(text)
    if abs(int(text)) > LARGEST:
        raise OutOfRangeError(text)
    return int(text)


def _flag(text: str, _field: Field) -> bool:
    if text.lower() not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text.lower()]


def _timestamp(text: str, _field: Field) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * 1000)


_READERS: Mapping[FieldType, Callable[[str, Field], Value]] = {
    FieldType.STRING: lambda text, _field: text,
    FieldType.INTEGER: _whole,
    FieldType.DECIMAL: lambda text, field: fixed_point(text, field.scale),
    FieldType.BOOLEAN: _flag,
    FieldType.TIMESTAMP: _timestamp,
}


def _why(error: ValueError, field: Field) -> tuple[str, str]:
    if isinstance(error, TooManyDigitsError):
        return f"this has more than {field.scale} decimal digits", "raise scale in the catalogue"
    if isinstance(error, OutOfRangeError):
        return "this is too large", "use a larger unit"
    words = {
        FieldType.BOOLEAN: "write true or false",
        FieldType.TIMESTAMP: "write an instant with its zone, 2024-05-01T06:00:00Z",
    }
    return f"this is no {field.type}", words.get(
        field.type, "write digits, with a point and without grouping"
    )
