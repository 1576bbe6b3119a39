from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from services.adapters.log.embedded import EmbeddedLog
from services.domain.catalogue import (
    Catalogue,
    Conversion,
    Due,
    EventType,
    Field,
    FieldType,
    FromLookup,
    Process,
    Step,
)
from services.domain.frames import FrameBuilder, Head, Kind, Row, mark
from services.domain.identity import event_identity, partition_of
from services.domain.program import Program
from services.errors import NotFound
from services.ports import Append
from services.timelines import Timelines
from services.topics import Topics

TOPICS = Topics("test", 2)
NOW = 40
FIELDS = {
    "site": Field("site", FieldType.STRING),
    "due": Field("due", FieldType.TIMESTAMP),
}
ORDER = Process(
    "order",
    "order",
    (Step("placed", "placed"), Step("shipped", "shipped")),
    "placed",
    ("shipped",),
    {"site": ("placed", "site")},
    (Due("promised", "placed", "shipped", field="due"),),
    stuck_ms=100,
)
TYPES = {name: EventType(name, "", FIELDS, {"order": "subject"}) for name in ("placed", "shipped", "noted")}
PROGRAM = Program(Catalogue(TYPES, {"order": ORDER}, {}), (), {}, {})


async def programs(tenant: str, run: str) -> Program:
    return PROGRAM


@pytest_asyncio.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log")
    await opened.start()
    await opened.ensure([TOPICS.events])
    yield opened
    await opened.stop()


def row(
    kind: str, case: str, time: int, event_id: str, site: str | None = None, due: int | None = None
) -> Row:
    cold = json.dumps({"id": event_id, "type": kind}).encode()
    return Row(kind, "order", True, case, time, "erp", event_identity("erp", event_id), (site, due), cold)


def frame(rows: Sequence[Row], run: str = "live", attempt: int = 0) -> Append:
    builder = FrameBuilder({name: list(FIELDS.values()) for name in TYPES})
    for each in rows:
        builder.add(each)
    value = builder.build(Head(Kind.EVENTS, "default", run, attempt, "", 1_000))
    return Append(TOPICS.events.name, partition_of(f"order\0{rows[0].key}", 2), None, value)


def begin(run: str, attempt: int) -> list[Append]:
    value = mark(Head(Kind.BEGIN, "default", run, attempt, "", 0))
    return [Append(TOPICS.events.name, partition, None, value) for partition in range(2)]


def ids(events: Sequence[bytes]) -> list[str]:
    return [json.loads(event)["id"] for event in events]


async def test_a_timeline_is_the_events_of_one_case_by_event_time(log: EmbeddedLog) -> None:
    """From several frames, without those of other cases; with its steps, attributes and due times."""
    await log.append(
        [
            frame([row("shipped", "o-1", 30, "c"), row("placed", "o-2", 5, "x")]),
            frame([row("placed", "o-1", 10, "a", "W1", 25)]),
            frame([row("noted", "o-1", 20, "b")]),
        ]
    )
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "order", "o-1", NOW)
    assert ids(timeline.events) == ["a", "b", "c"]
    assert not timeline.truncated
    assert timeline.fact is not None
    assert timeline.fact.steps == {"placed": 10, "shipped": 30}
    assert timeline.fact.dues == {"promised": (25, 30)}
    assert timeline.fact.attributes == {"site": "W1"}
    assert timeline.fact.flags == ["closed"]


@pytest.mark.parametrize(
    ("now", "flags"),
    [
        (24, ["open"]),
        (25, ["open", "overdue"]),
        (109, ["open", "overdue"]),
        (110, ["open", "overdue", "stuck"]),
    ],
)
async def test_a_case_stands_as_time_has_passed(log: EmbeddedLog, now: int, flags: list[str]) -> None:
    """Overdue from its due time on and stuck after a while, though no event says so."""
    await log.append([frame([row("placed", "o-1", 10, "a", "W1", 25)])])
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "order", "o-1", now)
    assert timeline.fact is not None
    assert timeline.fact.flags == flags


async def test_an_event_that_came_twice_is_shown_once(log: EmbeddedLog) -> None:
    """Whether in one frame or in two."""
    twice = row("placed", "o-1", 10, "a")
    await log.append([frame([twice, twice]), frame([twice])])
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "order", "o-1", NOW)
    assert ids(timeline.events) == ["a"]


async def test_only_the_latest_attempt_of_the_run_counts(log: EmbeddedLog) -> None:
    """What an import left behind that was repeated is gone, and other runs are not looked at."""
    await log.append(
        [
            frame([row("placed", "o-1", 1, "live")]),
            *begin("import", 1),
            frame([row("placed", "o-1", 10, "old")], "import", 1),
            frame([row("placed", "o-2", 10, "older")], "import", 1),
            *begin("import", 2),
            frame([row("placed", "o-1", 10, "new")], "import", 2),
        ]
    )
    timelines = Timelines(log, TOPICS, programs)
    assert ids((await timelines.of("default", "import", "order", "o-1", NOW)).events) == ["new"]
    with pytest.raises(NotFound):
        await timelines.of("default", "import", "order", "o-2", NOW)


async def test_a_case_of_which_nothing_counts_as_a_step_has_events_alone(log: EmbeddedLog) -> None:
    """The timeline shows them all the same."""
    await log.append([frame([row("noted", "o-1", 10, "a")])])
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "order", "o-1", NOW)
    assert (ids(timeline.events), timeline.fact) == (["a"], None)


async def test_a_long_log_is_searched_from_its_end_and_says_so(log: EmbeddedLog) -> None:
    """At most so many records back."""
    await log.append([frame([row("placed", "o-1", at, str(at))]) for at in range(5)])
    timeline = await Timelines(log, TOPICS, programs, max_records=2).of(
        "default", "live", "order", "o-1", NOW
    )
    assert (ids(timeline.events), timeline.truncated) == (["3", "4"], True)


async def test_what_cannot_be_found_is_said_with_a_remedy(log: EmbeddedLog) -> None:
    """An unknown process is told the nearest one; an unknown case says where was looked."""
    timelines = Timelines(log, TOPICS, programs)
    with pytest.raises(NotFound, match="no process 'ordre'") as unknown:
        await timelines.of("default", "live", "ordre", "o-1", NOW)
    assert unknown.value.remedy == "did you mean 'order'?"
    with pytest.raises(NotFound, match="no event of order 'o-9' in run 'live'"):
        await timelines.of("default", "live", "order", "o-9", NOW)


async def test_what_is_no_frame_is_passed_over(log: EmbeddedLog) -> None:
    """A record that somebody else wrote does not keep a timeline from being read."""
    event = frame([row("placed", "o-1", 10, "a")])
    foreign = Append(event.topic, event.partition, None, b"foreign " + (event.value or b""))
    await log.append([foreign, event])
    timeline = await Timelines(log, TOPICS, programs).of("default", "live", "order", "o-1", NOW)
    assert ids(timeline.events) == ["a"]


async def test_what_the_intake_added_to_each_event_is_told_beside_it(log: EmbeddedLog) -> None:
    """Texts as they are, amounts as they are written; what was absent is null. The events stay as they came."""
    derived = {
        **FIELDS,
        "region": Field("region", FieldType.STRING, lookup=FromLookup("sites", ("site",), "region")),
        "eur": Field("eur", FieldType.DECIMAL, scale=2, convert=Conversion("net", "EUR", "USD", rates="fx")),
    }
    types = {name: replace(type_, fields=derived) for name, type_ in TYPES.items()}
    program = Program(Catalogue(types, {"order": ORDER}, {}), (), {}, {})

    async def known(tenant: str, run: str) -> Program:
        return program

    builder = FrameBuilder({name: list(derived.values()) for name in TYPES})
    for each, values in (
        (row("placed", "o-1", 10, "a", "W1"), ("W1", None, "North", -1_205)),
        (row("shipped", "o-1", 30, "b"), (None, None, None, None)),
    ):
        builder.add(each._replace(values=values))
    value = builder.build(Head(Kind.EVENTS, "default", "live", 0, "", 1_000))
    await log.append([Append(TOPICS.events.name, partition_of("order\0o-1", 2), None, value)])
    timeline = await Timelines(log, TOPICS, known).of("default", "live", "order", "o-1", NOW)
    assert ids(timeline.events) == ["a", "b"]
    assert timeline.derived == [{"region": "North", "eur": "-12.05"}, {"region": None, "eur": None}]
