"""A run of fixture events on a clock that tests move: intake → OBSERVE → JUDGE → values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from services.domain.catalogue import Catalogue
from services.domain.compile import JUDGES
from services.domain.facts import KpiValues, Reason, Status
from services.domain.frames import Kind
from services.domain.judge import Judge
from services.domain.lookups import Tables
from services.domain.observe import Observer
from services.domain.program import Program
from services.domain.state import Emission, State
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.intake.marks import marks_of
from services.ports import Append

_RUN = "live"
_MINUTE = 60_000
_TICKS_PER_GAP = 200
_EVENT_BYTES = 256 << 10
_TURNS = 100

Scope = frozenset[tuple[str, str]]


class Sent(NamedTuple):
    """A fixture's event (JSON's types) that arrives at ``arrives``; ``number`` is its place in the file."""

    number: int
    arrives: int
    body: Mapping[str, Any]


class Observed(NamedTuple):
    """What a KPI says at one scope."""

    value: float | None
    status: Status
    reason: Reason
    samples: int


@dataclass(slots=True)
class _Partition:
    """A state and the offset that comes next."""

    state: State
    offset: int = 0

    def take(self, values: Sequence[bytes]) -> None:
        if values:
            self.state.fold([(self.offset + index, value) for index, value in enumerate(values)])
            self.offset += len(values)


class Rehearsal(ABC):
    """One run of events through an engine; ``run_to`` moves time, ``values`` are what was told last."""

    def __init__(
        self,
        catalogue: Catalogue,
        text: str,
        events: Sequence[Sent],
        tables: Tables,
        *,
        tenant: str = "default",
        topic: str = "events",
        partitions: int = 1,
    ) -> None:
        """``text`` is the canonical catalogue; ``events`` may come in any order; ``tables`` are its look-ups."""
        self._events = sorted(events, key=lambda event: event.arrives, reverse=True)
        self._validator = Validator(catalogue, max_event_bytes=_EVENT_BYTES, tables=tables)
        self._framer = Framer(
            catalogue,
            heads(tenant, _RUN, 0, catalogue.digest),
            topic,
            partitions,
            frame_events=10_000,
            frame_bytes=_EVENT_BYTES,
            marks=marks_of(catalogue, _RUN),
        )
        self._text = text
        self._now: int | None = None
        self.values: dict[tuple[str, Scope], Observed] = {}
        self.refused: list[tuple[int, str]] = []

    def run_to(self, at: int) -> None:
        """Let everything arrive that arrives until ``at`` (epoch ms), and tell the values of that moment."""
        if self._now is None:
            first = min([at, *(event.arrives for event in self._events)])
            self._append(self._framer.mark(Kind.CATALOGUE, first, catalogue=self._text))
            self._now = first
        while self._events and self._events[-1].arrives <= at:
            self._tick_to(self._events[-1].arrives)
            self._arrive(self._events[-1].arrives)
        self._tick_to(at)
        self._append(self._framer.mark(Kind.TICK, at))
        self._settle()

    @abstractmethod
    def _append(self, records: Sequence[Append]) -> None:
        """Hand records to the engine."""

    @abstractmethod
    def _settle(self) -> None:
        """Have the engine say all that there is to say of them; ``_keep`` it."""

    def _arrive(self, at: int) -> None:
        """All that arrives in this millisecond, in one frame."""
        while self._events and self._events[-1].arrives == at:
            event = self._events.pop()
            outcome = self._validator.validate(msgspec.json.encode(event.body))
            if isinstance(outcome, Event):
                self._framer.add(outcome)
            else:
                self.refused.append((event.number, outcome.message))
        self._append(self._framer.take(at))
        self._append(self._framer.marks(at))

    def _tick_to(self, at: int) -> None:
        """What passes of time shows in ticks, as it would live: one a minute, or fewer where little happens."""
        now = self._now or 0
        step = max(_MINUTE, (at - now) // _TICKS_PER_GAP)
        for moment in range(now + step, at, step):
            self._append(self._framer.mark(Kind.TICK, moment))
        self._now = at

    def _keep(self, told: KpiValues) -> None:
        if told.keyframe:
            for key in [key for key in self.values if key[0] in {value.kpi for value in told.values}]:
                del self.values[key]
        for value in told.values:
            key = value.kpi, frozenset(value.scope.items())
            self.values[key] = Observed(value.value, value.status, value.reason, value.samples)
        for kpi, scope in told.removed:
            self.values.pop((kpi, frozenset(scope.items())), None)


class InMemory(Rehearsal):
    """The engine's states on one partition, without a log."""

    def __init__(
        self,
        catalogue: Catalogue,
        text: str,
        events: Sequence[Sent],
        tables: Tables,
        load: Callable[[str], Program],
    ) -> None:
        super().__init__(catalogue, text, events, tables)
        self._observer = _Partition(Observer(0, load, JUDGES, partitions=1))
        self._judges = [_Partition(Judge(judge, load, 1)) for judge in range(JUDGES)]

    def _append(self, records: Sequence[Append]) -> None:
        """Let records be observed, and what cases pass on because of them."""
        values = [record.value or b"" for record in records]
        while values:
            self._observer.take(values)
            emissions = self._observer.state.emit()
            self._forward(emissions)
            values = [
                one.value for one in emissions if isinstance(one.value, bytes) and one.topic == "events"
            ]

    def _forward(self, emissions: Sequence[Emission]) -> None:
        for judge, partition in enumerate(self._judges):
            said = [one.value for one in emissions if one.topic == "judging" and one.partition == judge]
            partition.take([value for value in said if isinstance(value, bytes)])

    def _settle(self) -> None:
        """Emit until there is nothing more to say."""
        for partition in self._judges:
            for _ in range(_TURNS):
                told = [one.value for one in partition.state.emit() if isinstance(one.value, KpiValues)]
                for values in told:
                    self._keep(values)
                if not any(values.values or values.removed for values in told):
                    break
