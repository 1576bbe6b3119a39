"""Corrections against the naive model: a history with corrections, reversals and repetitions, in any order, says what
the history says in which only the facts that stand ever happened.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import with_digest
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Correctable,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Reverses,
    Step,
    Time,
    Window,
    WindowKind,
)
from services.intake.events import Event
from tests.naive import model
from tests.unit.domain.test_engine_equals_naive import (
    FILTERS,
    HOUR,
    MINUTE,
    PRICE,
    START,
    Engine,
    as_json,
    catalogues,
    compare_history,
    compare_values,
    events_of,
)

DOC = Field("doc", FieldType.STRING, required=True)
REV = Field("rev", FieldType.INTEGER)
VOID = Field("revoked", FieldType.BOOLEAN)
HOW = Correctable("doc", "rev", "revoked == true")
OPENED = Process("orders", "order", (Step("placed", "placed"),), "placed", (), {})
CANNOT = {Agg.MIN, Agg.MAX, Agg.LAST}


def correctable(event: EventType) -> EventType:
    fields = {**event.fields, **{one.name: one for one in (DOC, REV, VOID)}}
    return replace(event, fields=fields, correctable=HOW)


def undoing(event: EventType) -> EventType:
    fields = {"doc": DOC, **{name: event.fields[name] for name in event.objects.values()}}
    name = f"{event.name}.undone"
    return EventType(name, "", fields, event.objects, reverses=Reverses(event.name, "doc"))


@st.composite
def corrected_catalogues(draw: st.DrawFn) -> Catalogue:
    """Catalogues whose every event type can be corrected and reversed."""
    found = draw(catalogues().filter(can_subtract).filter(knows_its_times))
    events = {name: correctable(event) for name, event in found.events.items()}
    events |= {f"{name}.undone": undoing(event) for name, event in found.events.items()}
    return with_digest(replace(found, events=events))


def can_subtract(catalogue: Catalogue) -> bool:
    return all(agg not in CANNOT for kpi in catalogue.kpis.values() for agg in aggs(kpi))


def knows_its_times(catalogue: Catalogue) -> bool:
    """When something was recorded is when it came, which is another moment in another order."""
    return all(kpi.time is not Time.RECORDED for kpi in catalogue.kpis.values())


def aggs(kpi: Kpi) -> Iterator[Agg]:
    for part in (kpi.measure, kpi.numerator, kpi.denominator):
        if part is not None and not isinstance(part, str):
            yield part.agg


@dataclass
class History:
    """``clean``: the facts that stand; ``said``: all that was said, in the order of coming."""

    clean: list[model.Event]
    said: list[model.Event]


def history(seed: int, *, reversals: bool = True) -> History:
    """Facts of some days, each said once or several times: wrong before, again, or withdrawn in the end."""
    rng = random.Random(seed)
    clean, said = list[model.Event](), list[model.Event]()
    for number in range(rng.randint(1, 40)):
        fact = _fact(rng, number)
        versions = [_changed(rng, fact, rev) for rev in range(rng.choice([0, 0, 1, 2]))]
        versions.append(_version(fact, len(versions), fact.data))
        if rng.random() < 0.3:
            versions.append(_withdrawal(rng, versions[-1], len(versions), reversals=reversals))
        else:
            clean.append(versions[-1])
        said += versions
        again = rng.choice(versions)
        if rng.random() < 0.3 and not again.type.endswith(".undone"):
            said.append(replace(again, id=f"{again.id}-again"))
    rng.shuffle(said)
    return History(clean, said)


def _fact(rng: random.Random, number: int) -> model.Event:
    name = rng.choice(["placed", "placed", "shipped", "delivered", "visit", "visit"])
    time = START + rng.randint(0, 3000) * MINUTE
    data: dict[str, Any] = {"doc": f"d{number}"}
    if name != "visit":
        data["order"] = f"o{rng.randint(0, 6)}"
    data |= _content(rng, name, time)
    return model.Event(str(number), "erp", name, time, f"s{number % 3}", data)


def _content(rng: random.Random, name: str, time: int) -> Mapping[str, Any]:
    data: dict[str, Any] = {}
    if name != "delivered":
        data["price"] = rng.choice([None, Decimal(rng.randint(-500, 90_000)) / 100])
    if name in {"placed", "visit"}:
        data |= {"site": rng.choice(["A", "B", None]), "carrier": rng.choice(["x", "y", None])}
    if name == "visit":
        data["posted"] = rng.choice([None, time + rng.randint(0, 600) * MINUTE])
    if name == "placed":
        data["promised"] = rng.choice([None, time + rng.randint(-60, 2000) * MINUTE])
    return data


def _version(fact: model.Event, rev: int, data: Mapping[str, Any], time: int | None = None) -> model.Event:
    at = fact.time if time is None else time
    return replace(fact, id=f"{fact.id}-{rev}", time=at, data={**data, "rev": rev, "revoked": False})


def _changed(rng: random.Random, fact: model.Event, rev: int) -> model.Event:
    time = fact.time + rng.choice([0, 0, rng.randint(-300, 300)]) * MINUTE
    return _version(fact, rev, {**fact.data, **_content(rng, fact.type, time)}, time)


def _withdrawal(rng: random.Random, last: model.Event, rev: int, *, reversals: bool) -> model.Event:
    if not reversals or rng.random() < 0.5:
        return replace(last, id=f"{last.id}-void", data={**last.data, "rev": rev, "revoked": True})
    data = {name: last.data[name] for name in ("doc", "order") if name in last.data}
    return replace(last, id=f"{last.id}-undone", type=f"{last.type}.undone", data=data)


def tell(engine: Engine, rng: random.Random, events: list[model.Event]) -> None:
    """All events in some frames, with turns of observers in between; some are restarted."""
    now = START + 3000 * MINUTE
    while events:
        n = rng.randint(1, 12)
        now += rng.randint(0, 30) * MINUTE
        engine.frame(now, events[:n])
        del events[:n]
        for _ in range(rng.randint(0, 2)):
            engine.turn(rng.randrange(engine.partitions), restart=rng.random() < 0.2)
        if rng.random() < 0.3:
            engine.judge(rng.randrange(4))


class ById(Engine):
    """Tells histories in which events name what they correct or cancel by its id, not by key and version."""

    def frame(self, ingest: int, events: list[model.Event]) -> None:
        payloads = [msgspec.json.encode(by_id(event)) for event in events]
        for valid in self.validator.validate_all(payloads):
            assert isinstance(valid, Event), valid
            self.framer.add(valid)
        self.append(self.framer.take(ingest, ticks=True))


def by_id(event: model.Event) -> dict[str, Any]:
    """The event as one that names by id the first of its document, and was recorded as late as its revision says; or,
    of every other document, the revision before it, whatever their times.
    """
    told: dict[str, Any] = msgspec.json.decode(as_json(event))
    told["id"] = event.id.removesuffix("-again")  # under another id it would be another fact
    doc, rev = int(event.data["doc"].removeprefix("d")), event.data["rev"]
    first, before = f"{doc}-0", f"{doc}-{max(rev - 1, 0)}"
    if event.data["revoked"]:
        return {**told, "cancels": before if doc % 2 else first}
    if rev and doc % 2:
        return {**told, "corrects": before}
    if rev:
        return {**told, "corrects": first, "recordedtime": f"2024-05-01T00:00:{rev:02}Z"}
    return told


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(corrected_catalogues(), st.integers(0, 2**32), st.integers(1, 3))
def test_only_the_facts_that_stand_count(catalogue: Catalogue, seed: int, partitions: int) -> None:
    """Values, samples and closed slots are those of the clean history, whatever was said before and in what order."""
    facts = history(seed)
    engine = Engine(catalogue, partitions)
    tell(engine, random.Random(seed), list(facts.said))
    expect_clean(engine, catalogue, facts, partitions)


def expect_clean(engine: Engine, catalogue: Catalogue, facts: History, partitions: int) -> None:
    naive = model.Engine(catalogue, FILTERS, partitions)
    naive.frame(START, facts.clean)
    end = START + 10_000 * MINUTE // HOUR * HOUR + 100 * HOUR - 1
    engine.finish(end)
    naive.finish(end)
    for kpi in catalogue.kpis.values():
        compare_values(engine, naive, kpi)
        compare_history(engine, naive, kpi)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(corrected_catalogues(), st.integers(0, 2**32), st.integers(1, 3))
def test_so_it_is_where_events_are_named_by_id(catalogue: Catalogue, seed: int, partitions: int) -> None:
    """Of corrections that name the first event the one that was recorded last stands; one that names a correction
    stands before it, whichever of them comes first.
    """
    events = {
        name: replace(event, correctable=Correctable())
        for name, event in catalogue.events.items()
        if event.correctable
    }
    named = with_digest(replace(catalogue, events=events))
    facts = history(seed, reversals=False)
    engine = ById(named, partitions)
    tell(engine, random.Random(seed), list(facts.said))
    expect_clean(engine, named, facts, partitions)


def test_an_event_that_names_no_case_is_corrected_too() -> None:
    """Where its type may name one: a revision and a reversal take back what it contributed."""
    order = Field("order", FieldType.STRING)
    placed = correctable(
        replace(events_of(())["placed"], fields={"order": order, "price": PRICE}, dimensions=())
    )
    count = MeasureSpec(Agg.COUNT, event="placed")
    kpi = Kpi("k", "", "a", KpiType.SIMPLE, Window(WindowKind.ALL_TIME), "1d", "1", measure=count)
    types = {"placed": placed, "placed.undone": undoing(placed)}
    catalogue = with_digest(Catalogue(types, {"orders": OPENED}, {"k": kpi}))
    engine = Engine(catalogue, 2)
    for doc, rev in (("d1", 0), ("d1", 1), ("d2", 0)):
        data = {"doc": doc, "rev": rev, "revoked": False}
        engine.frame(START, [model.Event(f"{doc}-{rev}", "erp", "placed", START, f"s{rev}", data)])
    undone = model.Event("u", "erp", "placed.undone", START, "s", {"doc": "d2"})
    engine.frame(START, [undone])
    engine.finish(START + HOUR)
    assert engine.values["k", ()].value == 1
