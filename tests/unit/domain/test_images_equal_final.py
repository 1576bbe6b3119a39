"""Rows that change against the naive model: whatever was said of them, in any order, repeated and in whatever frames,
KPIs over events say what they say of the rows as they are in the end.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import with_digest
from services.domain.catalogue import (
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Images,
    Kpi,
    KpiType,
    Time,
    Window,
    WindowKind,
)
from services.intake.events import Event
from services.intake.frame_sets import Framer, heads
from tests.naive import model
from tests.unit.domain.test_engine_equals_naive import (
    CARRIER,
    DAY,
    FILTERS,
    HOUR,
    MINUTE,
    POSTED,
    PRICE,
    SITE,
    START,
    Engine,
    as_json,
    compare_history,
    compare_values,
    dimensions,
    event_measures,
    grains,
    spec,
    windows,
)

AT, NOTED = (Field(name, FieldType.TIMESTAMP, required=True) for name in ("at", "noted"))
FIELDS = {one.name: one for one in (SITE, CARRIER, PRICE, POSTED, AT, NOTED)}
VISIT = EventType(
    "visit", "", FIELDS, {}, ("site", "carrier"), times={Time.POSTED: "posted", Time.RECORDED: "noted"},
    images=Images("at"),
)  # fmt: skip
WEEK = Window(WindowKind.ROLLING, length_ms=7 * DAY)
CANNOT = {Agg.MIN, Agg.MAX, Agg.LAST}

measures = event_measures.filter(lambda one: one.event == "visit" and one.agg not in CANNOT)
exact = measures.filter(lambda one: one.agg in {Agg.COUNT, Agg.SUM})
shapes = st.one_of(
    st.builds(lambda one: {"type": KpiType.SIMPLE, "measure": one}, measures),
    st.builds(
        lambda one, other: {"type": KpiType.RATIO, "numerator": one, "denominator": other, "scale": 100.0},
        exact,
        st.sampled_from([spec(Agg.COUNT, event="visit"), spec(Agg.SUM, event="visit", field="price")]),
    ),
    st.builds(
        lambda one: {
            "type": KpiType.LEVEL,
            "numerator": spec(Agg.COUNT, event="visit"),
            "denominator": spec(Agg.COUNT, event="visit", filter=one),
        },
        st.sampled_from(list(FILTERS)),
    ),
)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """KPIs over rows that change, by each of the times that they have."""
    kpis: dict[str, Kpi] = {}
    for number in range(draw(st.integers(1, 4))):
        place: dict[str, Any] = {
            "window": draw(windows),
            "grain": draw(grains),
            "dimensions": draw(dimensions),
        }
        more: dict[str, Any] = {
            "time": draw(st.sampled_from(list(Time))),
            "reopen_ms": 300 * DAY,
            "lateness_ms": MINUTE,
        }
        name = f"k{number}"
        kpis[name] = Kpi(
            name=name, title=name, owner="a@example.com", unit="1", **draw(shapes), **place, **more
        )
    return with_digest(Catalogue({"visit": VISIT}, {}, kpis))


@dataclass
class History:
    """``rows``: those that are there in the end; ``said``: what was said of all, in the order of coming, as JSON;
    ``changes``: how often something was said that had not been said before.
    """

    rows: list[model.Event]
    said: list[bytes]
    changes: int


def history(seed: int) -> History:
    """Rows of some days: created, changed in any field, also in their times, and some deleted; some said twice."""
    rng = random.Random(seed)
    rows, said = list[model.Event](), list[bytes]()
    for number in range(rng.randint(1, 40)):
        source = rng.choice(["erp", "wms"])
        states: list[Mapping[str, Any] | None] = [None, *(_row(rng) for _ in range(rng.randint(1, 4)))]
        if rng.random() < 0.3:
            states += [states[-1], None]  # a change that changes nothing, and the end of it
        for step, (before, after) in enumerate(pairwise(states)):
            said.append(change(f"{number}-{step}", source, rng.choice([None, f"r{number}"]), before, after))
        if (last := states[-1]) is not None:
            rows.append(model.Event(f"{number}", source, "visit", last["at"], "", last))
    changes = len(said)
    said += rng.choices(said, k=rng.randint(0, 5))
    rng.shuffle(said)
    return History(rows, said, changes)


def _row(rng: random.Random) -> Mapping[str, Any]:
    at = START + rng.randint(0, 3000) * MINUTE
    return {
        "at": at,
        "noted": at + rng.randint(0, 90) * MINUTE,
        "posted": rng.choice([None, at + rng.randint(0, 600) * MINUTE]),
        "site": rng.choice(["A", "B", None]),
        "carrier": rng.choice(["x", "y", None]),
        "price": rng.choice([None, Decimal(rng.randint(-500, 90_000)) / 100, Decimal("1.50")]),
    }


def change(
    id_: str,
    source: str,
    subject: str | None,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> bytes:
    """What a database says of a change of one row."""
    op = "c" if before is None else "d" if after is None else "u"
    data = {"before": _image(before), "after": _image(after), "op": op}
    body: dict[str, Any] = {"id": id_, "source": source, "type": "visit", "time": "2024-04-05T00:00:00Z"}
    return msgspec.json.encode({**body, **({"subject": subject} if subject else {}), "data": data})


def _image(row: Mapping[str, Any] | None) -> Any:
    if row is None:
        return None
    data = msgspec.json.decode(as_json(model.Event("", "", "", 0, "", row)))["data"]
    times = {name: _iso(row[name]) for name in ("at", "noted")}
    return {**data, **times}


def _iso(at: int) -> str:
    return str(msgspec.json.decode(as_json(model.Event("", "", "", at, "", {})))["time"])


class Changes(Engine):
    """Tells what databases say."""

    def tell(self, ingest: int, said: list[bytes]) -> None:
        for valid in self.validator.validate_all(said):
            assert isinstance(valid, Event), valid
            self.framer.add(valid)
        self.append(self.framer.take(ingest, ticks=True))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues(), st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([1, 2, 5, 1000]))
def test_the_rows_count_as_they_are_in_the_end(
    catalogue: Catalogue, seed: int, partitions: int, together: int
) -> None:
    """Values, samples and closed slots are those of the final rows; an envelope is one event, and counts once."""
    rng = random.Random(seed)
    facts = history(seed)
    engine = Changes(catalogue, partitions)
    head = heads("default", "history", 1, catalogue.digest)
    engine.framer = Framer(catalogue, head, "events", partitions, frame_events=together, frame_bytes=1 << 18)
    now, said = START + 9000 * MINUTE, list(facts.said)
    while said:
        n = rng.randint(1, 12)
        now += rng.randint(0, 1) * MINUTE
        engine.tell(now, said[:n])
        del said[:n]
        for _ in range(rng.randint(0, 2)):
            engine.turn(rng.randrange(partitions), restart=rng.random() < 0.2)
        if rng.random() < 0.3:
            engine.judge(rng.randrange(4))
    naive = model.Engine(catalogue, FILTERS, partitions)
    naive.frame(START, facts.rows)
    end = START + 10_000 * MINUTE // HOUR * HOUR + 100 * HOUR - 1
    engine.finish(end)
    naive.finish(end)
    for kpi in catalogue.kpis.values():
        compare_values(engine, naive, kpi)
        compare_history(engine, naive, kpi)
    for told in engine.last.values():
        assert told.counters.get("events", 0) == facts.changes
        assert told.counters.get("duplicates", 0) == len(facts.said) - facts.changes


def test_a_change_that_changes_nothing_comes_to_nothing() -> None:
    """Said alone, before and after cancel: no value, no sample, and one event."""
    kpi = Kpi(
        name="k", title="k", owner="a@example.com", unit="1", grain="1h", reopen_ms=300 * DAY,
        type=KpiType.SIMPLE, measure=spec(Agg.SUM, event="visit", field="price"), window=WEEK,
    )  # fmt: skip
    engine = Changes(with_digest(Catalogue({"visit": VISIT}, {}, {"k": kpi})), 1)
    row = {"at": START, "noted": START, "price": Decimal(12)}
    engine.tell(START + DAY, [change("1", "erp", None, row, row)])
    engine.finish(START + DAY)
    assert [(one.value, one.samples) for one in engine.values.values()] == [(0.0, 0)]
    assert all(told.counters["events"] == 1 for told in engine.last.values())
