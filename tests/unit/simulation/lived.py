"""The demo's history through the engine, in memory: what the page shows when one opens it, and has shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.catalogue import Catalogue
from services.domain.compile import JUDGES
from services.domain.facts import KpiValue, KpiValues
from services.domain.frames import Kind
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.state import Emission, State
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.intake.marks import Marks
from services.lookups.files import tables_of
from services.simulation.company import HOUR
from services.simulation.events import SimulatedEvent
from services.simulation.story import at_home, company_at_ten, lived_through

NOW = 1_790_000_000_000
DEMO = Path(__file__).parents[3] / "examples" / "demo"


@dataclass
class Lived:
    """``values`` are the last of each KPI's total, ``courses`` those of each full hour since ``start``."""

    start: int
    values: dict[str, KpiValue] = field(default_factory=dict)
    courses: dict[str, list[float]] = field(default_factory=dict)
    events: list[SimulatedEvent] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    def note(self) -> None:
        """An hour is full."""
        for name, value in self.values.items():
            self.courses.setdefault(name, []).append(value.value or 0.0)


class Engine:
    """One partition of OBSERVE, all of JUDGE."""

    def __init__(self, catalogue: Catalogue, lived: Lived) -> None:
        self._lived = lived
        self._validator = Validator(catalogue, max_event_bytes=1 << 17, tables=tables_of(DEMO, catalogue))
        head = heads("default", "live", 0, catalogue.digest)
        self._framer = Framer(
            catalogue, head, "events", 1, frame_events=4000, frame_bytes=400 << 10, marks=Marks(catalogue)
        )
        self.observer = Observer(0, load_program, JUDGES, partitions=1)
        self._judges = [Judge(number, load_program, 1) for number in range(JUDGES)]
        self._take(self._framer.mark(Kind.CATALOGUE, lived.start, catalogue=to_text(catalogue)))

    def hear(self, events: Sequence[SimulatedEvent], at: int) -> None:
        """They arrive, and time moves on to ``at``."""
        for each in events:
            event = self._validator.validate(msgspec.json.encode(each.cloudevent()))
            assert isinstance(event, Event), event
            self._framer.add(event)
        self._take([*self._framer.take(at), *self._framer.marks(at), *self._framer.mark(Kind.TICK, at)])

    def _take(self, records: Sequence[Any]) -> None:
        values = [record.value for record in records]
        while values:
            _fold(self.observer, values)
            told = self.observer.emit()
            self._judge([emission for emission in told if emission.topic == "judging"])
            values = [emission.value for emission in told if emission.topic == "events"]  # passed on to cases

    def _judge(self, told: Sequence[Emission]) -> None:
        for number, judge in enumerate(self._judges):
            own = [emission.value for emission in told if emission.partition == number]
            _fold(judge, [value for value in own if isinstance(value, bytes)])
            while any(self._keep(emission.value) for emission in judge.emit()):
                pass

    def _keep(self, told: object) -> bool:
        if not isinstance(told, KpiValues):
            return False
        self._lived.values |= {value.kpi: value for value in told.values if not any(value.scope.values())}
        return bool(told.values or told.removed)


def _fold(state: State, values: Sequence[bytes]) -> None:
    state.fold(list(enumerate(values, state.applied + 1)))


@cache
def lived(seed: int = 1) -> Lived:
    """All of it, once per session."""
    company = company_at_ten(NOW)
    simulator = lived_through(company, seed, NOW)
    found = Lived(simulator.now)
    engine = Engine(at_home(load_catalogue(DEMO), company), found)
    for at in (*range(found.start + HOUR, NOW, HOUR), NOW):
        events = list(simulator.advance(at))
        engine.hear(events, at)
        found.events += events
        found.note()
    found.counters = dict(next(iter(engine.observer.runs.values())).counters)
    return found
