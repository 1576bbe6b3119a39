"""The recorder: from the log to SQL, once and for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.adapters.clock import SystemClock
from services.adapters.database import Database
from services.adapters.log.embedded import EmbeddedLog
from services.domain.facts import (
    Amendment,
    Amendments,
    CaseFact,
    CaseFacts,
    ClosedWindow,
    ClosedWindows,
    DeadLetter,
    KpiValues,
    ValueColumns,
)
from services.domain.stored import CaseQuery
from services.errors import Unavailable
from services.ports import Append, Consumer
from services.recording import Recorder
from services.records import Fact, encode
from services.topics import Topics

TOPICS = Topics("t", 2)
NAMES = [spec.name for spec in (TOPICS.history, TOPICS.cases, TOPICS.dead_letters, TOPICS.kpis)]


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    await log.ensure(TOPICS.all())
    yield log
    await log.stop()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/db.sqlite")
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def recorder(log: EmbeddedLog, database: Database) -> Recorder:
    return Recorder(
        log,
        TOPICS,
        SystemClock(),
        history=database.history,
        cases=database.cases,
        dead_letters=database.dead_letters,
        runs=database.runs,
    )


@pytest.fixture
async def consumer(log: EmbeddedLog) -> AsyncIterator[Consumer]:
    consumer = log.consumer("t.recorder", NAMES)
    await consumer.start()
    yield consumer
    await consumer.stop()


def closed(*starts: int, attempt: int = 0, begin: bool = False, partition: int = 0) -> ClosedWindows:
    windows = [ClosedWindow("orders", "v1", {}, start, start + 10, 3, 1.0, 1, b"s") for start in starts]
    return ClosedWindows("default", "olist", attempt, partition, windows, begin)


def case(name: str, attempt: int = 0) -> CaseFacts:
    fact = CaseFact(name, "placed", 1, None, 1, {}, {"placed": 1}, {}, ["open"])
    return CaseFacts("default", "olist", attempt, 0, "order", 5, 1, 0, 0, {}, [fact])


def amended(start: int, *, attempt: int = 0, sequence: int = 7) -> Amendments:
    return Amendments(
        "default", "olist", attempt, 1, sequence, [Amendment("orders", "v1", {}, start, start + 10, b"a")]
    )


def final(attempt: int, *, complete: bool = True) -> KpiValues:
    return KpiValues(
        "default", "olist", attempt, "d", 0, 9, True, 5, 5, ValueColumns.of([]), complete=complete
    )


async def say(log: EmbeddedLog, *facts: Fact) -> None:
    names = {
        ClosedWindows: TOPICS.history,
        Amendments: TOPICS.history,
        CaseFacts: TOPICS.cases,
        DeadLetter: TOPICS.dead_letters,
    }
    topics = [names.get(type(fact), TOPICS.kpis).name for fact in facts]
    await log.append(
        [Append(topic, 0, None, encode(fact)) for topic, fact in zip(topics, facts, strict=True)]
    )


async def drain(recorder: Recorder, consumer: Consumer) -> None:
    while await recorder.step(consumer, timeout_ms=50):
        pass


async def starts(database: Database) -> list[int]:
    return [each.start for each in await database.history.windows("default", "olist", "orders")]


async def cases(database: Database) -> list[str]:
    page = await database.cases.find("default", "olist", CaseQuery(), limit=9)
    return [each.fact.case for each in page.items]


async def test_everything_told_ends_up_in_the_database(
    log: EmbeddedLog, database: Database, recorder: Recorder, consumer: Consumer
) -> None:
    """Windows, cases, dead letters and the last values of a completed run; what cannot be read is counted."""
    letter = DeadLetter("l1", "default", 5, "http", None, None, None, "not-json", "no", "{")
    await say(log, closed(0, 10), case("a"), letter, final(0, complete=False), final(0))
    await log.append([Append(TOPICS.cases.name, 1, None, b"rubbish")])
    await drain(recorder, consumer)
    assert await starts(database) == [0, 10]
    assert await cases(database) == ["a"]
    assert await database.dead_letters.count("default") == 1
    assert await database.runs.finals() == [final(0)]
    recorded = recorder.recorded
    assert (recorded.windows, recorded.cases, recorded.letters, recorded.unreadable) == (2, 1, 1, 1)


async def test_amendments_come_to_the_windows_of_their_attempt(
    log: EmbeddedLog, database: Database, recorder: Recorder, consumer: Consumer
) -> None:
    """On the same topic, once each however often they are told; those of an earlier attempt are void."""
    await say(log, amended(0), closed(0), amended(0), amended(0, sequence=8), amended(10))
    await drain(recorder, consumer)
    assert await starts(database) == [0, 0, 0, 10]
    await say(log, closed(attempt=1, begin=True), amended(20), amended(30, attempt=1))
    await drain(recorder, consumer)
    assert await starts(database) == [30]
    assert recorder.recorded.amendments == 5


async def test_a_new_attempt_replaces_the_run_and_stragglers_of_the_old_are_nothing(
    log: EmbeddedLog, database: Database, recorder: Recorder, consumer: Consumer
) -> None:
    """Whether they come in the same batch or after it."""
    await say(log, closed(0, 10), case("old"))
    await drain(recorder, consumer)
    await say(log, closed(20), closed(attempt=1, begin=True), closed(0, attempt=1), case("late"))
    await drain(recorder, consumer)
    await say(log, closed(30), case("later"), final(0), final(1))
    await drain(recorder, consumer)
    assert await starts(database) == [0]
    assert await cases(database) == []
    assert await database.runs.finals() == [final(1)]


async def test_what_was_not_committed_comes_again_and_changes_nothing(
    log: EmbeddedLog, database: Database, recorder: Recorder
) -> None:
    """Killed between the database and the log: the next one reads the records again."""
    await say(log, closed(0), case("a"))
    first = log.consumer("t.recorder", NAMES)
    await first.start()
    await recorder._keep(recorder.sort(await first.getmany(timeout_ms=50, max_records=100)))
    await first.stop()
    second = log.consumer("t.recorder", NAMES)
    await second.start()
    await drain(recorder, second)
    await second.stop()
    assert (await starts(database), await cases(database)) == ([0], ["a"])


async def test_a_database_that_is_away_is_waited_for(
    log: EmbeddedLog,
    database: Database,
    recorder: Recorder,
    consumer: Consumer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is committed meanwhile, and nothing is lost."""
    monkeypatch.setattr("services.recording.RETRY_S", 0)
    record, failures = database.history.record, [Unavailable("away"), Unavailable("away")]

    async def flaky(told: list[ClosedWindows], amended: list[Amendments]) -> None:
        if failures:
            assert log.committed("t.recorder", TOPICS.history.name, 0) in {None, 0}
            raise failures.pop()
        await record(told, amended)

    monkeypatch.setattr(database.history, "record", flaky)
    await say(log, closed(0))
    await drain(recorder, consumer)
    assert await starts(database) == [0]
    assert recorder.recorded.failing is None
