"""The files of look-ups, read and checked: rows and aliases with the lines that they stand in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from services.catalogue.problems import Problem, did_you_mean
from services.domain.catalogue import Catalogue, Lookup, LookupFile
from services.domain.lookups import EVER, LookupRow, LookupTable, circle, overlapping
from services.errors import InvalidInput
from services.importing.documents import FileSource
from services.importing.tables import BadRow, Table
from services.lookups.rows import RowReader, WrongRowError

ALIAS = "alias"


class FileRow(NamedTuple):
    """A row, and where it stands."""

    row: LookupRow
    line: int


@dataclass(slots=True)
class Filed:
    """What the files of one look-up say. ``aliases`` are those of its own file, spelling → key."""

    lookup: Lookup
    rows: list[FileRow] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def table(self) -> LookupTable:
        """As a table."""
        table = LookupTable(self.lookup)
        table.aliases |= self.aliases
        for row, _ in self.rows:
            table.put(row)
        return table


def read_filed(folder: Path, catalogue: Catalogue) -> tuple[dict[str, Filed], list[Problem]]:
    """Every look-up that has a file, by name, and what is wrong in the files."""
    found: dict[str, Filed] = {}
    problems: list[Problem] = []
    for lookup in catalogue.lookups.values():
        if lookup.file is None and lookup.alias_file is None:
            continue
        filed = found[lookup.name] = Filed(lookup)
        if lookup.file is not None:
            problems += _rows(folder, lookup.file, filed)
        if lookup.alias_file is not None:
            problems += _aliases(folder, lookup.alias_file, filed)
        problems += _misfits(filed)
    return found, problems


def tables_of(folder: Path, catalogue: Catalogue) -> dict[str, LookupTable]:
    """The look-ups of a catalogue without problems as its files say them; those without a file are empty."""
    filed, _ = read_filed(folder, catalogue)
    return {
        name: filed[name].table() if name in filed else LookupTable(lookup)
        for name, lookup in catalogue.lookups.items()
    }


def _open(
    folder: Path, file: LookupFile, lookup: Lookup, columns: list[str]
) -> Iterator[tuple[int, dict[str, str | None]] | Problem]:
    """(line, cells) of each row, or what is wrong with it."""
    source = FileSource.model_validate(
        {
            "file": file.path,
            "format": file.format,
            "delimiter": file.delimiter,
            "encoding": file.encoding,
        }
    )
    try:
        with Table(folder / file.path, source, frozenset({""}), columns) as table:
            missing = [name for name in columns if name not in table.header]
            for name in missing:
                yield Problem(
                    file.path,
                    1,
                    lookup.name,
                    name,
                    "",
                    "there is no such column",
                    did_you_mean(name, table.header),
                )
            for line, row in [] if missing else table.rows:
                if isinstance(row, BadRow):
                    yield Problem(file.path, line, lookup.name, "", "", row.message)
                else:
                    yield line, dict(zip(table.header, row, strict=True))
    except (OSError, LookupError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        yield Problem(
            file.path, 0, lookup.name, "", "", f"cannot be read: {reason}", _near(folder, file.path)
        )
    except InvalidInput as error:
        yield Problem(file.path, 0, lookup.name, "", "", error.message, error.remedy or "")


def _near(folder: Path, name: str) -> str:
    here = (folder / name).parent
    files = [str(path.relative_to(folder)) for path in sorted(here.iterdir())] if here.is_dir() else []
    return did_you_mean(name, [path for path in files if not path.endswith((".yaml", ".yml"))])


def _rows(folder: Path, file: LookupFile, filed: Filed) -> Iterator[Problem]:
    reader = RowReader(filed.lookup)
    optional = {filed.lookup.valid_to, filed.lookup.alias_column}
    wanted = [
        name for name in reader.columns if name not in optional or (file.format or file.path).endswith("json")
    ]
    seen: dict[tuple[object, int], int] = {}
    for one in _open(folder, file, filed.lookup, wanted):
        if isinstance(one, Problem):
            yield one
            continue
        line, cells = one
        try:
            row = reader.read(cells, strict=False)
        except WrongRowError as wrong:
            for each in wrong.problems:
                where = (file.path, line, filed.lookup.name, each.column)
                yield Problem(*where, each.value, each.message, each.remedy)
            continue
        first = seen.setdefault((row.key, row.start), line)
        if first != line:
            message = f"this key stands in line {first} as well" + _since(filed.lookup)
            shown = ", ".join(row.key)
            yield Problem(
                file.path, line, filed.lookup.name, filed.lookup.key[0], shown, message, "remove one of them"
            )
            continue
        filed.rows.append(FileRow(row, line))


def _since(lookup: Lookup) -> str:
    return "" if lookup.valid_from is None else f", with the same {lookup.valid_from}"


def _aliases(folder: Path, file: LookupFile, filed: Filed) -> Iterator[Problem]:
    lookup, key = filed.lookup, filed.lookup.key[0]
    known = {row.key[0] for row, _ in filed.rows}
    for one in _open(folder, file, lookup, [ALIAS, key]):
        if isinstance(one, Problem):
            yield one
            continue
        line, cells = one
        alias, meant = (cells[ALIAS] or "").strip(), (cells[key] or "").strip()
        other = filed.aliases.setdefault(alias, meant)
        where = (file.path, line, lookup.name)
        if not alias or not meant:
            yield Problem(
                *where, ALIAS, alias, "a row names an alias and the key that it means", "fill in both"
            )
        elif other != meant:
            yield Problem(
                *where, ALIAS, alias, f"{alias!r} means {other!r} already", "let it mean one of them"
            )
        elif lookup.file is not None and meant not in known:
            yield Problem(
                *where, key, meant, f"there is no row for {meant!r}", did_you_mean(meant, sorted(known))
            )


def _misfits(filed: Filed) -> Iterator[Problem]:
    """What no row knows of itself: overlaps, aliases that are keys, circles, levels that contradict each other."""
    table, lookup = filed.table(), filed.lookup
    lines = {(row.key, row.start): line for row, line in filed.rows}
    file = lookup.file.path if lookup.file is not None else ""
    for key in dict.fromkeys(row.key for row, _ in filed.rows):
        for row, later in overlapping(table.of(key)):
            line, other = lines[later.key, later.start], lines[row.key, row.start]
            message = f"{', '.join(key)} is valid twice: the row in line {other} ends after this one begins"
            remedy = f"let it end before, or leave {lookup.valid_to} empty"
            yield Problem(file, line, lookup.name, lookup.valid_from or "", "", message, remedy)
    for row, line in filed.rows:
        for alias in row.aliases:
            if table.aliases.get(alias) != row.key[0] or (alias,) in {each.key for each, _ in filed.rows}:
                message = f"{alias!r} is another key, or the alias of one"
                yield Problem(
                    file, line, lookup.name, lookup.alias_column or "", alias, message, "remove it here"
                )
    if lookup.parent is not None:
        yield from _circles(filed, table, file)
    yield from _levels(filed, file)


def _circles(filed: Filed, table: LookupTable, file: str) -> Iterator[Problem]:
    told: set[str] = set()
    for row, line in filed.rows:
        way = circle(table, row.key, row.start if row.start != EVER else 0)
        if way and way[0] not in told:
            told.update(way)
            message = f"this lies above itself: {' → '.join(way)}"
            name = filed.lookup.parent or ""
            yield Problem(file, line, filed.lookup.name, name, row.key[0], message, "break the circle")
        above = row.values[table.place[filed.lookup.parent or ""]]
        if above is not None and (str(above),) not in table:
            known = sorted({each.key[0] for each, _ in filed.rows})
            message = f"there is no row for {above!r}"
            where = (file, line, filed.lookup.name, filed.lookup.parent or "")
            yield Problem(*where, str(above), message, did_you_mean(str(above), known))


def _levels(filed: Filed, file: str) -> Iterator[Problem]:
    """A value of a finer level belongs to one of the coarser, as of one instant."""
    lookup = filed.lookup
    at = {name: place for place, name in enumerate(lookup.columns)}
    for fine, coarse in zip(lookup.levels, lookup.levels[1:], strict=False):
        seen: dict[tuple[object, int], tuple[object, int]] = {}
        for row, line in filed.rows:
            below, above = row.values[at[fine]], row.values[at[coarse]]
            if below is None:
                continue
            other, first = seen.setdefault((below, row.start), (above, line))
            if other != above:
                message = f"{fine} {below!r} lies in {above!r} here and in {other!r} in line {first}"
                yield Problem(
                    file, line, lookup.name, coarse, str(above), message, "let it lie in one of them"
                )


Files = Mapping[str, Filed]
