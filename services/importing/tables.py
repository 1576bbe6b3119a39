"""Files as rows of text: CSV and NDJSON, plain or gzipped; and look-up tables by key."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from services.catalogue.problems import did_you_mean
from services.errors import InvalidInput
from services.importing.documents import FileSource, LookupSpec

Row = list[str | None]
"""A row's values; None where empty."""

csv.field_size_limit(1 << 20)
_numbers_as_text = msgspec.json.Decoder(dict[str, Any], float_hook=str)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the file and its line (from 1; the header of a CSV is line 1)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class BadRow(Exception):  # noqa: N818  # named for what it tells of
    """A row that cannot be read."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def find(pattern: str, paths: Sequence[Path]) -> list[Path]:
    """The files among ``paths`` (files and folders) whose name is ``pattern``, by name; ``InvalidInput`` if none."""
    there = [
        file
        for path in paths
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if file.is_file()
    ]
    found = [file for file in there if fnmatch(file.name, pattern)]
    if not found:
        where = ", ".join(str(path) for path in paths)
        names = did_you_mean(pattern, (file.name for file in there)) or "the folder is empty"
        raise InvalidInput(f"no file {pattern!r} in {where}", field="file", value=pattern, remedy=names)
    return found


class Table:
    """One file, opened; a context manager. ``header`` names the columns, ``rows`` gives (line, row) once."""

    def __init__(self, path: Path, source: FileSource, empty: frozenset[str], wanted: Sequence[str]) -> None:
        """``wanted``: the columns that are asked for; of NDJSON, which has no header, only they are read."""
        self.path = path
        self.size = path.stat().st_size
        self._raw: BinaryIO = path.open("rb")
        self._empty = empty
        plain: Any = gzip.GzipFile(fileobj=self._raw) if path.suffix == ".gz" else self._raw
        encoding = "utf-8-sig" if source.encoding.lower() in {"utf-8", "utf8"} else source.encoding
        self._text = io.TextIOWrapper(plain, encoding=encoding, newline="")
        if _format(path, source) == "csv":
            self._csv = csv.reader(self._text, delimiter=source.delimiter, strict=True)
            self.header: list[str] = [name.strip() for name in next(self._csv, [])]
            self.rows: Iterator[tuple[int, Row | BadRow]] = self._csv_rows()
        else:
            self.header = list(dict.fromkeys(wanted))
            self.rows = self._json_rows()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()
        self._raw.close()

    @property
    def position(self) -> int:
        """How many of the file's ``size`` bytes have been read."""
        return 0 if self._raw.closed else self._raw.tell()

    def _csv_rows(self) -> Iterator[tuple[int, Row | BadRow]]:
        columns, empty = len(self.header), self._empty
        reader = self._csv
        while True:
            try:
                for cells in reader:
                    if len(cells) == columns:
                        yield reader.line_num, [None if cell in empty else cell for cell in cells]
                    elif cells:
                        message = f"the row has {len(cells)} columns and the header {columns}"
                        yield reader.line_num, BadRow(reader.line_num, message)
            except csv.Error as error:
                yield reader.line_num, BadRow(reader.line_num, f"the row is not CSV: {error}")
            except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
                raise _unreadable(self.path, error) from None
            else:
                return

    def _json_rows(self) -> Iterator[tuple[int, Row | BadRow]]:
        try:
            for line, text in enumerate(self._text, 1):
                if text.strip():
                    yield line, json_row(text, self.header, self._empty, line)
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise _unreadable(self.path, error) from None


def json_row(text: str | bytes, header: Sequence[str], empty: frozenset[str], line: int) -> Row | BadRow:
    """A JSON object as a row of the columns ``header``; nested values are ``outer.inner``."""
    try:
        flat = _flat(_numbers_as_text.decode(text))
    except (msgspec.DecodeError, RecursionError) as error:
        return BadRow(line, f"the line is not a JSON object: {error}")
    cells = map(flat.get, header)
    return [None if cell is None or cell in empty else cell for cell in cells]


def _unreadable(path: Path, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path.name} cannot be read: {error}",
        field="file",
        value=str(path),
        remedy="check that it is complete, and its 'encoding' in the mapping",
    )


def _format(path: Path, source: FileSource) -> str:
    if source.format:
        return source.format
    name = path.name.removesuffix(".gz").lower()
    return "ndjson" if name.endswith((".ndjson", ".jsonl", ".json")) else "csv"


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, str | None]:
    """Nested objects as ``outer.inner``; numbers, flags and lists as the text that stands there."""
    flat: dict[str, str | None] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, str):
            flat[prefix + name] = value
        elif isinstance(value, bool | list):
            flat[prefix + name] = msgspec.json.encode(value).decode()
        else:
            flat[prefix + name] = str(value)
    return flat


class Lookup:
    """Rows of a file by key. ``columns`` names what ``get`` gives."""

    def __init__(self, columns: Sequence[str], rows: Mapping[str | tuple[str, ...], Row]) -> None:
        self.columns = list(columns)
        self._rows = rows
        self._nothing: Row = [None] * len(self.columns)

    def get(self, key: Any) -> Row:
        """The row with that key; all empty where there is none."""
        return self._rows.get(key, self._nothing)


def read_lookup(spec: LookupSpec, paths: Sequence[Path], empty: frozenset[str]) -> Lookup:
    """Read the files of a look-up into memory."""
    keys = [spec.key] if isinstance(spec.key, str) else spec.key
    extra = [] if isinstance(spec.keep, str) else [spec.keep.smallest or spec.keep.largest or ""]
    kept: dict[Any, Row] = {}
    ranked: dict[Any, tuple[Any, ...]] = {}
    columns: list[str] = spec.columns or []
    for path in find(spec.file, paths):
        with Table(path, spec, empty, [*keys, *columns, *extra]) as table:
            columns = columns or [name for name in table.header if name not in keys]
            at_keys, at_columns = places(keys, table), places(columns, table)
            rank = _rank(spec, table)
            for _, row in table.rows:
                key = None if isinstance(row, BadRow) else key_of(row, at_keys)
                if key is None or isinstance(row, BadRow):
                    continue
                place = () if rank is None else rank(row)
                better = spec.keep == "last" if rank is None else key in kept and place < ranked[key]
                if key not in kept or better:
                    kept[key], ranked[key] = [row[at] for at in at_columns], place
    return Lookup(columns, kept)


def places(names: Sequence[str], table: Table) -> list[int]:
    """Where columns stand in the table's rows; ``InvalidInput`` names one that is not there."""
    for name in names:
        if name not in table.header:
            raise InvalidInput(
                f"{table.path.name} has no column {name!r}",
                field="column",
                value=name,
                remedy=did_you_mean(name, table.header),
            )
    return [table.header.index(name) for name in names]


def key_of(row: Row, at: Sequence[int]) -> str | tuple[str, ...] | None:
    """A row's key; None where a part of it is empty."""
    if len(at) == 1:
        return row[at[0]]
    parts = [row[place] for place in at]
    return None if None in parts else tuple(part for part in parts if part is not None)


def _rank(spec: LookupSpec, table: Table) -> Callable[[Row], tuple[Any, ...]] | None:
    """Smaller is kept. Values are compared as numbers where they are, else as text; empty ones come last."""
    if isinstance(spec.keep, str):
        return None
    smallest = spec.keep.smallest is not None
    [at] = places([spec.keep.smallest or spec.keep.largest or ""], table)

    def rank(row: Row) -> tuple[Any, ...]:
        text = row[at]
        if text is None:
            return (2,)
        try:
            number = float(text)
        except ValueError:
            return (1, text if smallest else _Reversed(text))
        return (0, number if smallest else -number)

    return rank


class _Reversed(str):
    """Text in descending order."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)
