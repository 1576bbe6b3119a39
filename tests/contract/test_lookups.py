"""Look-ups over both logs: every process has the same, a restart forgets nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from services.adapters.log import open_log
from services.domain.catalogue import (
    Catalogue,
    EventType,
    Field,
    FieldType,
    FromLookup,
    LookupFile,
    LookupSource,
)
from services.domain.frames import decode
from services.domain.lookups import LookupRow
from services.errors import Conflict
from services.intake.framing import Intake
from services.lookups.book import LookupBook
from services.lookups.changes import Manner
from services.lookups.files import Filed, FileRow
from services.lookups.misses import Missed
from services.ports import Append, Log
from services.settings import Intake as IntakeSettings
from services.topics import Topics
from tests.unit.lookups.given import MANAGERS, RATES, SITE_ROWS, SITES

NOON = 1_714_903_200_000  # 2024-05-05T10:00:00Z
FILED = replace(SITES, name="filed", source=LookupSource.FILE, file=LookupFile("sites.csv"))
TOPIC = replace(MANAGERS, name="told", source=LookupSource.TOPIC)
CATALOGUE = Catalogue({}, {}, {}, lookups={one.name: one for one in (SITES, RATES, MANAGERS, FILED, TOPIC)})


class Noon:
    def now(self) -> int:
        return NOON


@pytest_asyncio.fixture
async def log(url: str, topic_prefix: str) -> AsyncIterator[Log]:
    opened = open_log(url)
    await opened.start()
    await opened.ensure([Topics(topic_prefix, 1).lookups])
    yield opened
    await opened.stop()


def book_of(
    log: Log, prefix: str, filed: dict[str, Filed] | None = None, catalogue: Catalogue = CATALOGUE
) -> LookupBook:
    return LookupBook(log, Topics(prefix, 1).lookups.name, Noon(), catalogue, tenant="default", filed=filed)


def found(book: LookupBook, name: str, *key: str, at: int = NOON) -> object:
    row = book.tables[name].find(key, at)
    return None if row is None else row.values[0]


async def until(book: LookupBook, position: int) -> None:
    """Until the book has followed the topic up to there."""
    await book.known(position - 1)


async def test_rows_reach_every_process_and_survive_a_restart(log: Log, topic_prefix: str) -> None:
    """One uploads, another follows, a third comes later: all have the same, corrections and removals included."""
    one, other = book_of(log, topic_prefix), book_of(log, topic_prefix)
    await one.start()
    await other.start()
    rows = [
        {"site": "W01", "region": "North", "since": "2024-01-01", "also": "HAM"},
        {"site": "W02", "region": "South", "since": "2024-01-01"},
        {"site": "W02", "region": "Alps", "since": "2024-06-01"},
    ]
    assert (await one.upload("sites", rows, Manner())).problems == []
    assert found(one, "sites", "HAM") == "North"
    await other.upload("sites", [{**rows[0], "region": "Coast"}, rows[1]], Manner(whole=True, correct=True))
    await until(one, other.position)
    third = book_of(log, topic_prefix)
    await third.start()
    for book in (one, other, third):
        assert found(book, "sites", "W01") == "Coast"
        assert [row.values[0] for row in book.tables["sites"]] == ["Coast", "South"]
        await book.stop()


async def test_a_file_is_the_truth_at_every_start(log: Log, topic_prefix: str) -> None:
    """What it no longer says is gone, its aliases as well; the same file again appends nothing."""
    row = SITE_ROWS.read({"site": "W01", "region": "North", "since": "2024-01-01"})
    other = SITE_ROWS.read({"site": "W02", "region": "South", "since": "2024-01-01"})
    first = book_of(
        log, topic_prefix, {"filed": Filed(FILED, [FileRow(row, 2), FileRow(other, 3)], {"H": "W01"})}
    )
    await first.start()
    assert found(first, "filed", "H") == "North"
    end = first.position
    await first.stop()
    again = book_of(
        log, topic_prefix, {"filed": Filed(FILED, [FileRow(row, 2), FileRow(other, 3)], {"H": "W01"})}
    )
    await again.start()
    assert again.position == end
    await again.stop()
    moved = LookupRow(other.key, other.start, other.end, ("East", None))
    last = book_of(log, topic_prefix, {"filed": Filed(FILED, [FileRow(moved, 2)])})
    await last.start()
    assert [each.values[0] for each in last.tables["filed"]] == ["East"]
    assert found(last, "filed", "H") is None
    with pytest.raises(Conflict, match="come from its file"):
        await last.upload("filed", [{"site": "W01", "region": "X"}], Manner())
    await last.stop()


async def test_others_may_write_rows_and_take_them_back(log: Log, topic_prefix: str) -> None:
    """What cannot be used is counted and listed, and stands in nobody's way."""
    book = book_of(log, topic_prefix)
    await book.start()
    topic = Topics(topic_prefix, 1).lookups.name
    records = {
        b"a": b'{"lookup": "told", "row": {"region": "North", "manager": "Ada"}}',
        b"b": b'{"lookup": "told", "alias": "N", "of": "North"}',
        b"c": b'{"lookup": "told", "row": {"manager": "Nobody"}}',
        b"d": b"no JSON",
        b"e": b'{"lookup": "of another catalogue", "row": {}}',
    }
    await log.append([Append(topic, 0, key, value) for key, value in records.items()])
    await until(book, 5)
    assert found(book, "told", "N") == "Ada"
    assert [(one.offset, one.lookup) for one in book.refused] == [(2, "told"), (3, "")]
    await log.append([Append(topic, 0, b"a", None), Append(topic, 0, b"b", None)])
    await until(book, 7)
    assert (found(book, "told", "North"), found(book, "told", "N")) == (None, None)
    await book.stop()


async def test_what_was_missed_is_summed_over_processes_and_survives_them(
    log: Log, topic_prefix: str
) -> None:
    """Keys, how often, from when to when; a rate by its day in the look-up's time zone."""
    one, other = book_of(log, topic_prefix), book_of(log, topic_prefix)
    await one.start()
    await other.start()
    one.misses.note("sites", ("W09",), NOON)
    one.misses.note("sites", ("W09",), NOON - 5_000)
    other.misses.note("sites", ("W09",), NOON + 7_000)
    other.misses.note("fx", ("JPY", "EUR"), NOON + 12 * 3_600_000 + 1, dated=True)
    await one.stop()
    await other.stop()
    later = book_of(log, topic_prefix)
    await later.start()
    tally = later.missing("sites")[Missed("sites", ("W09",))]
    assert (tally.count, tally.first, tally.last) == (3, NOON - 5_000, NOON + 7_000)
    assert not later.mapped(Missed("sites", ("W09",)), tally)
    assert [missed.day for missed in later.missing("fx")] == ["2024-05-06"]
    await later.upload("sites", [{"site": "W09", "region": "East"}], Manner())
    assert later.mapped(Missed("sites", ("W09",)), tally)
    await later.stop()


async def test_events_get_the_same_fields_whichever_process_takes_them(log: Log, topic_prefix: str) -> None:
    """Two that take events, and one that starts after both: what one was told holds for all, by the event's time."""
    topics = Topics(topic_prefix, 1)
    await log.ensure([topics.events, topics.dead_letters])
    one, other = (
        book_of(log, topic_prefix, catalogue=SHIPPING),
        book_of(log, topic_prefix, catalogue=SHIPPING),
    )
    for book in (one, other):
        await book.start()
    rows = [
        {"site": "W01", "region": "North", "since": "2024-01-01"},
        {"site": "W01", "region": "East", "since": "2024-05-05T12:00:00"},
    ]
    await one.upload("sites", rows, Manner())
    await other.known(one.position - 1)
    third = book_of(log, topic_prefix, catalogue=SHIPPING)
    await third.start()
    regions = []
    for number, book in enumerate((one, other, third)):
        intake = intake_of(log, topics, book)
        bodies = [
            shipped(f"{number}/{site}/{time}", site, time) for site in ("W01", "W02") for time in ("09", "11")
        ]
        assert (await intake.accept("default", "live", bodies)).rejected == []
        await intake.stop()
        await book.stop()
    async for records in log.read(topics.events.name, {0: 0}, follow=False):
        for frame in (decode(record.value or b"") for record in records):
            regions += [
                frame.string(code) for block in frame.blocks for code in block.columns["region"].tolist()
            ]
    assert regions == ["North", "East", "(unmapped)", "(unmapped)"] * 3


REGION = Field("region", FieldType.STRING, lookup=FromLookup("sites", ("site",), "region"))
SHIPPED = EventType("shipped", "", {"site": Field("site", FieldType.STRING), "region": REGION}, {})
SHIPPING = Catalogue({"shipped": SHIPPED}, {}, {}, lookups={"sites": SITES})


def shipped(event: str, site: str, hour: str) -> bytes:
    body = {
        "id": event,
        "source": "wms",
        "type": "shipped",
        "time": f"2024-05-05T{hour}:00:00Z",
        "data": {"site": site},
    }
    return json.dumps(body).encode()


def intake_of(log: Log, topics: Topics, book: LookupBook) -> Intake:
    return Intake(
        log,
        topics,
        Noon(),
        IntakeSettings(linger_ms=1),
        catalogue=SHIPPING,
        text="{}",
        tenant="default",
        max_event_bytes=10_000,
        tables=book.tables,
        misses=book.misses,
    )


async def test_a_catalogue_with_another_look_up_finds_its_rows(log: Log, topic_prefix: str) -> None:
    """The book switches, then the intake: what others had uploaded is known without a restart, what was is kept."""
    topics = Topics(topic_prefix, 1)
    await log.ensure([topics.events])
    other = book_of(log, topic_prefix)
    await other.start()
    await other.upload("sites", [{"site": "W01", "region": "North", "since": "2024-01-01"}], Manner())
    manager = replace(REGION, name="manager", lookup=FromLookup("managers", ("region",), "manager"))
    await other.upload("managers", [{"region": "North", "manager": "Ada"}], Manner())
    await other.stop()
    fields = {**SHIPPED.fields, "manager": manager}
    more = replace(
        SHIPPING,
        events={"shipped": replace(SHIPPED, fields=fields)},
        lookups={"sites": SITES, "managers": MANAGERS},
    )
    book = book_of(log, topic_prefix, catalogue=SHIPPING)
    await book.start()
    intake = intake_of(log, topics, book)
    await intake.start()
    await intake.accept("default", "live", [shipped("before", "W01", "09")])
    await book.switch(more)
    await intake.switch(more, "{}")
    await intake.accept("default", "live", [shipped("after", "W01", "09")])
    await intake.stop()
    await book.stop()
    told = []
    async for records in log.read(topics.events.name, {0: 0}, follow=False):
        for frame in (decode(record.value or b"") for record in records):
            for block in frame.blocks:
                named = {name: block.columns[name] for name in ("region", "manager") if name in block.columns}
                told.append({name: frame.string(int(codes[0])) for name, codes in named.items()})
    assert told == [{"region": "North"}, {"region": "North", "manager": "Ada"}]
