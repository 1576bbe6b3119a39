"""Cohorts: what comes of cases counts at the time of their step, and is judged once it has had its time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.catalogue.canonical import to_text, with_digest
from services.domain.catalogue import (
    Catalogue,
    Kpi,
    KpiType,
    Process,
    Quantity,
    Step,
    Window,
    WindowKind,
)
from services.domain.facts import Reason
from services.domain.frames import Kind
from services.domain.windows import Span, current_span
from tests.naive import model
from tests.unit.domain.test_engine_equals_naive import ORDER, PRICE, SITE, Engine, event_type

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = 1_714_521_600_000  # 2024-05-01T00:00:00Z
WEEK = Window(WindowKind.ROLLING, length_ms=7 * DAY)

PARCEL = Process(
    name="parcel",
    object="order",
    steps=(Step("shipped", "shipped"), Step("delivered", "delivered"), Step("returned", "returned")),
    opens="shipped",
    ends=("delivered",),
    attributes={"site": ("shipped", "site")},
    quantities={"shipped": Quantity("shipped", "price"), "returned": Quantity("returned", "price")},
)


def rate(window: Window = WEEK, **more: Any) -> Kpi:
    given: dict[str, Any] = {
        "process": "parcel",
        "start": "shipped",
        "quantity": "returned",
        "per": "shipped",
        "within_ms": 30 * DAY,
        "mature": True,
        "scale": 100.0,
        **more,
    }
    return Kpi(
        "rate", "Rate", "a@example.com", KpiType.CONVERSION, window, "1d", "percent", ("site",), **given
    )


def catalogue(*kpis: Kpi) -> Catalogue:
    types = [
        event_type("shipped", ORDER, SITE, PRICE),
        event_type("delivered", ORDER),
        event_type("returned", ORDER, PRICE),
    ]
    events = {one.name: one for one in types}
    return with_digest(Catalogue(events, {"parcel": PARCEL}, {one.name: one for one in kpis}))


class Company:
    """Events as they come, each a frame of its own."""

    def __init__(self, *kpis: Kpi) -> None:
        self.engine = Engine(catalogue(*kpis), 1)
        self._known = 0

    def tell(
        self, type_: str, order: str, at: int, price: int | None = None, *, now: int | None = None
    ) -> None:
        """It happened at ``at``, and is known at ``now``."""
        self._known += 1
        data = {"order": order, "price": None if price is None else Decimal(price), "site": "A"}
        fields = self.engine.catalogue.events[type_].fields
        event = model.Event(
            str(self._known), "erp", type_, at, order, {name: data[name] for name in fields if name in data}
        )
        self.engine.frame(at if now is None else now, [event])

    def look(self, now: int) -> tuple[float | None, Reason]:
        """The total at ``now``."""
        self.engine.frame(now, [])
        self.engine.turn(0)
        for emission in self.engine.observers[0].emit(everything=True):  # an import is told of seldom
            if emission.topic == "judging" and isinstance(emission.value, bytes):
                judge = self.engine.judges[emission.partition]
                judge.fold([(judge.applied + 1, emission.value)])
        for number in range(4):
            self.engine.judge(number)
        said = self.engine.values["rate", ()]
        return said.value, said.reason

    def history(self) -> dict[int, float | None]:
        """Day since the start → what its slot says."""
        return {(one.start - START) // DAY: one.value for one in self.engine.windows.values()}


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        (WEEK, 40 * DAY, 3 * DAY, 10 * DAY),
        (WEEK, 40 * DAY + 30 * MINUTE, 3 * DAY, 10 * DAY),  # the pane that is not over has not had its time
        (WEEK, 40 * DAY + HOUR, 3 * DAY + HOUR, 10 * DAY + HOUR),
        (Window(WindowKind.CALENDAR, period="month"), 61 * DAY - 1, -30 * DAY, 0),
        (Window(WindowKind.CALENDAR, period="month"), 61 * DAY, 0, 31 * DAY),
        (Window(WindowKind.PREVIOUS, period="month"), 61 * DAY, 0, 31 * DAY),
        (Window(WindowKind.PREVIOUS, period="month"), 92 * DAY, 31 * DAY, 61 * DAY),
        (Window(WindowKind.TO_DATE, period="month"), 45 * DAY, 0, 15 * DAY),
        (
            Window(WindowKind.TO_DATE, period="month"),
            61 * DAY,
            0,
            31 * DAY,
        ),  # not the first moment of the next
    ],
)
def test_the_window_is_the_latest_that_is_mature(window: Window, now: int, start: int, end: int) -> None:
    """Its last case has had its thirty days."""
    assert current_span(rate(window), START + now, HOUR) == Span(START + start, START + end)


def test_units_count_for_the_day_of_their_shipment_once_it_is_mature() -> None:
    """Partial returns add up; what comes after the time does not count; until then the reason is immature."""
    company = Company(rate())
    company.tell("shipped", "a", START + HOUR, 8)
    company.tell("shipped", "b", START + 2 * HOUR, 12)
    company.tell("returned", "a", START + 10 * DAY, 1)
    company.tell("returned", "a", START + 20 * DAY, 2)
    assert company.look(START + 30 * DAY + HOUR) == (None, Reason.IMMATURE)
    company.tell("returned", "b", START + 2 * HOUR + 30 * DAY, 2)
    assert company.look(START + 30 * DAY + 2 * HOUR) == (37.5, Reason.NO_TARGET)  # of a alone
    assert company.history() == {}
    company.tell("returned", "b", START + 2 * HOUR + 30 * DAY + 1, 9)
    assert company.look(START + 31 * DAY + HOUR) == (25, Reason.NO_TARGET)
    assert company.history() == {0: 25}
    assert company.look(START + 39 * DAY) == (None, Reason.NO_DATA)


def test_a_case_is_remembered_until_its_time_is_up() -> None:
    """It ended a month ago, and its grace is a day."""
    company = Company(rate())
    company.tell("shipped", "a", START, 4)
    company.tell("delivered", "a", START + HOUR)
    assert company.look(START + 20 * DAY) == (None, Reason.IMMATURE)
    company.tell("returned", "a", START + 20 * DAY, 1)
    assert company.look(START + 32 * DAY) == (25, Reason.NO_TARGET)


def test_what_is_learnt_late_of_a_mature_cohort_restates_it() -> None:
    """A return of the twentieth day that is posted on the fifty-fifth, of a case that is still known."""
    company = Company(rate())
    company.tell("shipped", "a", START, 4)
    assert company.look(START + 32 * DAY) == (0, Reason.NO_TARGET)
    assert company.history() == {0: 0}
    company.tell("returned", "a", START + 20 * DAY, 1, now=START + 34 * DAY)
    assert company.look(START + 34 * DAY) == (25, Reason.NO_TARGET)
    assert company.history() == {0: 25}


def test_the_end_of_a_run_makes_nothing_mature() -> None:
    """An import tells the slots of which all had their time in its data."""
    company = Company(rate())
    company.tell("shipped", "a", START, 4)
    company.tell("shipped", "b", START + 12 * DAY, 4)
    company.tell("returned", "b", START + 13 * DAY, 4)
    company.engine.finish(START + 35 * DAY)
    assert company.history() == {0: 0}


def test_a_rate_that_is_asked_for_later_starts_from_the_cases_that_are_known() -> None:
    """And another catalogue that asks for it no longer takes them over as well."""
    other = replace(rate(), name="other", start="delivered")
    company = Company(rate(mature=False))
    company.tell("shipped", "a", START, 4)
    company.tell("delivered", "a", START + HOUR)
    company.tell("returned", "a", START + 2 * HOUR, 1)
    assert company.look(START + 3 * HOUR) == (25, Reason.NO_TARGET)
    changed = catalogue(rate(mature=False), replace(other, mature=False))
    company.engine.mark(Kind.CATALOGUE, START + 3 * HOUR, catalogue=to_text(changed))
    company.look(START + 4 * HOUR)
    assert company.engine.values["other", ()].value == 25
    company.tell("returned", "a", START + 4 * HOUR, 1)
    assert company.look(START + 5 * HOUR) == (50, Reason.NO_TARGET)
    assert company.engine.values["other", ()].value == 50
