"""What goes on across a change of the catalogue."""

from __future__ import annotations

from dataclasses import replace

from services.catalogue.canonical import to_text, with_digest
from services.domain.catalogue import Catalogue, Field, FieldType, Kpi, KpiType, Window, WindowKind
from services.domain.frames import Kind
from services.intake.events import Validator
from services.intake.frame_sets import Framer, heads
from tests.naive import model
from tests.unit.domain.test_engine_equals_naive import HOUR, MINUTE, ORDERS, START, Engine, events_of

OPEN = Kpi(
    "open", "Open", "a@example.com", KpiType.LEVEL, Window(WindowKind.ALL_TIME), "1h", "1",
    process="orders", of="open",
)  # fmt: skip
BEFORE = with_digest(Catalogue(events_of(()), {"orders": ORDERS}, {"open": OPEN}))


def switch(engine: Engine, after: Catalogue, at: int) -> None:
    """What the intake does: a barrier in every partition, then frames of the other catalogue."""
    engine.mark(Kind.CATALOGUE, at, catalogue=to_text(after))
    head = heads("default", engine.run, 1, after.digest)
    engine.catalogue, engine.validator = after, Validator(after, max_event_bytes=1 << 16)
    engine.framer = Framer(after, head, "events", engine.partitions, frame_events=1000, frame_bytes=1 << 18)


def left_open(after: Catalogue) -> float | None:
    """An order is placed, the catalogue changes, the order is delivered: how many are open then."""
    engine = Engine(BEFORE, 1)
    engine.frame(START, [model.Event("1", "erp", "placed", START, "o1", {"order": "o1"})])
    switch(engine, after, START + MINUTE)
    engine.frame(START + HOUR, [model.Event("2", "erp", "delivered", START + HOUR, "o1", {"order": "o1"})])
    engine.finish(START + 2 * HOUR)
    return engine.values["open", ()].value


def test_cases_go_on_where_a_process_is_only_described_anew() -> None:
    """Its open cases are known to have been opened when they end."""
    described = {"orders": replace(ORDERS, description="From the click to the door.")}
    assert left_open(with_digest(replace(BEFORE, processes=described))) == 0


def test_cases_go_on_where_an_event_gets_a_field_that_they_do_not_learn() -> None:
    """One more field of an event changes nothing that is known of its cases."""
    placed = BEFORE.events["placed"]
    more = replace(placed, fields={**placed.fields, "gift": Field("gift", FieldType.BOOLEAN)})
    assert left_open(with_digest(replace(BEFORE, events={**BEFORE.events, "placed": more}))) == 0
