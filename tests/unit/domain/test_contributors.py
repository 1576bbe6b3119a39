"""The rows that make a value recompute it: for any catalogue, order, split, scope, current and closed window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text
from services.domain.catalogue import Catalogue, KpiType
from services.domain.contributors import (
    Part,
    RowArray,
    Tap,
    Wanted,
    choose,
    gathered,
    parts_of,
    reach,
    tapped,
    value_of,
)
from services.domain.observe import Observer
from services.domain.program import Program
from services.domain.readings import Reading, reading
from services.domain.windows import Span
from tests.unit.domain.test_engine_equals_naive import HOUR, Engine, catalogues, check, latest, script

KEY = "default", "history"


@dataclass
class Logged(Engine):
    """The engine, and all that was appended to its log, by partition."""

    log: dict[int, list[bytes]] = field(default_factory=dict)

    def append(self, records: list[object]) -> None:
        super().append(records)
        for record in records:
            self.log.setdefault(record.partition, []).append(record.value)  # type: ignore[attr-defined]  # appends are told as objects

    def contributors(self, read: Reading, window: Span, scope: Mapping[str, str]) -> dict[str, RowArray]:
        """The rows by role, from the log alone, folded in pieces of seven records."""
        measures = {part.measure for part in read.parts}
        span = reach(read.kpi, window)
        taps = []
        for number, records in self.log.items():
            wanted = Wanted(span.start, span.end, scope)
            observer = Observer(
                number, lambda text: tapped(load_program(text), measures), cells=partial(Tap, wanted)
            )
            numbered = list(enumerate(records))
            for start in range(0, len(numbered), 7):
                wanted.place = start
                observer.fold(numbered[start : start + 7])
            taps += [(number, tap) for tap in observer.runs[KEY].cells.values() if isinstance(tap, Tap)]
        return {part.role: gathered(taps, part.measure)[0] for part in read.parts}


def run(catalogue: Catalogue, seed: int, partitions: int) -> Logged:
    engine = Logged(catalogue, partitions)
    frames = script(seed, partitions)
    for frame in frames:
        engine.frame(frame.ingest, frame.events)
    engine.finish((latest(frames) // HOUR + 2) * HOUR - 1)
    return engine


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues(), st.integers(0, 2**32), st.integers(1, 3), st.data())
def test_contributors_recompute_the_value(
    catalogue: Catalogue, seed: int, partitions: int, data: st.DataObject
) -> None:
    """Value and samples, of what is now and of a closed slot, at any scope that was told."""
    engine = run(catalogue, seed, partitions)
    program = load_program(to_text(engine.catalogue))
    for kpi in catalogue.kpis.values():
        read = reading(program, kpi.name)
        if kpi.type is KpiType.DERIVED:
            assert parts_of(read, program) == ()
            continue
        told = [(scope, one) for (name, scope), one in engine.values.items() if name == kpi.name]
        for scope, one in told[:1] + data.draw(st.permutations(told[1:]))[:2]:
            window = Span(one.window_start, one.window_end)
            rows = engine.contributors(read, window, dict(scope))
            value, samples = value_of(read, program, rows)
            check(kpi, one.value, one.samples, (value, samples), scope)
            _parts_fit(read, program, rows)
        closed = [one for (name, _, _), one in engine.windows.items() if name == kpi.name]
        for slot in data.draw(st.permutations(closed))[:2]:
            rows = engine.contributors(read, Span(slot.start, slot.end), slot.scope)
            value, samples = value_of(read, program, rows)
            check(kpi, slot.value, slot.samples, (value, samples), slot.scope)


def _parts_fit(read: Reading, program: Program, rows: Mapping[str, RowArray]) -> None:
    """Every row counts once, and misses and hits are together all that was in the denominator."""
    parts = parts_of(read, program)
    for found in rows.values():
        assert (found["weight"] == 1).all() or read.kpi.type is KpiType.LEVEL
    if Part.MISSES in parts and read.kpi.type is KpiType.CONVERSION and not read.kpi.per:
        counts = {part: choose(read, program, part, rows).size for part in parts}
        assert counts[Part.MISSES] + counts[Part.NUMERATOR] == counts[Part.DENOMINATOR]
