"""Balances against a naive model: openings, movements and counts, corrected, repeated, in any order, with restarts.

What the engine says of levels and differences, now and in each slot of history, is what the model says of the facts
that stand.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import with_digest
from services.domain.catalogue import (
    Agg,
    Balance,
    Catalogue,
    Correctable,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Opening,
    Process,
    Quantity,
    Step,
    Window,
    WindowKind,
)
from services.domain.frames import Kind
from tests.naive import model, stock
from tests.naive.stock import NEVER, Entry
from tests.unit.domain.test_engine_equals_naive import HOUR, MINUTE, START, Engine

DAY = 24 * HOUR
FIELDS = [
    Field("key", FieldType.STRING, required=True),
    Field("site", FieldType.STRING),
    Field("what", FieldType.STRING),
    Field("pieces", FieldType.INTEGER),
    Field("doc", FieldType.STRING, required=True),
    Field("rev", FieldType.INTEGER),
    Field("gone", FieldType.BOOLEAN),
]
MOVED = EventType(
    "moved",
    "",
    {one.name: one for one in FIELDS},
    {"stock": "key"},
    correctable=Correctable("doc", "rev", "gone == true"),
)
WHAT = ("opening", "receipt", "issue", "count")


def catalogue_of(opening: Opening, horizon: int) -> Catalogue:
    """Stock that is opened, moved and counted, and what is asked of it."""
    process = Process(
        name="stock",
        object="stock",
        steps=(Step("known", "moved"), *(Step(one, "moved", f'what == "{one}"') for one in WHAT)),
        opens="known",
        ends=(),
        attributes={"site": ("known", "site")},
        quantities={f"q_{one}": Quantity(one, "pieces") for one in WHAT},
        balances={"on_hand": Balance({"q_receipt": 1, "q_issue": -1}, "q_opening", "q_count", horizon)},
        opening=opening,
    )
    window = Window(WindowKind.ALL_TIME)
    more: dict[str, Any] = {"grain": "1h", "unit": "1", "dimensions": ("site",), "reopen_ms": 300 * DAY}

    def kpi(name: str, type_: KpiType, **given: Any) -> Kpi:
        return Kpi(name=name, title=name, owner="a@example.com", type=type_, window=window, **more, **given)

    def counted(what: str) -> MeasureSpec:
        return MeasureSpec(Agg.SUM, process="stock", balance="on_hand", field=what)

    kpis = [
        kpi("level", KpiType.LEVEL, process="stock", balance="on_hand"),
        kpi("difference", KpiType.SIMPLE, measure=counted("difference")),
        kpi("absolute", KpiType.SIMPLE, measure=counted("absolute_difference")),
        kpi("book", KpiType.SIMPLE, measure=counted("book")),
    ]
    return with_digest(Catalogue({"moved": MOVED}, {"stock": process}, {one.name: one for one in kpis}))


@dataclass
class History:
    """What stands in the end, and what was said, in the order of coming."""

    stands: list[Entry]
    said: list[model.Event]


def history(rng: random.Random, *, corrected: Sequence[str], stated_first: bool = False) -> History:
    """Some days of a few keys; no two statements of a key at one instant, whose order their ids would decide."""
    stands, said, first = list[Entry](), list[model.Event](), list[model.Event]()
    stated = set[tuple[str, int]]()
    for number in range(rng.randint(1, 40)):
        entry = _entry(rng)
        versions = [entry]
        if entry.what in corrected and rng.random() < 0.4:
            versions.insert(0, replace(entry, time=_time(rng), pieces=rng.randint(0, 9)))
        if any((one.key, one.time) in stated for one in versions if one.what in {"opening", "count"}):
            continue
        stated |= {(one.key, one.time) for one in versions if one.what in {"opening", "count"}}
        events = [moved(one, number, rev) for rev, one in enumerate(versions)]
        if entry.what in corrected and rng.random() < 0.2:
            last = events[-1]
            data = {**last.data, "rev": len(events), "gone": True}
            events.append(replace(last, id=f"{last.id}-void", data=data))
        else:
            stands.append(entry)
        if rng.random() < 0.2:
            events.append(rng.choice(events))
        (first if stated_first and entry.what in {"opening", "count"} else said).extend(events)
    rng.shuffle(said)
    first.sort(key=lambda event: (event.data["what"] == "count", event.time))
    return History(stands, [*first, *said])


def _time(rng: random.Random) -> int:
    return START + rng.randint(0, 50) * rng.choice([1, 60]) * MINUTE


def _entry(rng: random.Random) -> Entry:
    what = rng.choices(WHAT, [1, 5, 5, 3])[0]
    return Entry(f"k{rng.randint(0, 3)}", _time(rng), what, rng.randint(0, 50))


def _site(key: str) -> str:
    return "AB"[int(key[1:]) % 2]


def moved(entry: Entry, number: int, rev: int = 0) -> model.Event:
    """The event that tells an entry, as version ``rev`` of document ``number``."""
    data: dict[str, Any] = {"key": entry.key, "site": _site(entry.key), "what": entry.what}
    data |= {"pieces": entry.pieces, "doc": f"d{number}", "rev": rev, "gone": False}
    return model.Event(f"{number}-{rev}", "wms", "moved", entry.time, "s", data)


def tell(engine: Engine, rng: random.Random, said: Sequence[model.Event], instants: Sequence[int]) -> None:
    """All events in some frames, openings announced in between; turns of observers, some of them restarted."""
    events, openings, now = list(said), list(instants), START + 3 * DAY
    while events or openings:
        now += rng.randint(1, 40) * MINUTE
        n = rng.randint(1, 12)
        engine.frame(now, events[:n])
        del events[:n]
        if openings and (rng.random() < 0.3 or not events):
            now += MINUTE
            engine.mark(Kind.OPENING, now, process="stock", instant=openings.pop(0))
        for _ in range(rng.randint(0, 2)):
            engine.turn(rng.randrange(engine.partitions), restart=rng.random() < 0.3)
        if rng.random() < 0.3:
            engine.judge(rng.randrange(4))


def keys_of(stands: Sequence[Entry], announced: int | None) -> dict[str, stock.Key]:
    names = sorted({one.key for one in stands})
    return {name: stock.key_of([one for one in stands if one.key == name], announced) for name in names}


def scopes_of(keys: dict[str, stock.Key]) -> dict[model.Scope, list[stock.Key]]:
    """Each scope's keys: the total's, and those of each site."""
    found: dict[model.Scope, list[stock.Key]] = {(): list(keys.values())}
    for name, key in keys.items():
        found.setdefault((("site", _site(name)),), []).append(key)
    return found


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from(Opening))
def test_levels_and_differences_are_those_of_the_model(seed: int, partitions: int, opening: Opening) -> None:
    """Now and at the end of each slot; and unknown before the opening."""
    rng = random.Random(seed)
    facts = history(rng, corrected=WHAT)
    instants = [_time(rng) for _ in range(rng.randint(0, 2))] if opening is Opening.ANNOUNCED else []
    engine = Engine(catalogue_of(opening, 400 * DAY), partitions)
    tell(engine, rng, facts.said, instants)
    engine.finish(START + 10 * DAY)
    announced = None if opening is Opening.EACH else instants[-1] if instants else NEVER
    keys = keys_of(facts.stands, announced)
    for scope, found in scopes_of(keys).items():
        _compare_now(engine, scope, found)
        if scope:
            _compare_history(engine, scope, found)


def _compare_now(engine: Engine, scope: model.Scope, keys: Sequence[stock.Key]) -> None:
    said = engine.values[("level", scope)]
    assert said.value == stock.level(keys, NEVER), scope
    assert said.samples == stock.stocked(keys, NEVER), scope
    assert (said.reason == "no_opening") == (said.value is None), scope
    for kpi, value in _counted(keys, 0, NEVER).items():
        told = engine.values.get((kpi, scope))
        assert (told.value if told else None) == value, (kpi, scope)


def _compare_history(engine: Engine, scope: model.Scope, keys: Sequence[stock.Key]) -> None:
    told = {(name, at): one for (name, place, at), one in engine.windows.items() if place == scope}
    for (name, at), one in told.items():
        if name == "level":
            assert one.value == stock.level(keys, at + HOUR), (scope, at)
            assert one.samples == stock.stocked(keys, at + HOUR), (scope, at)
        else:
            assert one.value == _counted(keys, at, at + HOUR)[name], (name, scope, at)
    for at in range(START - START % HOUR, START + 4 * DAY, HOUR):
        if stock.level(keys, at + HOUR) != stock.level(keys, at):
            assert ("level", at) in told, (scope, at)


def _counted(keys: Sequence[stock.Key], start: int, end: int) -> dict[str, float | None]:
    """What the counts made in [start, end) come to; None where there are none."""
    counts = [
        step for key in keys for step in key.steps if step.difference is not None and start <= step.time < end
    ]
    if not counts:
        return dict.fromkeys(("difference", "absolute", "book"))
    differences = [step.difference or 0 for step in counts]
    return {
        "difference": float(sum(differences)),
        "absolute": float(sum(map(abs, differences))),
        "book": float(sum(step.book for step in counts)),
    }


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 3), st.sampled_from([HOUR, 6 * HOUR, DAY]))
def test_what_is_older_than_the_horizon_is_kept_in_sum(seed: int, partitions: int, horizon: int) -> None:
    """Movements come, are corrected and withdrawn long after they were folded: levels stay exact, and so does the sum
    of all differences. A handful of entries per key is left.
    """
    rng = random.Random(seed)
    facts = history(rng, corrected=("receipt", "issue"), stated_first=True)
    instant = _time(rng)
    engine = Engine(catalogue_of(Opening.ANNOUNCED, horizon), partitions)
    engine.mark(Kind.OPENING, START, process="stock", instant=instant)
    tell(engine, rng, facts.said, [])
    engine.mark(Kind.TICK, START + 9 * DAY)
    engine.finish(START + 10 * DAY)
    keys = keys_of(facts.stands, instant)
    for scope, found in scopes_of(keys).items():
        assert engine.values[("level", scope)].value == stock.level(found, NEVER), scope
        assert engine.values[("level", scope)].samples == stock.stocked(found, NEVER), scope
        told = engine.values.get(("difference", scope))
        assert (told.value if told else None) == _counted(found, 0, NEVER)["difference"], scope
    for observer in engine.observers:
        balances = observer.runs["default", "history"].cases["stock"].balances["on_hand"]
        assert len(balances) <= 6 * len(keys)
