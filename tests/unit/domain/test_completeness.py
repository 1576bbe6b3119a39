"""How complete sources are and what that does to KPIs: the engine over several partitions against a naive model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Direction,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Numbering,
    Rhythm,
    Source,
    Target,
    Window,
    WindowKind,
)
from services.domain.facts import (
    ClosedWindow,
    ClosedWindows,
    KpiValue,
    KpiValues,
    Reason,
    SourceState,
    SourceWord,
    Status,
)
from services.domain.frames import Kind
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.source_events import SOURCE_EVENTS
from services.intake.amounts import rfc3339
from services.intake.events import Event, Validator
from services.intake.frame_sets import Framer, heads
from services.intake.marks import Marks
from services.ports import Append

BERLIN = "Europe/Berlin"
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PARTITIONS, JUDGES = 3, 4
NOTHING: dict[str, Any] = {}


def at(text: str) -> int:
    """A wall clock of Berlin in epoch ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp() * 1000)


TODAY = at("2026-03-03T00:00")
CRM = Source(
    "crm", "CRM", "a@b", timezone=BERLIN, rhythm=Rhythm(every_ms=15 * MINUTE), sequence=Numbering(MINUTE, DAY)
)
WMS = Source("wms", "WMS", "a@b", timezone=BERLIN, rhythm=Rhythm(at_ms=2 * HOUR, tolerance_ms=HOUR))
TYPES = {
    "asked": EventType("asked", "", {"n": Field("n", FieldType.INTEGER)}, {}, (), ("crm",)),
    "shipped": EventType("shipped", "", {"n": Field("n", FieldType.INTEGER)}, {}, (), ("wms",)),
}


def kpi(name: str, event: str, window: Window, grain: str = "1d", **more: Any) -> Kpi:
    """A count with a target that is met by one."""
    shape = {
        "type": KpiType.SIMPLE, "measure": MeasureSpec(Agg.COUNT, event=event),
        "target": Target(1, 0, Direction.AT_LEAST), **more,
    }  # fmt: skip
    return Kpi(name=name, title=name, owner="a@b", window=window, grain=grain, unit="events", **shape)


def day(kind: WindowKind) -> Window:
    """A day of Berlin."""
    return Window(kind, period="day", timezone=BERLIN)


GAP = kpi("gap", "shipped", day(WindowKind.PREVIOUS), type=KpiType.RECONCILIATION, source="wms", scale=100.0,
          target=Target(0, 0.1, Direction.AT_MOST))  # fmt: skip
KPIS = (
    kpi("asked", "asked", Window(WindowKind.ROLLING, HOUR), "5m"),
    kpi("today", "shipped", day(WindowKind.TO_DATE)),
    kpi("yesterday", "shipped", day(WindowKind.PREVIOUS)),
    kpi("month", "shipped", Window(WindowKind.TO_DATE, period="month", timezone=BERLIN)),
    GAP,
)
CATALOGUE = with_digest(
    Catalogue(
        {**TYPES, **SOURCE_EVENTS}, {}, {one.name: one for one in KPIS}, sources={"crm": CRM, "wms": WMS}
    )
)
TEXT = to_text(CATALOGUE)


@dataclass
class Company:
    """Intake, OBSERVE over three partitions and JUDGE over four, on a clock that tests move."""

    observers: list[Observer] = field(default_factory=list)
    judges: list[Judge] = field(default_factory=list)
    values: dict[str, KpiValue] = field(default_factory=dict)
    states: dict[str, SourceState] = field(default_factory=dict)
    closed: list[ClosedWindow] = field(default_factory=list)
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.validate = Validator(CATALOGUE, max_event_bytes=10_000).validate
        head = heads("default", "live", 0, CATALOGUE.digest)
        self.framer = Framer(
            CATALOGUE,
            head,
            "events",
            PARTITIONS,
            frame_events=100,
            frame_bytes=100_000,
            marks=Marks(CATALOGUE),
        )
        self.observers = [Observer(number, load_program, JUDGES) for number in range(PARTITIONS)]
        self.judges = [Judge(number, load_program, PARTITIONS) for number in range(JUDGES)]

    def begin(self, now: int) -> None:
        """Announce the catalogue."""
        self.append(self.framer.mark(Kind.CATALOGUE, now, catalogue=TEXT))

    def post(self, now: int, *bodies: dict[str, Any]) -> None:
        """One request: frames, then marks."""
        for body in bodies:
            event = self.validate(json.dumps({"specversion": "1.0", **body}).encode())
            assert isinstance(event, Event), event
            self.framer.add(event)
        self.append(self.framer.take(now))
        self.append(self.framer.marks(now))

    def tick(self, now: int) -> None:
        """Time passes; everybody says what there is to say."""
        self.append(self.framer.mark(Kind.TICK, now))
        for observer in self.observers:
            for one in observer.emit():
                if one.topic == "judging":
                    offset = self._next("judging", one.partition)
                    self.judges[one.partition].fold([(offset, one.value)])  # type: ignore[list-item]  # bytes
        for judge in self.judges:
            for told in (one.value for one in judge.emit()):
                if isinstance(told, KpiValues):
                    self.values |= {value.kpi: value for value in told.values}
                    self.states |= {state.source: state for state in told.states}
                if isinstance(told, ClosedWindows):
                    self.closed += told.windows

    def restart(self) -> None:
        """Everybody dies and goes on from a snapshot."""
        for number, observer in enumerate(self.observers):
            chunks = list(observer.chunks())
            self.observers[number] = Observer(number, load_program, JUDGES)
            self.observers[number].restore(chunks)
        for number, judge in enumerate(self.judges):
            chunks = list(judge.chunks())
            self.judges[number] = Judge(number, load_program, PARTITIONS)
            self.judges[number].restore(chunks)

    def append(self, records: Sequence[Append]) -> None:
        """What the log would deliver."""
        for record in records:
            assert record.value is not None
            self.observers[record.partition].fold([(self._next("events", record.partition), record.value)])

    def _next(self, topic: str, partition: int) -> int:
        offset = self._offsets.get((topic, partition), 0)
        self._offsets[topic, partition] = offset + 1
        return offset


def asked(n: int, time: int) -> dict[str, Any]:
    """A numbered event of the CRM."""
    return {
        "id": f"c{n}",
        "source": "crm",
        "type": "asked",
        "sequence": str(n),
        "time": rfc3339(time),
        "data": {"n": n},
    }


def shipped(n: int, time: int) -> dict[str, Any]:
    """An event of the WMS, which comes in a batch."""
    return {"id": f"w{n}", "source": "wms", "type": "shipped", "time": rfc3339(time), "data": {"n": n}}


def batch(until: int, records: int, now: int, source: str = "wms") -> dict[str, Any]:
    """The end of a batch."""
    data = {"complete_until": rfc3339(until), "records": records}
    return {
        "id": f"b{until}/{now}",
        "source": source,
        "type": "sightline.batch",
        "time": rfc3339(now),
        "data": data,
    }


def totals(count: int, time: int) -> dict[str, Any]:
    """What the WMS counts on the day of ``time``."""
    data = {"event": "shipped", "count": count}
    return {
        "id": f"t{time}",
        "source": "wms",
        "type": "sightline.totals",
        "time": rfc3339(time),
        "data": data,
    }


def said(company: Company, name: str) -> tuple[float | None, Status, Reason]:
    """A KPI's value, status and reason."""
    value = company.values[name]
    return value.value, value.status, value.reason


def test_with_a_batch_source_yesterday_is_judged_and_today_is_not() -> None:
    """Before the marker neither is; a month that began before is judged as far as the batches go."""
    company = Company()
    now = TODAY + HOUR
    company.begin(now)
    company.post(now, *(shipped(n, TODAY - n * HOUR) for n in range(1, 6)))
    company.tick(now + SECOND)
    assert said(company, "yesterday") == (5, Status.UNKNOWN, Reason.INCOMPLETE_SOURCE)
    assert company.states["wms"].word is SourceWord.OVERDUE
    assert company.closed == []

    company.post(now + MINUTE, batch(TODAY, 6, now))
    company.tick(now + 5 * MINUTE)
    assert said(company, "yesterday") == (5, Status.ON_PLAN, Reason.WITHIN_TARGET)
    assert said(company, "month") == (5, Status.ON_PLAN, Reason.WITHIN_TARGET)
    assert said(company, "today")[1:] == (Status.UNKNOWN, Reason.INCOMPLETE_SOURCE)
    [ended] = company.states["wms"].account.batches
    assert (ended.until, ended.records, ended.counted) == (TODAY, 6, 5)
    # History of yesterday closes with the batch: not before, and not a day later.
    assert [(one.kpi, one.value) for one in company.closed if one.kpi == "yesterday"] == [("yesterday", 5)]

    late = TODAY + DAY + 3 * HOUR + MINUTE  # the next batch is due at two, and three is past the tolerance
    company.tick(late)
    assert said(company, "yesterday")[1:] == (Status.UNKNOWN, Reason.INCOMPLETE_SOURCE)
    assert said(company, "month")[1:] == (Status.UNKNOWN, Reason.INCOMPLETE_SOURCE)


def test_a_batch_that_is_ended_again_counts_what_came_in_between() -> None:
    """The missing record arrives, the marker is repeated: the difference is gone; a further repeat changes nothing."""
    company = Company()
    now = TODAY + HOUR
    company.begin(now)
    company.post(now, shipped(1, TODAY - HOUR), batch(TODAY, 2, now))
    company.post(now, shipped(1, TODAY - HOUR), shipped(2, TODAY - HOUR), batch(TODAY, 2, now + 1))
    company.post(now, batch(TODAY, 2, now + 2))
    company.tick(now + SECOND)
    [ended] = company.states["wms"].account.batches
    assert (ended.records, ended.counted) == (2, 2)


def test_a_stream_that_ends_a_batch_is_counted_too() -> None:
    """What it sent since the end before, each event once; it is as complete as a stream, and late as one."""
    company = Company()
    now = TODAY + 10 * HOUR
    company.begin(now)
    company.post(now, asked(1, now), asked(2, now), asked(2, now), batch(now, 3, now, "crm"))
    company.post(now + SECOND, asked(3, now), batch(now + SECOND, 1, now + SECOND, "crm"))
    company.tick(now + 2 * SECOND)
    ended = company.states["crm"].account.batches
    assert [(one.records, one.counted) for one in ended] == [(3, 2), (1, 1)]
    assert (company.states["crm"].word, company.states["crm"].until) == (
        SourceWord.COMPLETE,
        now + 2 * SECOND,
    )
    company.post(now + MINUTE, asked(4, now + MINUTE))
    company.post(now + MINUTE, asked(5, TODAY))
    late = [observer.runs["default", "live"].counters["late"] for observer in company.observers]
    assert sum(late) == 1


def test_what_comes_in_batches_is_not_late_before_its_batch_has_ended() -> None:
    """Yesterday's records at night are no late events, though the watermark is of tonight."""
    company = Company()
    now = TODAY + HOUR
    company.begin(now)
    company.post(now, asked(1, now))
    company.tick(now + 2 * SECOND)
    company.post(now + 3 * SECOND, *(shipped(n, TODAY - n * HOUR) for n in range(1, 6)), batch(TODAY, 5, now))
    late = [observer.runs["default", "live"].counters["late"] for observer in company.observers]
    assert sum(late) == 0
    company.post(now + MINUTE, *(shipped(10 + n, TODAY - n * HOUR) for n in range(1, 6)))
    late = [observer.runs["default", "live"].counters["late"] for observer in company.observers]
    assert sum(late) == 5


def test_a_gap_is_named_holds_its_kpi_and_heals() -> None:
    """Missing numbers make the value unknown once they are older than the tolerance; when they come, it is judged."""
    company = Company()
    now = TODAY + 10 * HOUR
    company.begin(now)
    company.post(now, asked(1, now - 3), asked(2, now - 2))
    company.post(now, asked(5, now - 1))
    company.tick(now + 2 * SECOND)
    assert said(company, "asked")[1] is Status.ON_PLAN  # they may be under way
    company.tick(now + 2 * MINUTE)
    state = company.states["crm"]
    assert (state.word, state.until) == (SourceWord.GAP, now - 2)
    assert [(gap.first, gap.last, gap.since) for gap in state.account.gaps] == [(3, 4, now)]
    assert said(company, "asked")[1:] == (Status.UNKNOWN, Reason.INCOMPLETE_SOURCE)
    company.post(now + 3 * MINUTE, asked(4, now), asked(3, now))
    company.tick(now + 4 * MINUTE)
    assert company.states["crm"].word is SourceWord.COMPLETE
    assert said(company, "asked") == (5, Status.ON_PLAN, Reason.WITHIN_TARGET)


def test_a_stream_that_is_silent_beyond_its_rhythm_is_stale() -> None:
    """By its own interval, without `staleAfter`; one event, and it is judged again."""
    company = Company()
    now = TODAY + 10 * HOUR
    company.begin(now)
    company.post(now, asked(1, now))
    company.tick(now + 15 * MINUTE)
    assert said(company, "asked")[1] is Status.ON_PLAN
    company.tick(now + 16 * MINUTE)
    assert said(company, "asked")[1:] == (Status.UNKNOWN, Reason.STALE)
    assert company.states["crm"].until == now
    company.post(now + 17 * MINUTE, asked(2, now + 17 * MINUTE))
    company.tick(now + 18 * MINUTE)
    assert said(company, "asked") == (2, Status.ON_PLAN, Reason.WITHIN_TARGET)


def test_the_gap_to_a_sources_own_total_is_a_kpi() -> None:
    """Unknown before the total, then the difference in percent; a corrected total of the same day replaces it."""
    company = Company()
    now = TODAY + 3 * HOUR
    company.begin(now)
    company.post(now, *(shipped(n, TODAY - n * HOUR) for n in range(1, 10)), batch(TODAY, 9, now))
    company.tick(now + SECOND)
    assert said(company, "gap") == (None, Status.UNKNOWN, Reason.NO_DATA)
    company.post(now, totals(12, TODAY - DAY + MINUTE))
    company.tick(now + 2 * SECOND)
    assert said(company, "gap") == (25.0, Status.OFF_PLAN, Reason.BEYOND_BAND)
    company.post(now, totals(9, TODAY - DAY + 2 * MINUTE))
    company.post(now, totals(12, TODAY - DAY + MINUTE + 1))  # an older one that arrives later
    company.tick(now + 3 * SECOND)
    assert said(company, "gap") == (0.0, Status.ON_PLAN, Reason.WITHIN_TARGET)


@dataclass
class Ends:
    """Of one source what came since the last end of a batch, and what the ends counted."""

    open: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    ended: dict[int, tuple[int, int]] = field(default_factory=dict)

    def came(self, records: set[str]) -> None:
        self.open |= records - self.known
        self.known |= records

    def end(self, until: int, records: int) -> None:
        before = self.ended.get(until, (0, 0))[1]
        self.ended[until] = records, before + len(self.open)
        self.open = set()


@dataclass
class Naive:
    """Keeps every number, every record and every marker, and looks through all of them."""

    numbers: dict[int, int] = field(default_factory=dict)
    missed: dict[int, int] = field(default_factory=dict)
    heard: int | None = None
    wms: Ends = field(default_factory=Ends)
    stream: Ends = field(default_factory=Ends)

    def asked(self, now: int, events: list[tuple[int, int]]) -> None:
        self.stream.came({f"{n}/{now}" for n, _ in events})
        self.numbers |= dict(events)
        self.heard = now
        seen = self.numbers.keys()
        absent = set(range(min(seen), max(seen))) - seen
        self.missed = {number: self.missed.get(number, now) for number in absent}

    def crm(self, now: int, begun: int) -> tuple[SourceWord, int]:
        since = begun if self.heard is None else self.heard
        word = SourceWord.NEVER_HEARD if self.heard is None else SourceWord.COMPLETE
        until = now
        if now - since > 15 * MINUTE:
            word, until = SourceWord.SILENT, since
        holding = [number for number, since in self.missed.items() if since + MINUTE <= now < since + DAY]
        afters = []
        for number in holding:
            below = number
            while below not in self.numbers:
                below -= 1
            afters.append(self.numbers[below])
        if afters and min(afters) < until:
            word, until = SourceWord.GAP, min(afters)
        return word, until


steps = st.one_of(
    st.tuples(st.just("asked"), st.lists(st.integers(1, 30), min_size=1, max_size=6, unique=True)),
    st.tuples(st.just("shipped"), st.lists(st.integers(1, 60), min_size=1, max_size=8, unique=True)),
    st.tuples(st.sampled_from(["end", "end of stream"]), st.tuples(st.integers(-2, 1), st.integers(0, 9))),
    st.tuples(st.just("wait"), st.sampled_from([SECOND, 20 * SECOND, MINUTE, 9 * MINUTE, 3 * HOUR])),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=40)
@given(st.lists(steps, min_size=1, max_size=15))
def test_gaps_batches_and_completeness_are_those_of_a_naive_model(history: list[tuple[str, Any]]) -> None:
    """Whatever comes in whatever order, over several partitions and through restarts: gaps, since when they are,
    what each batch counted, up to when each source is complete and why.
    """
    company, naive = Company(), Naive()
    begun = now = TODAY + 4 * HOUR
    company.begin(now)
    company.tick(now)
    for what, given_ in history:
        now += SECOND
        match what:
            case "asked":  # each a new event; its number may have come before
                events = [(n, TODAY + n * SECOND) for n in given_]
                company.post(now, *({**asked(n, time), "id": f"{n}/{now}"} for n, time in events))
                naive.asked(now, events)
            case "shipped":  # a record that is repeated is recognised within the hour
                ids = {n: f"{n}/{now // (30 * MINUTE)}" for n in given_}
                company.post(now, *({**shipped(n, TODAY - n * MINUTE), "id": id_} for n, id_ in ids.items()))
                naive.wms.came(set(ids.values()))
            case "end":
                until = TODAY + given_[0] * DAY
                company.post(now, batch(until, given_[1], now))
                naive.wms.end(until, given_[1])
            case "end of stream":
                until = TODAY + given_[0] * DAY
                company.post(now, batch(until, given_[1], now, "crm"))
                naive.stream.end(until, given_[1])
            case "wait":
                now += given_
            case "restart":
                company.restart()
        now += SECOND
        company.tick(now)
        crm, wms = company.states["crm"], company.states["wms"]
        assert (crm.word, crm.until) == naive.crm(now, begun)
        gaps = {n: gap.since for gap in crm.account.gaps for n in range(gap.first, gap.last + 1)}
        assert gaps == naive.missed
        for state, ends in ((wms, naive.wms), (crm, naive.stream)):
            assert {one.until: (one.records, one.counted) for one in state.account.batches} == ends.ended
        assert wms.until == max(naive.wms.ended, default=0)
