"""The whole engine against the naive model: random catalogues, events in any order, split over partitions, repeated.

CloudEvents go through the validator and the framer into several OBSERVE partitions, from there to the JUDGE
partitions, folded and emitted at random moments. At the end of the run every current value, every closed slot and
the counts must be what the model says of the same events.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import (
    Agg,
    Calendar,
    Catalogue,
    Due,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Quantity,
    Schedule,
    Step,
    Time,
    Window,
    WindowKind,
)
from services.domain.facts import ClosedWindow, ClosedWindows, KpiValue, KpiValues
from services.domain.frames import Kind
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from tests.naive import model

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
# The night in which clocks in Berlin go forward lies in it.
START = int(datetime(2024, 3, 30, 12, tzinfo=UTC).timestamp()) * 1000
JUDGES = 4

SITE, CARRIER = Field("site", FieldType.STRING), Field("carrier", FieldType.STRING)
PRICE = Field("price", FieldType.DECIMAL, scale=2)
POSTED = Field("posted", FieldType.TIMESTAMP)
ORDER = Field("order", FieldType.STRING, required=True)
DIMENSIONS = ("site", "carrier")


def event_type(name: str, *fields: Field, sources: tuple[str, ...] = ()) -> EventType:
    objects = {"order": "order"} if ORDER in fields else {}
    dimensions = tuple(one.name for one in fields if one.name in DIMENSIONS)
    return EventType(name, "", {one.name: one for one in fields}, objects, dimensions, sources)


def events_of(sources: tuple[str, ...]) -> dict[str, EventType]:
    promised = Field("promised", FieldType.TIMESTAMP)
    types = [
        event_type("placed", ORDER, SITE, CARRIER, PRICE, promised, sources=sources),
        event_type("shipped", ORDER, PRICE),
        event_type("delivered", ORDER),
        event_type("promised", ORDER, promised),
        event_type("cancelled", ORDER),
        replace(event_type("visit", SITE, CARRIER, PRICE, POSTED), times={Time.POSTED: "posted"}),
    ]
    return {one.name: one for one in types}


ORDERS = Process(
    name="orders",
    object="order",
    steps=(
        *(Step(name, name) for name in ("placed", "promised", "shipped", "delivered")),
        Step("cancelled", "cancelled", timeless=True),
    ),
    opens="placed",
    ends=("delivered", "cancelled"),
    attributes={
        "site": ("placed", "site"),
        "carrier": ("placed", "carrier"),
        "worth": ("placed", "price"),
    },
    dues=(
        Due("promise", step="placed", until="delivered", field="promised", renewed_by=("promised",)),
        Due("pick", step="placed", until="shipped", within_ms=4 * HOUR),
    ),
    grace_ms=400 * DAY,
    quantities={"ordered": Quantity("placed", "price"), "shipped": Quantity("shipped", "price")},
    remainders={"left": "ordered - shipped"},
)

DAYS = Calendar(
    "days",
    Schedule("Europe/Berlin", opens_ms=22 * HOUR, closes_ms=6 * HOUR, closed=("2024-04-01",)),
    by="site",
    each={"A": Schedule("Asia/Kathmandu", days=(0, 1, 2, 3, 4), opens_ms=8 * HOUR, closes_ms=17 * HOUR)},
)

FILTERS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    'site == "A"': lambda values: values.get("site") == "A",
    'carrier != "x"': lambda values: values.get("carrier") not in (None, "x"),
    'carrier in ["x", "y"] && site != "B"': lambda values: (
        values.get("carrier") in {"x", "y"} and values.get("site") not in {None, "B"}
    ),
    "has(carrier)": lambda values: values.get("carrier") is not None,
}

zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu"])
windows = st.one_of(
    st.builds(
        lambda hours, zone: Window(WindowKind.ROLLING, length_ms=hours * HOUR, timezone=zone),
        st.sampled_from([1, 6, 24, 96]),
        zones,
    ),
    st.builds(
        lambda kind, period, zone: Window(kind, period=period, timezone=zone),
        st.sampled_from([WindowKind.CALENDAR, WindowKind.TO_DATE]),
        st.sampled_from(["hour", "day", "week", "month"]),
        zones,
    ),
    st.builds(lambda zone: Window(WindowKind.ALL_TIME, timezone=zone), zones),
)
grains = st.sampled_from(["5m", "15m", "1h", "1d", "1w", "1mo"])
dimensions = st.sampled_from([(), ("site",), ("carrier",), ("site", "carrier")])
filters = st.one_of(st.none(), st.sampled_from(list(FILTERS)))


def spec(agg: Agg, **more: Any) -> MeasureSpec:
    return MeasureSpec(agg, **more)


event_measures = st.one_of(
    st.builds(lambda event, chosen: spec(Agg.COUNT, event=event, filter=chosen), st.just("visit"), filters),
    st.builds(lambda event: spec(Agg.COUNT, event=event), st.just("placed")),
    st.builds(
        lambda agg, event, percent, chosen: spec(
            agg, event=event, field="price", percentile=percent, filter=chosen
        ),
        st.sampled_from([each for each in Agg if each is not Agg.COUNT]),
        st.sampled_from(["visit", "placed"]),
        st.sampled_from([10.0, 50.0, 90.0]),
        filters,
    ),
)
case_measures = st.one_of(
    st.builds(
        lambda step: spec(Agg.COUNT, process="orders", step=step), st.sampled_from(["placed", "shipped"])
    ),
    st.builds(
        lambda due, outcome: spec(Agg.COUNT, process="orders", due=due, outcome=outcome),
        st.sampled_from(["promise", "pick"]),
        st.sampled_from(["met", "on_time", "late", "due", "kept", "missed", "unknown"]),
    ),
    st.builds(
        lambda outcome: spec(Agg.COUNT, process="orders", due="promise", outcome=outcome, promise="current"),
        st.sampled_from(["on_time", "late", "due", "kept", "missed", "unknown"]),
    ),
    st.builds(
        lambda agg, due: spec(
            agg, process="orders", due=due, outcome="met", field="lateness", percentile=50.0
        ),
        st.sampled_from([Agg.SUM, Agg.AVG, Agg.PERCENTILE]),
        st.sampled_from(["promise", "pick"]),
    ),
)
measures = st.one_of(event_measures, case_measures)
exact = measures.filter(lambda one: one.agg not in (Agg.DISTINCT, Agg.PERCENTILE))
counts = st.one_of(
    st.just(spec(Agg.COUNT, event="visit")),
    st.just(spec(Agg.COUNT, event="placed")),
    st.just(spec(Agg.COUNT, process="orders", step="shipped")),
)
shapes = st.one_of(
    st.builds(lambda measure: {"type": KpiType.SIMPLE, "measure": measure}, measures),
    st.builds(
        lambda one, other: {"type": KpiType.RATIO, "numerator": one, "denominator": other, "scale": 100.0},
        counts,
        st.one_of(counts, st.just(spec(Agg.SUM, event="visit", field="price"))),
    ),
    st.builds(
        lambda agg, unit, chosen, calendar: {
            "type": KpiType.DURATION,
            "process": "orders",
            "start": "placed",
            "end": "delivered",
            "agg": agg,
            "percentile": 90.0,
            "unit": unit,
            "filter": chosen,
            "calendar": calendar,
        },
        st.sampled_from([Agg.AVG, Agg.SUM, Agg.PERCENTILE]),
        st.sampled_from(["h", "min"]),
        filters,
        st.sampled_from([None, "days"]),
    ),
    st.just(
        {
            "type": KpiType.CONVERSION,
            "process": "orders",
            "start": "placed",
            "end": "shipped",
            "within_ms": 6 * HOUR,
            "scale": 100.0,
        }
    ),
    st.builds(
        lambda hours, mature, unit: {
            "type": KpiType.CONVERSION,
            "process": "orders",
            "start": "placed",
            "within_ms": hours * HOUR,
            "mature": mature,
            **unit,
        },
        st.sampled_from([6, 30]),
        st.booleans(),
        st.sampled_from([{"quantity": "shipped", "per": "ordered"}, {"end": "shipped"}]),
    ),
    st.sampled_from(
        [
            {"type": KpiType.LEVEL, "process": "orders", "of": "open"},
            {"type": KpiType.LEVEL, "process": "orders", "of": "overdue", "due": "promise"},
            {"type": KpiType.LEVEL, "process": "orders", "of": "overdue", "due": "pick"},
            {
                "type": KpiType.LEVEL,
                "process": "orders",
                "of": "overdue",
                "due": "promise",
                "promise": "current",
            },
            {"type": KpiType.LEVEL, "process": "orders", "of": "waiting", "step": "placed"},
            {"type": KpiType.LEVEL, "process": "orders", "of": "open", "quantity": "left"},
            {"type": KpiType.LEVEL, "process": "orders", "of": "open", "quantity": "left", "price": "worth"},
            {
                "type": KpiType.LEVEL,
                "process": "orders",
                "of": "overdue",
                "due": "promise",
                "quantity": "left",
            },
            {
                "type": KpiType.LEVEL,
                "numerator": spec(Agg.COUNT, event="placed"),
                "denominator": spec(Agg.COUNT, process="orders", step="shipped"),
            },
        ]
    ),
)


def of_visits(shape: Mapping[str, Any]) -> bool:
    """Whether a KPI counts nothing but events that say when they were posted."""
    parts = [part for part in shape.values() if isinstance(part, MeasureSpec)]
    return bool(parts) and all(part.event == "visit" for part in parts)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    sources = draw(st.sampled_from([(), ("erp",)]))
    kpis: dict[str, Kpi] = {}

    def add(name: str, shape: Mapping[str, Any], **more: Any) -> None:
        given = {"unit": "1", "reopen_ms": 300 * DAY, "lateness_ms": MINUTE, **shape, **more}
        kpis[name] = Kpi(name=name, title=name, owner="a@example.com", **given)

    for number in range(draw(st.integers(1, 4))):
        place = {"window": draw(windows), "grain": draw(grains), "dimensions": draw(dimensions)}
        shape = draw(shapes)
        if of_visits(shape):
            place["time"] = draw(st.sampled_from(list(Time)))
        add(f"k{number}", shape, **place)
    if draw(st.booleans()):
        place = {"window": draw(windows), "grain": draw(grains), "dimensions": draw(dimensions)}
        add("one", {"type": KpiType.SIMPLE, "measure": draw(counts)}, **place)
        add("other", {"type": KpiType.SIMPLE, "measure": draw(exact)}, **place)
        add("both", {"type": KpiType.DERIVED, "expr": f"one {draw(st.sampled_from('+-/'))} other"}, **place)
    return with_digest(Catalogue(events_of(sources), {"orders": ORDERS}, kpis, calendars={"days": DAYS}))


@dataclass
class Frame:
    """Events that arrive together, and who takes a turn then: observers (restarted or not), judges."""

    ingest: int
    events: list[model.Event]
    observers: list[tuple[int, bool]]
    judges: list[int]


def script(seed: int, partitions: int) -> list[Frame]:
    """Days of business: events about when they arrive, some much earlier, some twice, by orders that overlap.

    Drawn by ``random`` from a seed: Hypothesis alone draws too little to make windows, levels and lateness meet.
    """
    rng = random.Random(seed)
    now, known, frames = START, list[model.Event](), list[Frame]()
    pace = rng.choice([5, 60, 600])
    for _ in range(rng.randint(2, 14)):
        now += rng.randint(0, pace) * MINUTE
        events = [business_event(rng, now, len(known) + at, len(frames)) for at in range(rng.randint(0, 12))]
        known += events
        again = rng.choices(known, k=rng.choice([0, 0, 1, 3])) if known else []
        turns = [(rng.randrange(partitions), rng.random() < 0.2) for _ in range(rng.randint(0, 3))]
        frames.append(Frame(now, events + again, turns, rng.choices(range(JUDGES), k=rng.randint(0, 4))))
    return frames


def latest(frames: list[Frame]) -> int:
    """The last moment that anything is said to have happened at."""
    events = [event for frame in frames for event in frame.events]
    posted: list[int] = [event.data["posted"] for event in events if event.data.get("posted")]
    return max([frame.ingest for frame in frames] + [event.time for event in events] + posted)


def business_event(rng: random.Random, now: int, number: int, age: int) -> model.Event:
    name = rng.choices(
        ["placed", "shipped", "delivered", "visit", "promised", "cancelled"], [8, 4, 4, 8, 2, 1]
    )[0]
    back = rng.choice([0, 1, 10, 10, 120, 2000])
    time = now - rng.randint(0, back) * MINUTE + rng.randint(0, 2) * MINUTE
    data: dict[str, Any] = {}
    if name != "visit":
        data["order"] = f"o{rng.randint(age // 2, age + 2)}"
    if name in {"placed", "shipped", "visit"}:
        data["price"] = rng.choice([None, Decimal(rng.randint(-500, 90_000)) / 100, Decimal("1.50")])
    if name in {"placed", "visit"}:
        data |= {"site": rng.choice(["A", "B", None]), "carrier": rng.choice(["x", "y", None])}
    if name == "visit":
        data["posted"] = rng.choice([None, time + rng.randint(0, 600) * MINUTE])
    if name in {"placed", "promised"}:
        data["promised"] = rng.choice([None, time + rng.randint(-60, 2000) * MINUTE])
    source = rng.choice(["erp", "wms"])
    return model.Event(str(number), source, name, time, f"s{number % 5}", data)


def as_json(event: model.Event) -> bytes:
    data = {name: str(value) if isinstance(value, Decimal) else value for name, value in event.data.items()}
    for name in ("promised", "posted"):
        if (at := event.data.get(name)) is not None:
            data[name] = _iso(at)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": _iso(event.time),
            "data": data,
        }
    )


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()


@dataclass
class Engine:
    """Observers and judges as the processors drive them, at moments that ``turn`` decides."""

    catalogue: Catalogue
    partitions: int
    run: str = "history"
    values: dict[tuple[str, model.Scope], KpiValue] = field(default_factory=dict)
    windows: dict[tuple[str, model.Scope, int], ClosedWindow] = field(default_factory=dict)
    last: dict[int, KpiValues] = field(default_factory=dict)
    queued: dict[int, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.validator = Validator(self.catalogue, max_event_bytes=1 << 16)
        head = heads("default", self.run, 1, self.catalogue.digest)
        self.framer = Framer(
            self.catalogue, head, "events", self.partitions, frame_events=1000, frame_bytes=1 << 18
        )
        self.observers = [Observer(number, load_program, JUDGES) for number in range(self.partitions)]
        self.judges = [Judge(number, load_program, self.partitions) for number in range(JUDGES)]
        self.mark(Kind.BEGIN, 0)
        self.mark(Kind.CATALOGUE, 0, catalogue=to_text(self.catalogue))

    def mark(self, kind: Kind, at: int, **more: Any) -> None:
        self.append(self.framer.mark(kind, at, **more))

    def frame(self, ingest: int, events: list[model.Event]) -> None:
        for event in events:
            valid = self.validator.validate(as_json(event))
            assert isinstance(valid, Event), valid
            self.framer.add(valid)
        self.append(self.framer.take(ingest, ticks=True))

    def append(self, records: list[Any]) -> None:
        for record in records:
            self.queued.setdefault(record.partition, []).append(record.value)

    def turn(self, observer: int, *, restart: bool = False) -> None:
        """One observer folds what has come and tells it; every judge folds that and tells in turn."""
        state = self.observers[observer]
        records = self.queued.pop(observer, [])
        state.fold(list(enumerate(records, state.applied + 1)))
        self.pass_on(observer)
        if restart:
            fresh = Observer(observer, load_program, JUDGES)
            fresh.restore(list(state.chunks()))
            self.observers[observer] = fresh

    def pass_on(self, observer: int) -> None:
        for emission in self.observers[observer].emit():
            if emission.topic == "judging":
                judge = self.judges[emission.partition]
                assert isinstance(emission.value, bytes)
                judge.fold([(judge.applied + 1, emission.value)])

    def judge(self, number: int) -> None:
        while emissions := self.judges[number].emit():
            for _, _, value in emissions:
                assert not isinstance(value, bytes)
                if isinstance(value, KpiValues):
                    self.last[number] = value
                    self.values |= {(one.kpi, tuple(one.scope.items())): one for one in value.values}
                elif isinstance(value, ClosedWindows):
                    for one in value.windows:
                        self.windows[one.kpi, tuple(one.scope.items()), one.start] = one

    def finish(self, at: int) -> None:
        self.mark(Kind.END, at)
        for number in range(self.partitions):
            self.turn(number)
        for number in range(JUDGES):
            self.judge(number)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues(), st.integers(0, 2**32), st.integers(1, 3))
def test_the_engine_equals_the_naive_model(catalogue: Catalogue, seed: int, partitions: int) -> None:
    """Values, samples, closed slots, duplicates and late events, whatever the catalogue, order and split."""
    engine = Engine(catalogue, partitions)
    naive = model.Engine(catalogue, FILTERS, partitions)
    frames = script(seed, partitions)
    for frame in frames:
        engine.frame(frame.ingest, frame.events)
        naive.frame(frame.ingest, frame.events)
        for observer, restart in frame.observers:
            engine.turn(observer, restart=restart)
        for number in frame.judges:
            engine.judge(number)
    now = latest(frames)
    end = (now // HOUR + 2) * HOUR - 1
    engine.finish(end)
    naive.finish(end)
    for kpi in catalogue.kpis.values():
        compare_values(engine, naive, kpi)
        compare_history(engine, naive, kpi)
    compare_counts(engine, naive)


def compare_values(engine: Engine, naive: model.Engine, kpi: Kpi) -> None:
    expected = naive.current(kpi)
    said = {scope: one for (name, scope), one in engine.values.items() if name == kpi.name}
    for scope, told in expected.items():
        if scope in said:
            check(kpi, said[scope].value, said[scope].samples, told, scope)
        else:  # a case that ended as it began leaves no trace
            assert kpi.type is KpiType.LEVEL, (kpi, scope)
            assert told == (0.0, 0), (kpi, scope)
    for scope in said.keys() - expected.keys():
        assert said[scope].samples == 0, (kpi, scope)


def compare_history(engine: Engine, naive: model.Engine, kpi: Kpi) -> None:
    expected = naive.history(kpi)
    said = {(scope, at): one for (name, scope, at), one in engine.windows.items() if name == kpi.name}
    for place, told in expected.items():
        if place in said:
            check(kpi, said[place].value, said[place].samples, told, place)
        else:  # what came and went before anybody was told
            assert kpi.type is KpiType.LEVEL, (kpi, place)
    for place in said.keys() - expected.keys():
        assert said[place].samples == 0 or kpi.type is KpiType.LEVEL, (kpi, place)


def compare_counts(engine: Engine, naive: model.Engine) -> None:
    for told in engine.last.values():
        assert told.complete
        counted = {
            name: told.counters.get(name, 0) for name in ("events", "duplicates", "late", "late_dropped")
        }
        expected = {name: naive.counters[name] for name in ("events", "duplicates", "late")}
        assert counted == {**expected, "late_dropped": 0}


def check(kpi: Kpi, value: float | None, samples: int, told: model.Told, place: object) -> None:
    expected, n = told
    where = f"{kpi} at {place}: {value}, expected {expected}"
    assert samples == n, where
    if expected is None or value is None:
        assert value is expected, where
    else:
        assert value == pytest.approx(expected, **tolerance(kpi)), where


def tolerance(kpi: Kpi) -> Mapping[str, Any]:
    """Sketches are within their error, everything else exact but for the last bits of a float."""
    aggs = {kpi.agg, kpi.measure.agg if kpi.measure else None}
    if Agg.DISTINCT in aggs:
        return {"abs": 1, "rel": 0.05}
    if Agg.PERCENTILE in aggs:
        return {"abs": 1e-9, "rel": 0.0101}
    return {"abs": 1e-9, "rel": 1e-9}
