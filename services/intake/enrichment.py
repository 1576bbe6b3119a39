"""Derived fields: what the intake adds to an event, once, by the event's own time.

They become ordinary columns of the frame, so nothing behind the intake knows of look-ups, and a past window keeps the
value that was valid then. The event itself (its JSON) stays as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from services.domain.calendars import part_at
from services.domain.catalogue import (
    Calendar,
    Conversion,
    CutOffs,
    EventType,
    Field,
    FieldType,
    FromCalendar,
    FromLookup,
)
from services.domain.conversion import Rate, converted
from services.domain.dues import cut_off_clock
from services.domain.lookups import UNITS, UNMAPPED, Key, LookupRow, LookupTable, Tables, Value
from services.domain.units import factor_between

Values = tuple[Value, ...]
Derive = Callable[[Values, int], Values]
_Step = Callable[[Sequence[Value], int], Value]
_Factor = Callable[[Sequence[Value], int], Fraction | None]

ANY_UNIT = "(none)"
"""Stands for the unit of an amount that came without one."""


class Misses(Protocol):
    """Who counts what could not be mapped."""

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:
        """``key`` had no row in ``lookup`` at ``at``; ``dated``: tell the days apart."""
        ...


class NoMisses:
    """Counts nothing."""

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:
        """See ``Misses``."""


class _OncePerEvent:
    """Hands a miss on once per event: several fields may ask one row."""

    def __init__(self, misses: Misses) -> None:
        self._misses = misses
        self.seen: set[tuple[str, Key]] = set()

    def note(self, lookup: str, key: Key, at: int, *, dated: bool = False) -> None:
        """See ``Misses``."""
        if (lookup, key) not in self.seen:
            self.seen.add((lookup, key))
            self._misses.note(lookup, key, at, dated=dated)


def deriver(
    event: EventType, tables: Tables, misses: Misses, calendars: Mapping[str, Calendar]
) -> Derive | None:
    """(values of the event's own fields, its time) → values of all its fields; None where none is derived."""
    places = {name: at for at, name in enumerate(event.fields)}
    once = _OncePerEvent(misses)
    steps = [
        _local_step(field, places, calendars) or _step(field, event, places, tables, once)
        for field in event.fields.values()
        if field.derived
    ]
    if not steps:
        return None

    def derive(own: Values, time: int) -> Values:
        once.seen.clear()
        values = list(own)
        for step in steps:
            values.append(step(values, time))
        return tuple(values)

    return derive


def _local_step(field: Field, places: dict[str, int], calendars: Mapping[str, Calendar]) -> _Step | None:
    """Of a field that is a part of the local time; None of others."""
    if field.calendar is not None:
        return _part(field.calendar, places, calendars[field.calendar.name])
    return None if field.cut_offs is None else _cut_off(field.cut_offs, places)


def _part(ref: FromCalendar, places: dict[str, int], calendar: Calendar) -> _Step:
    by, moment, part = _text(calendar.by, places), _moment(ref.at, places), ref.part

    def step(values: Sequence[Value], time: int) -> Value:
        return part_at(calendar.of(by(values)), part, moment(values, time))

    return step


def _cut_off(cut_offs: CutOffs, places: dict[str, int]) -> _Step:
    by = _text(cut_offs.by, places)

    def step(values: Sequence[Value], time: int) -> Value:
        return cut_off_clock(cut_offs, time, by(values))

    return step


def _text(name: str | None, places: dict[str, int]) -> Callable[[Sequence[Value]], str | None]:
    """The text in a field; None without one."""
    if name is None:
        return lambda _values: None
    place = places[name]
    return lambda values: None if values[place] is None else str(values[place])


def _step(field: Field, event: EventType, places: dict[str, int], tables: Tables, misses: Misses) -> _Step:
    if field.lookup is not None:
        return _looked_up(field, field.lookup, places, tables[field.lookup.name], misses)
    if field.convert is None:
        raise ValueError(f"{field.name!r} is not derived")
    factor = _factor(field.convert, places, tables, misses)
    amount, scale, to_scale = (
        places[field.convert.field],
        event.fields[field.convert.field].scale,
        field.scale,
    )

    def step(values: Sequence[Value], time: int) -> Value:
        value = values[amount]
        found = None if value is None else factor(values, time)
        return None if value is None or found is None else converted(int(value), scale, found, to_scale)

    return step


def _looked_up(
    field: Field, ref: FromLookup, places: dict[str, int], table: LookupTable, misses: Misses
) -> _Step:
    keys = [places[name] for name in ref.keys]
    column, level = table.place.get(ref.column), ref.level
    moment = _moment(ref.at, places)
    absent: Value = UNMAPPED if field.type is FieldType.STRING else None
    name = ref.name

    def step(values: Sequence[Value], time: int) -> Value:
        parts = [values[place] for place in keys]
        if None in parts:
            return None
        if UNMAPPED in parts:
            return absent  # counted where it was missed first
        key, at = tuple(map(str, parts)), moment(values, time)
        row = table.find(key, at) if level is None else table.climb(key, level, at)
        value = None if row is None else row.key[0] if column is None else row.values[column]
        if value is None:
            misses.note(name, key, at)
            return absent
        return value

    return step


def _moment(name: str | None, places: dict[str, int]) -> Callable[[Sequence[Value], int], int]:
    """The instant by which a row is chosen: the one in a field, or else the event's."""
    if name is None:
        return lambda _values, time: time
    place = places[name]

    def moment(values: Sequence[Value], time: int) -> int:
        at = values[place]
        return time if at is None else int(at)

    return moment


def _factor(convert: Conversion, places: dict[str, int], tables: Tables, misses: Misses) -> _Factor:
    if convert.rates is not None:
        return _Rates(convert, places, tables[convert.rates], misses).factor
    if convert.unit_field is None:
        always = factor_between(convert.unit or "", convert.to)
        return lambda _values, _time: always
    place, to = places[convert.unit_field], convert.to

    def factor(values: Sequence[Value], time: int) -> Fraction | None:
        unit = _unit(values[place])
        found = factor_between(unit, to)
        if found is None:
            misses.note(UNITS, (unit, to), time)
        return found

    return factor


def _unit(given: Value) -> str:
    return ANY_UNIT if given is None else str(given)


class _Rates:
    """How many of the wanted unit one of the given makes, by a look-up."""

    def __init__(
        self, convert: Conversion, places: dict[str, int], table: LookupTable, misses: Misses
    ) -> None:
        self._convert, self._table, self._misses = convert, table, misses
        self._per = [places[name] for name in convert.per]
        self._unit = None if convert.unit_field is None else places[convert.unit_field]
        self._column = table.place[convert.column]
        self._scale = table.lookup.columns[convert.column].scale
        self._names_both = len(table.lookup.key) > len(convert.per) + 1
        self._dated = table.lookup.valid_from is not None
        self._moment = _moment(convert.at, places)

    def factor(self, values: Sequence[Value], time: int) -> Fraction | None:
        """The factor; None where it is missing, which is noted."""
        to, per = self._convert.to, [values[place] for place in self._per]
        unit = _unit(self._convert.unit if self._unit is None else values[self._unit])
        if unit == to:
            return Fraction(1)
        at = self._moment(values, time)
        head = tuple(map(_unit, per))
        found = self._between(head, unit, to, at)
        if found is None:
            self._misses.note(self._table.lookup.name, (*head, unit, to), at, dated=self._dated)
        return found

    def _between(self, head: Key, unit: str, to: str, at: int) -> Fraction | None:
        """By the rate from ``unit`` to ``to``, or else by the one the other way round."""
        if not self._names_both:
            return self._rate((*head, unit), at, inverse=self._convert.divide)
        found = self._rate((*head, unit, to), at, inverse=self._convert.divide)
        return found or self._rate((*head, to, unit), at, inverse=not self._convert.divide)

    def _rate(self, key: Key, at: int, *, inverse: bool) -> Fraction | None:
        row: LookupRow | None = self._table.find(key, at)
        units = None if row is None else row.values[self._column]
        if not units:  # a rate of nothing is none
            return None
        rate = Rate(int(units), self._scale).fraction
        return 1 / rate if inverse else rate
