"""Checks of units: nothing is added up that does not add up, and a KPI's unit is what its measures give."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isclose

from services.catalogue.known import Known
from services.catalogue.lint_kpis import cycle_of, measured_fields
from services.catalogue.problems import Problem
from services.catalogue.read import Document, Path_
from services.catalogue.words import PERCENT
from services.domain.catalogue import Agg, Field, Kpi, KpiType, MeasureSpec
from services.domain.formulas import FormulaError, parse_formula
from services.domain.units import PLAIN, Unit, unit_of
from services.domain.units import known as is_known

SPEC: Path_ = ("spec",)
_COUNTS = frozenset({Agg.COUNT, Agg.DISTINCT})
_SHARES = PERCENT | {"ratio"}
# A count of things may be shown in pieces or pallets, and days of stock are pieces over pieces.
_LOOSE = frozenset({"time", "pieces", "cases", "cartons", "boxes", "packs", "pallets"})


def check_units(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    """What does not add up in one KPI."""
    parts = {"measure": kpi.measure, "numerator": kpi.numerator, "denominator": kpi.denominator}
    for role, part in parts.items():
        if isinstance(part, MeasureSpec):
            yield from _check_mixed(document, (*SPEC, role), part, kpi, known)
    counts = kpi.type is KpiType.LEVEL and kpi.of is not None and kpi.quantity is None
    if counts or (kpi.measure is not None and kpi.measure.agg in _COUNTS):
        yield from _check_count(document, kpi)
    match kpi.type:
        case KpiType.RATIO:
            yield from _check_ratio(document, kpi, known)
        case KpiType.LEVEL:
            yield from _check_balance(document, kpi, known)
        case KpiType.DERIVED if not cycle_of(kpi.name, known):
            yield from _check_formula(document, kpi, known)


def _field(measure: MeasureSpec, known: Known) -> Field | None:
    """The field whose numbers are aggregated; None for counts."""
    if measure.agg in _COUNTS or measure.field is None:
        return None
    return (measured_fields(measure, known) or {}).get(measure.field)


def _check_mixed(
    document: Document, path: Path_, measure: MeasureSpec, kpi: Kpi, known: Known
) -> Iterator[Problem]:
    """Amounts that each name their own unit are not comparable."""
    field = _field(measure, known)
    if field is None or field.unit_field is None or _one_unit(field.unit_field, measure.filter, kpi.filter):
        return
    fields = measured_fields(measure, known) or {}
    ready = [
        one.name for one in fields.values() if one.convert is not None and one.convert.field == field.name
    ]
    message = f"{field.name!r} is in whatever {field.unit_field!r} says: {measure.agg} would mix units"
    remedy = f"measure {ready[0]!r}" if ready else "add a field with convert, and measure that"
    yield document.problem(
        (*path, "field"), message, f"{remedy}, or filter one unit: {field.unit_field} == …"
    )


def _one_unit(field: str, *filters: str | None) -> bool:
    """Whether the filters let one unit through: conditions that all must hold, of which one names it."""
    named = re.compile(rf"\b{re.escape(field)}\s*==\s*[\"'][^\"']*[\"']")
    return any(
        text is not None and "||" not in text and "!(" not in text and named.search(text) for text in filters
    )


def _check_count(document: Document, kpi: Kpi) -> Iterator[Problem]:
    found = unit_of(kpi.unit)
    if any(name not in _LOOSE - {"time"} for name in found.powers):
        message = f"a count is not in {kpi.unit}"
        yield document.problem((*SPEC, "unit"), message, "name what is counted, or sum a field in that unit")


def _part_unit(part: str | MeasureSpec | None, known: Known) -> Unit | None:
    """What a part of a ratio or a level is in; None where nobody says."""
    if isinstance(part, str):
        other = known.kpi(part)
        return _part_unit(other.measure, known) if other is not None else None
    if part is None or (part.agg not in _COUNTS and part.field == "lateness" and part.due):
        return None
    if part.agg in _COUNTS:
        return PLAIN
    field = _field(part, known)
    return None if field is None or field.unit is None else unit_of(field.unit)


def _part_text(part: str | MeasureSpec | None, known: Known) -> str:
    if isinstance(part, str):
        other = known.kpi(part)
        return _part_text(other.measure if other is not None else None, known)
    field = _field(part, known) if part is not None else None
    return (field.unit or "") if field is not None else "a count"


def _check_ratio(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    above, below = _part_unit(kpi.numerator, known), _part_unit(kpi.denominator, known)
    if above is None or below is None:
        return
    given, said = above.times(below, -1), PLAIN if kpi.unit in _SHARES else unit_of(kpi.unit)
    over = f"{_part_text(kpi.numerator, known)} over {_part_text(kpi.denominator, known)}"
    text = _compound(kpi, known)
    path = (*SPEC, "unit") if document.value((*SPEC, "unit")) is not None else SPEC
    if given.powers != said.powers:
        word = "a share" if kpi.unit in _SHARES else f"in {kpi.unit}"
        yield document.problem(path, f"{over} is not {word}", f"write unit: {text}" if text else "")
        return
    wanted = float(given.factor / said.factor) * (100 if kpi.unit in PERCENT else 1)
    loose = not given.powers and given.factor == 1
    if not loose and not isclose(kpi.scale, wanted):
        message = f"{over} is not in {kpi.unit}"
        yield document.problem(path, message, f"write scale: {wanted:g}, or convert one of the two")


def _compound(kpi: Kpi, known: Known) -> str:
    """The unit that a ratio gives, as one writes it."""
    texts = [_part_text(part, known) for part in (kpi.numerator, kpi.denominator)]
    above, below = ("" if text == "a count" else text for text in texts)
    return f"{above}/{below}" if above and below else above or (f"1/{below}" if below else "")


def _check_balance(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    aggs = {part.agg for part in (kpi.numerator, kpi.denominator) if isinstance(part, MeasureSpec)}
    into, out = _part_unit(kpi.numerator, known), _part_unit(kpi.denominator, known)
    if aggs <= {Agg.COUNT, Agg.SUM} and into is not None and out is not None and into != out:
        texts = [_part_text(part, known) for part in (kpi.numerator, kpi.denominator)]
        message = f"what comes in is {texts[0]}, what goes out {texts[1]}"
        yield document.problem((*SPEC, "denominator"), message, "measure both in one unit")


@dataclass(frozen=True, slots=True)
class _Said:
    """What a part of a formula is in; ``factor`` None where numbers have been multiplied in."""

    powers: Mapping[str, int]
    factor: Fraction | None
    text: str


_NUMBER = _Said({}, None, "a number")


def _check_formula(document: Document, kpi: Kpi, known: Known) -> Iterator[Problem]:
    try:
        formula = parse_formula(kpi.expr or "")
    except FormulaError:
        return
    sums = _Sums(known)
    number: _Said | None = _NUMBER
    given = formula.combine(sums.name, number, sums.operate)
    for message in sums.wrong:
        yield document.problem(
            (*SPEC, "expr"), message, "convert one of them: a field with convert, or a scale"
        )
    if given is None or given is _NUMBER or not kpi.unit:
        return
    if _strict(given.powers) != _strict(unit_of(kpi.unit).powers):
        text = " * ".join(f"{unit}^{power}" if power != 1 else unit for unit, power in given.powers.items())
        message = f"the formula gives {text or 'a plain number'}, the KPI says {kpi.unit!r}"
        yield document.problem((*SPEC, "unit"), message, "correct the formula or the unit")


class _Sums:
    """Goes through a formula; ``wrong`` is what does not add up in it. None: nobody knows."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.wrong: list[str] = []

    def name(self, word: str) -> _Said | None:
        """What a KPI is in."""
        other = self._known.kpi(word)
        if other is None:
            return None
        found = unit_of(other.unit) if is_known(other.unit) else PLAIN
        return _Said(found.powers, found.factor, f"{word} ({other.unit})")

    def operate(self, symbol: str, left: _Said | None, right: _Said | None) -> _Said | None:
        """What two of them make."""
        if left is None or right is None:
            return None
        if symbol in "*/":
            return _multiplied(symbol, left, right)
        if left is _NUMBER or right is _NUMBER:
            return right if left is _NUMBER else left
        same = left.factor == right.factor or None in {left.factor, right.factor}
        if left.powers == right.powers and same:
            return left
        self.wrong.append(f"{left.text} and {right.text} do not add up")
        return None


def _multiplied(symbol: str, left: _Said, right: _Said) -> _Said:
    power = 1 if symbol == "*" else -1
    powers = Unit(left.powers).times(Unit(right.powers), power).powers
    text = f"{left.text} {symbol} {right.text}"
    if left.factor is None or right.factor is None:
        return _Said(powers, None, text)
    return _Said(powers, left.factor * right.factor**power, text)


def _strict(powers: Mapping[str, int]) -> dict[str, int]:
    return {name: power for name, power in powers.items() if name not in _LOOSE}
