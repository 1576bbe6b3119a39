"""Rows → events: a mapping compiled, once a file's columns are known, into closures over positions in a row.

A row is followed by the columns that its look-ups add, so that every column, own or joined, is one place in one list.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from services.catalogue.problems import did_you_mean
from services.domain.catalogue import Catalogue, EventType, Field, FieldType
from services.domain.filters import Evaluator, FilterError
from services.errors import InvalidInput
from services.importing.documents import EventSpec, FileSpec, ImagesSpec, ImportSpec, Value, value_of
from services.importing.tables import Lookup, Row, key_of
from services.importing.times import ReadTime, Zone, end_of_day, time_reader
from services.intake.amounts import EPOCH, MILLISECOND, rfc3339

Read = Callable[[Row], Any]
"""A row → a JSON value, or None where there is none. Raises ``CannotMap``."""

_PART = re.compile(r"\{([^{}]+)\}")
_WORD = re.compile(r"[A-Za-z_]\w*")
_HAS = re.compile(r"has\(\s*(\w+)\.(\w+)\s*\)")
_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0+)?")
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
ROW = "row"
_OF_ROW = f"{ROW}."


class MapCode(StrEnum):
    """Why a row gives no event though it should; beside the codes of the intake."""

    UNREADABLE_ROW = "unreadable_row"
    MISSING_TIME = "missing_time"
    MISSING_ID = "missing_id"
    INVALID_TIME = "invalid_time"
    EXPRESSION_FAILED = "expression_failed"


class CannotMap(Exception):  # noqa: N818  # named for what it tells of
    """A row that should give an event and cannot."""

    def __init__(self, code: MapCode, field: str, value: str | None, message: str) -> None:
        super().__init__(message)
        self.code, self.field, self.value, self.message = code, field, value, message


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event: when it happened and was recorded (epoch ms; as it happened where not said), and its JSON."""

    time: int
    recorded: int
    payload: bytes


class Moment(NamedTuple):
    """An instant in epoch ms and in RFC 3339."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """What all files of an import share."""

    spec: ImportSpec
    lookups: Mapping[str, Lookup]
    catalogue: Catalogue
    evaluator: Evaluator
    moments: dict[tuple[str, str, bool], Callable[[str], Moment]] = field(default_factory=dict)

    def moment(self, form: str, timezone: str, *, day_end: bool) -> Callable[[str], Moment]:
        """A reader of times that remembers: one time of a row stands in many others."""
        key = (form, timezone, day_end)
        if key not in self.moments:
            zone = Zone(timezone)
            read = time_reader(form, zone)
            self.moments[key] = _remembering(end_of_day(read, zone) if day_end else read)
        return self.moments[key]


class FileMapper:
    """What the rows of one file become. ``header`` names the columns of the file itself, ``name`` is the file's."""

    def __init__(self, context: Context, file: FileSpec, header: Sequence[str], name: str) -> None:
        self._columns = {column: at for at, column in enumerate(header)}
        self._aliases: dict[str, dict[str, int]] = {}
        self._joins: list[tuple[Lookup, list[int]]] = []
        self._context, self._spec, self._file = context, context.spec, name
        self._within = ""  # what stands before the names of columns: those of an image
        width = len(header)
        for alias, join in file.lookups.items():
            lookup = context.lookups[join.in_]
            by = [join.by] if isinstance(join.by, str) else join.by
            self._joins.append((lookup, [self._place(name) for name in by]))
            self._aliases[alias] = {name: width + at for at, name in enumerate(lookup.columns)}
            width += len(lookup.columns)
        self._makers = [self._maker(event, context.catalogue) for event in file.events]

    def map(self, row: Row) -> list[Mapped | CannotMap]:
        """The events of a row; ``row`` is extended by its look-ups' columns."""
        for lookup, at in self._joins:
            key = key_of(row, at)
            row += lookup.get(key)
        made: list[Mapped | CannotMap] = []
        for make in self._makers:
            try:
                mapped = make(row)
            except CannotMap as problem:
                made.append(problem)
            else:
                if mapped is not None:
                    made.append(mapped)
        return made

    def _maker(self, event: EventSpec, catalogue: Catalogue) -> Callable[[Row], Mapped | None]:
        when = self._condition(event.when)
        time = self._instant("time", value_of(event.time))
        recorded = self._instant("recorded", value_of(event.recorded)) if event.recorded is not None else None
        id_ = self._template(event.id, event.images)
        subject = self._template(event.subject, event.images) if event.subject is not None else None
        data = self._data(event, catalogue.events[event.type])
        fixed = {"specversion": "1.0", "type": event.type, "source": event.source or self._spec.source}
        encode = msgspec.json.Encoder().encode

        def make(row: Row) -> Mapped | None:
            if when is not None and not when(row):
                return None
            at = time(row)
            if at is None:
                message = f"{event.type!r} has no time in this row: say with 'when' which rows give it."
                raise CannotMap(MapCode.MISSING_TIME, "time", None, message)
            known = id_(row)
            if known is None:
                message = (
                    f"a column of the id {event.id!r} is empty: compose it of columns that are always there."
                )
                raise CannotMap(MapCode.MISSING_ID, "id", None, message)
            attributes: dict[str, Any] = {**fixed, "id": known, "time": at.text}
            if subject is not None:
                attributes["subject"] = subject(row)
            seen = at
            if recorded is not None and (told := recorded(row)) is not None:
                seen = told
                attributes["recordedtime"] = told.text
            attributes["data"] = data(row)
            return Mapped(at.at, seen.at, encode(attributes))

        return make

    def _data(self, event: EventSpec, known: EventType) -> Callable[[Row], dict[str, Any]]:
        """The event's ``data``; of one that carries a row before and after a change both rows, read alike."""
        if event.images is None or known.images is None:
            return self._fields(event, known, "data.")
        given, meant = event.images, known.images
        op = self._columns.get(given.op)
        rows = [
            (meant.before, *self._image(given.before, event, known, meant.before)),
            (meant.after, *self._image(given.after, event, known, meant.after)),
        ]

        def data(row: Row) -> dict[str, Any]:
            said = {} if op is None or row[op] is None else {meant.op: row[op]}
            there = [(name, read) for name, at, read in rows if any(row[place] is not None for place in at)]
            return {**said, **{name: read(row) for name, read in there}}

        return data

    def _image(
        self, within: str, event: EventSpec, known: EventType, name: str
    ) -> tuple[Sequence[int], Callable[[Row], dict[str, Any]]]:
        """Where the columns of an image stand (it is there if one of them is), and what it says."""
        self._within = f"{within}."
        places = [at for _, at in self._group(ROW)]
        read = self._fields(event, known, f"data.{name}.")
        self._within = ""
        return places, read

    def _fields(self, event: EventSpec, known: EventType, path: str) -> Callable[[Row], dict[str, Any]]:
        data = [
            (name, self._field(known.fields[name], value_of(value), path))
            for name, value in event.data.items()
        ]
        return lambda row: {name: value for name, read in data if (value := read(row)) is not None}

    def _place(self, name: str) -> int:
        alias, dot, column = name.partition(".")
        if dot and alias in self._aliases:
            found = self._aliases[alias].get(column)
            known = [f"{alias}.{other}" for other in self._aliases[alias]]
        else:
            found = self._columns.get(f"{self._within}{name}")
            known = [*self._columns, *(f"{a}.{c}" for a, columns in self._aliases.items() for c in columns)]
        if found is None:
            raise InvalidInput(
                f"{self._file} has no column {name!r}",
                field="column",
                value=name,
                remedy=did_you_mean(name, known),
            )
        return found

    def _template(self, text: str, images: ImagesSpec | None = None) -> Callable[[Row], str | None]:
        pieces = _PART.split(text)
        if images is not None and any(name.startswith(_OF_ROW) for name in pieces[1::2]):
            return self._either(text, images)
        fixed, at = pieces[::2], [self._place(name) for name in pieces[1::2]]
        if len(at) == 1 and fixed == ["", ""]:
            [only] = at
            return lambda row: row[only]
        form = "%s".join(piece.replace("%", "%%") for piece in fixed)

        def fill(row: Row) -> str | None:
            parts = tuple([row[place] for place in at])
            return None if None in parts else form % parts

        return fill

    def _either(self, text: str, images: ImagesSpec) -> Callable[[Row], str | None]:
        """A template in which ``row.`` stands for the row after a change, or else for the one before."""
        after, before = (self._template(_of_row(text, one)) for one in (images.after, images.before))
        return lambda row: before(row) if (found := after(row)) is None else found

    def _text(self, value: Value) -> Read:
        """The value before it is read as what the field is: text, or what an expression gives."""
        if value.column is not None:
            read: Read = _picker(self._place(value.column))
        elif value.text is not None:
            read = self._template(value.text)
        elif value.cel is not None:
            read = self._expression(value.cel)
        else:
            constant = value.value
            read = lambda _row: constant  # noqa: E731  # one of four forms of the same thing
        if value.map is not None:
            read = _mapped(read, value.map)
        return read if value.default is None else _defaulted(read, value.default)

    def _field(self, field: Field, value: Value, path: str) -> Read:
        if field.type is FieldType.TIMESTAMP:
            instant = self._instant(f"{path}{field.name}", value)
            return lambda row: None if (moment := instant(row)) is None else moment.text
        if field.type is FieldType.DATE:
            return self._date(f"{path}{field.name}", value)
        read = self._text(value)
        if field.type is FieldType.STRING:
            return read if value.cel is None and value.value is None else lambda row: _as_text(read(row))
        if field.type is FieldType.DECIMAL:
            return _decimal(read, field.scale, comma=value.decimal_comma)
        convert = _integer if field.type is FieldType.INTEGER else _boolean
        return lambda row: None if (got := read(row)) is None else convert(got)

    def _date(self, name: str, value: Value) -> Read:
        """The local day of a time, whatever its zone."""
        instant = self._instant(name, value)
        zone = Zone(value.timezone or self._spec.timezone)

        def day(row: Row) -> str | None:
            moment = instant(row)
            return None if moment is None else zone.day(moment.at).isoformat()

        return day

    def _instant(self, name: str, value: Value) -> Callable[[Row], Moment | None]:
        read, form = self._text(value), value.time_format or self._spec.time_format
        parse = self._context.moment(form, value.timezone or self._spec.timezone, day_end=value.end_of_day)

        def instant(row: Row) -> Moment | None:
            got = read(row)
            if got is None:
                return None
            try:
                return parse(got.isoformat() if isinstance(got, datetime) else got)
            except (ValueError, TypeError, OverflowError):
                message = f"{name!r} is no time of the format {form!r}: correct the row, or 'timeFormat'."
                raise CannotMap(MapCode.INVALID_TIME, name, str(got), message) from None

        return instant

    def _condition(self, when: str | None) -> Callable[[Row], bool] | None:
        if when is None:
            return None
        present = self._presence(when)
        if present is not None:
            return present
        read = self._expression(when)
        return lambda row: read(row) is True

    def _presence(self, when: str) -> Callable[[Row], bool] | None:
        """``has(row.a) && has(alias.b)``, the commonest condition, without the CEL library; None for any other."""
        found = [_HAS.fullmatch(part.strip()) for part in when.split("&&")]
        at = [self._member(*one.groups()) for one in found if one is not None]
        if len(at) < len(found):
            return None
        if len(at) == 1:
            [only] = at
            return lambda row: row[only] is not None
        return lambda row: all(row[place] is not None for place in at)

    def _member(self, alias: str, column: str) -> int:
        return self._place(column if alias == ROW else f"{alias}.{column}")

    def _expression(self, source: str) -> Read:
        try:
            expression = self._context.evaluator.compile(source)
        except FilterError as error:
            raise InvalidInput(
                f"{source!r} is not CEL: {error.message}",
                field="cel",
                value=source,
                remedy=error.remedy or None,
            ) from None
        groups = {
            name: self._group(name) for name in expression.names if name == ROW or name in self._aliases
        }
        plain = [(name, self._place(name)) for name in expression.names - groups.keys()]
        evaluate = expression.evaluate

        def read(row: Row) -> Any:
            values: dict[str, object] = {name: row[at] for name, at in plain}
            for name, members in groups.items():
                values[name] = {column: row[at] for column, at in members if row[at] is not None}
            try:
                return evaluate(values)
            except Exception as error:  # noqa: BLE001  # the library raises what it likes
                message = f"{source!r} fails for this row: {error}"
                raise CannotMap(MapCode.EXPRESSION_FAILED, "cel", None, message) from None

        return read

    def _group(self, name: str) -> Sequence[tuple[str, int]]:
        if name != ROW:
            return list(self._aliases[name].items())
        within = self._within
        return [(one.removeprefix(within), at) for one, at in self._columns.items() if one.startswith(within)]


def columns_of(file: FileSpec) -> list[str]:
    """The columns of the file itself that a mapping names; of NDJSON only they are read.

    What CEL reads cannot be seen from outside; every word in an expression counts as a column.
    """
    names: list[str] = []
    for join in file.lookups.values():
        names += [join.by] if isinstance(join.by, str) else join.by
    for event in file.events:
        images = () if event.images is None else (event.images.after, event.images.before)
        for template in (event.id, event.subject or ""):
            for text in (_of_row(template, image) for image in images) if images else (template,):
                names += _PART.findall(text)
        names += _WORD.findall(event.when or "")
        names += _named(event.time, *([] if event.recorded is None else [event.recorded]))
        data = _named(*event.data.values())
        if event.images is not None:
            names.append(event.images.op)
            data = [f"{image}.{name}" for image in images for name in data]
        names += data
    return [name for name in dict.fromkeys(names) if name.partition(".")[0] not in file.lookups]


def _of_row(template: str, image: str) -> str:
    return template.replace(f"{{{_OF_ROW}", f"{{{image}.")


def _named(*specs: str | Value) -> list[str]:
    """The columns that values name."""
    values = [value_of(spec) for spec in specs]
    named = [value.column for value in values if value.column is not None]
    for value in values:
        named += [*_PART.findall(value.text or ""), *_WORD.findall(value.cel or "")]
    return named


def _remembering(read: ReadTime) -> Callable[[str], Moment]:
    @lru_cache(maxsize=200_000)
    def moment(text: str) -> Moment:
        at = read(text)
        return Moment(at, rfc3339(at))

    return moment


def _picker(at: int) -> Read:
    return lambda row: row[at]


def _mapped(read: Read, replace: Mapping[str, str]) -> Read:
    return lambda row: None if (got := read(row)) is None else replace.get(str(got), got)


def _defaulted(read: Read, default: str) -> Read:
    return lambda row: default if (got := read(row)) is None else got


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return rfc3339((value - EPOCH) // MILLISECOND)
    return str(value)


def _decimal(read: Read, scale: int, *, comma: bool) -> Read:
    def amount(row: Row) -> Any:
        got = read(row)
        if isinstance(got, float):  # only expressions give floats: they are rounded to what the field keeps
            return f"{got:.{scale}f}"
        if not isinstance(got, str):
            return got
        text = got.strip()
        return text.replace(".", "").replace(",", ".") if comma else text

    return amount


def _integer(value: Any) -> Any:
    """Digits become a number, also ``3.0`` as spreadsheets write it; anything else is left for validation to refuse."""
    if not isinstance(value, str):
        return int(value) if isinstance(value, float) and value.is_integer() else value
    found = _WHOLE.fullmatch(value.strip())
    return int(found.group(1)) if found is not None and len(value) < 40 else value


def _boolean(value: Any) -> Any:
    word = value.strip().lower() if isinstance(value, str) else value
    if word in _TRUE:
        return True
    return False if word in _FALSE else value
