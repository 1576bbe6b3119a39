"""OBSERVE dies between two events of a case, and its successor folds them in one call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chaos.cluster import COMPANY
from chaos.events import MINUTE, Event
from services.adapters.cel import CelEvaluator
from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.domain.facts import ClosedWindows, KpiValues
from services.domain.frames import Kind
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.program import Program
from services.intake.events import Event as Valid
from services.intake.events import Validator
from services.intake.frame_sets import Framer, heads

EVALUATOR = CelEvaluator()
CATALOGUE = load_catalogue(COMPANY, EVALUATOR)
NOON = 1_700_006_400_000
ORDER = {"order_id": "SO-1", "site": "W01", "promised_at": NOON + MINUTE}
PLACED = Event("p", "shop", "order.placed", "SO-1", NOON, ORDER)
DELIVERED = Event("d", "carrier", "order.delivered", "SO-1", NOON + MINUTE // 2, {"order_id": "SO-1"})


def load(text: str) -> Program:
    return load_program(text, EVALUATOR)


def log_of(*events: Event) -> list[tuple[int, bytes]]:
    """A barrier, then one frame per event, two minutes after noon."""
    framer = Framer(
        CATALOGUE,
        heads("default", "live", 0, CATALOGUE.digest),
        "events",
        1,
        frame_events=9,
        frame_bytes=9999,
    )
    validator = Validator(CATALOGUE, max_event_bytes=1 << 16)
    made = framer.mark(Kind.CATALOGUE, NOON + 2 * MINUTE, catalogue=to_text(CATALOGUE))
    for event in events:
        valid = validator.validate(event.json())
        assert isinstance(valid, Valid), valid
        framer.add(valid)
        made += framer.take(NOON + 2 * MINUTE)
    return [(offset, record.value or b"") for offset, record in enumerate(made)]


def heard(judges: Sequence[Judge], observer: Observer, *, everything: bool) -> dict[str, float | None]:
    """What the judges say in total of all that ``observer`` tells them."""
    for emission in observer.emit(everything=everything):
        if emission.topic == "judging":
            assert isinstance(emission.value, bytes)
            judge = judges[emission.partition]
            judge.fold([(judge.applied + 1, emission.value)])
    told = [emission.value for judge in judges for emission in judge.emit(everything=True)]
    values = [value for one in told if isinstance(one, KpiValues) for value in one.values]
    return {value.kpi: value.value for value in values if not value.scope}


def test_what_was_told_of_a_case_in_between_does_not_stay() -> None:
    """An order is overdue until its delivery, which was before the promise, comes. Who folds both events at once never
    sees it overdue: what was told before it died is cleared when everything is told again.
    """
    records = log_of(PLACED, DELIVERED)
    judges = [Judge(number, load, 1) for number in range(4)]
    first = Observer(0, load, 4)
    first.fold(records[:2])
    assert heard(judges, first, everything=False)["overdue_orders"] == 1
    second = Observer(0, load, 4)
    second.fold(records)
    values = heard(judges, second, everything=True)
    assert (values["overdue_orders"], values["open_orders"], values["orders"]) == (0, 0, 1)


@pytest.mark.xfail(
    strict=True, reason="a slot that the successor never sees change is not told: history keeps it"
)
def test_a_slot_that_was_recorded_in_between_is_restated() -> None:
    """JUDGE dies after it has told a closed slot; its successor folds what takes it back in the same call."""
    pulses = [Event(name, name, "pulse", "x", NOON + 6 * MINUTE) for name in ("shop", "carrier")]
    records = log_of(PLACED, *pulses, DELIVERED)
    observer = Observer(0, load, 4)
    told: list[tuple[int, bytes]] = []
    for part in (records[:-1], records[-1:]):
        observer.fold(part)
        for emission in observer.emit():
            if emission.topic == "judging" and emission.partition == overdue_judge():
                assert isinstance(emission.value, bytes)
                told.append((len(told), emission.value))
    recorded: dict[int, float | None] = {}
    for portion in (told[:1], told):
        judge = Judge(overdue_judge(), load, 1)
        judge.fold(portion)
        for emission in judge.emit(everything=True):
            if isinstance(emission.value, ClosedWindows):
                windows = [one for one in emission.value.windows if one.kpi == "overdue_orders"]
                recorded |= {one.start: one.value for one in windows}
    assert len(told) == 2
    assert not any(recorded.values())


def overdue_judge() -> int:
    return load(to_text(CATALOGUE)).kpis["overdue_orders"].judge
