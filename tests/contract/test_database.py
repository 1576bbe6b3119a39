"""The database's ports: one suite over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection as SyncConnection

from services.adapters.database import Database, cursors, migrations, tables
from services.adapters.database.tables import metadata
from services.domain.facts import (
    Amendment,
    Amendments,
    CaseFact,
    CaseFacts,
    ClosedWindow,
    ClosedWindows,
    DeadLetter,
    KpiValue,
    KpiValues,
    Reason,
    Status,
    ValueColumns,
)
from services.domain.stored import ApiKey, CaseQuery, RunRecord
from services.errors import InvalidInput, NotFound, Unavailable

HOUR = 3_600_000


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/deep/sightline.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.start()
    yield database
    await database.stop()


def window(
    start: int = 0, *, kpi: str = "orders", version: int = 7, value: float | None = 1.5, **scope: str
) -> ClosedWindow:
    return ClosedWindow(kpi, "v1", scope, start, start + HOUR, version, value, 3, b"state\0")


def closed(*windows: ClosedWindow, attempt: int = 0, begin: bool = False, run: str = "live") -> ClosedWindows:
    return ClosedWindows("default", run, attempt, 0, list(windows), begin)


async def test_a_window_comes_back_as_it_was_told(database: Database) -> None:
    """Everything of it: a value that is unknown, the state's bytes, a scope with characters that JSON escapes."""
    told = [window(site='W"01%_\\'), window(HOUR, value=None, site="ü")]
    await database.history.record([closed(*told)])
    assert await database.history.windows("default", "live", "orders") == told


async def test_telling_a_window_again_changes_nothing(database: Database) -> None:
    """The recorder may read a record twice."""
    await database.history.record([closed(window(site="W01"))])
    await database.history.record([closed(window(site="W01", value=9.0))])
    assert await database.history.windows("default", "live", "orders") == [window(site="W01")]


async def test_a_restatement_replaces_whatever_the_order(database: Database) -> None:
    """The greater version wins, also when the older one comes later, also within one batch."""
    newer = window(version=9, value=2.0)
    await database.history.record([closed(newer, window(version=8))])
    await database.history.record([closed(window(version=7))])
    assert await database.history.windows("default", "live", "orders") == [newer]


async def test_a_new_attempt_voids_the_earlier_ones(database: Database) -> None:
    """``begin`` deletes what earlier attempts of that run closed, and of no other run; lower versions win then."""
    await database.history.record([closed(window(), window(HOUR), run="olist"), closed(window())])
    again = window(version=1, value=4.0)
    await database.history.record(
        [closed(begin=True, attempt=1, run="olist"), closed(again, attempt=1, run="olist")]
    )
    assert await database.history.windows("default", "olist", "orders") == [again]
    assert await database.history.windows("default", "live", "orders") == [window()]


def amendments(
    *starts: int, partition: int = 0, sequence: int = 7, attempt: int = 0, run: str = "live", **scope: str
) -> Amendments:
    told = [Amendment("orders", "v1", scope, start, start + HOUR, b"more\0") for start in starts]
    return Amendments("default", run, attempt, partition, sequence, told)


async def test_what_amends_a_window_is_kept_beside_it_once(database: Database) -> None:
    """By partition and sequence: told again it changes nothing, in whatever order it and the window come; a
    restatement leaves it. Where there is no window, it stands alone.
    """
    first = amendments(0, 2 * HOUR, site="W01")
    await database.history.record([], [first])
    await database.history.record([closed(window(site="W01"), window(HOUR, site="W01"))], [first])
    more = [amendments(0, sequence=8, site="W01"), amendments(0, partition=1, site="W01")]
    newer = window(version=9, site="W01")
    await database.history.record([closed(newer)], [*more, first])
    found = await database.history.windows("default", "live", "orders", scope={"site": "W01"})
    told = replace(window(version=7, value=None, site="W01"), samples=0, state=b"more\0")
    assert found[:2] == [newer, window(HOUR, site="W01")]
    assert sorted(found[2:], key=lambda one: (one.start, one.version)) == [
        told,
        told,
        replace(told, version=8),
        replace(told, start=2 * HOUR, end=3 * HOUR),
    ]
    assert await database.history.windows("default", "live", "orders", start=HOUR, end=2 * HOUR) == [
        window(HOUR, site="W01")
    ]


async def test_a_new_attempt_voids_what_amended_the_earlier_ones(database: Database) -> None:
    """As it does the windows; those of other runs stay."""
    await database.history.record([], [amendments(0, run="olist"), amendments(0)])
    await database.history.record([closed(begin=True, attempt=1, run="olist")])
    assert await database.history.windows("default", "olist", "orders") == []
    assert len(await database.history.windows("default", "live", "orders")) == 1


async def test_history_is_read_by_span_scope_and_version(database: Database) -> None:
    """[start, end) of starts; scopes that contain the one asked for, told apart by case."""
    told = [window(hour * HOUR, site=site, carrier="DHL") for hour in range(3) for site in ("W01", "w01")]
    await database.history.record([closed(*told, window(kpi="other"), replace(told[0], kpi_version="v2"))])

    async def starts(**query: object) -> list[tuple[int, str]]:
        found = await database.history.windows("default", "live", "orders", **query)  # type: ignore[arg-type]  # one of the options
        return [(each.start // HOUR, each.scope["site"]) for each in found]

    assert await starts(start=HOUR, end=2 * HOUR) == [(1, "W01"), (1, "w01")]
    assert await starts(scope={"site": "W01"}, version="v1") == [(0, "W01"), (1, "W01"), (2, "W01")]
    assert await starts(scope={"site": "W02"}) == []
    assert await starts(version="v2") == [(0, "W01")]
    assert await database.history.windows("other", "live", "orders") == []


def case(
    name: str,
    *,
    due: int | None = None,
    site: str = "W01",
    step: str = "picked",
    flags: tuple[str, ...] = ("open",),
) -> CaseFact:
    dues: dict[str, tuple[int, int | None]] = {} if due is None else {"promised": (due, None), "pick": (1, 2)}
    return CaseFact(name, step, 1, None, 5, {"site": site}, {"placed": 1, step: 5}, dues, list(flags))


def facts(
    *cases: CaseFact, partition: int = 0, attempt: int = 0, time: int = 10, run: str = "live"
) -> CaseFacts:
    return CaseFacts("default", run, attempt, partition, "order", time, 5, 2, 1, {"picked": 4}, list(cases))


async def test_what_is_said_of_a_partition_replaces_what_was(database: Database) -> None:
    """Other partitions keep theirs; of several records in one call the last holds."""
    await database.cases.replace([facts(case("a"), case("b")), facts(case("c"), partition=1)])
    await database.cases.replace([facts(case("x")), facts(case("a", due=8), time=20)])
    page = await database.cases.find("default", "live", CaseQuery(), limit=10)
    assert [(each.fact.case, each.due, each.told) for each in page.items] == [("a", 8, 20), ("c", None, 10)]
    stored = await database.cases.get("default", "live", "order", "a")
    assert stored is not None
    assert stored.fact == case("a", due=8)


async def test_an_attempt_is_not_overwritten_by_an_earlier_one(database: Database) -> None:
    """What a late record of an earlier attempt says is nothing; ``void`` forgets what it had said before."""
    await database.cases.replace([facts(case("old"), partition=1), facts(case("new"), attempt=1)])
    await database.cases.replace([facts(case("late"))])
    page = await database.cases.find("default", "live", CaseQuery(), limit=10)
    assert [each.fact.case for each in page.items] == ["new", "old"]
    await database.cases.void("default", "live", 1)
    page = await database.cases.find("default", "live", CaseQuery(), limit=10)
    assert [each.fact.case for each in page.items] == ["new"]
    assert [each.open for each in await database.cases.counts("default", "live")] == [5]


async def test_cases_are_found_by_step_flags_and_attributes(database: Database) -> None:
    """All conditions must hold."""
    await database.cases.replace(
        [
            facts(
                case("a", flags=("open", "overdue")),
                case("b", flags=("open", "overdue"), site="W02"),
                case("c", step="shipped"),
            )
        ]
    )

    async def names(query: CaseQuery) -> list[str]:
        return [
            each.fact.case for each in (await database.cases.find("default", "live", query, limit=9)).items
        ]

    assert await names(CaseQuery(flags=("overdue",))) == ["a", "b"]
    assert await names(CaseQuery(flags=("overdue",), attributes={"site": "W02"})) == ["b"]
    assert await names(CaseQuery(step="shipped", process="order")) == ["c"]
    assert await names(CaseQuery(process="ticket")) == []
    assert await names(CaseQuery(flags=("due",))) == []


async def test_pages_of_cases_hold_each_case_once_most_urgent_first(database: Database) -> None:
    """By due time, then name; a foreign cursor is refused."""
    await database.cases.replace([facts(*(case(f"c{i}", due=[30, 10, 20, None, 10][i]) for i in range(5)))])
    seen: list[str] = []
    cursor = None
    while True:
        page = await database.cases.find("default", "live", CaseQuery(), limit=2, cursor=cursor)
        seen += [each.fact.case for each in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ["c1", "c4", "c2", "c0", "c3"]
    with pytest.raises(InvalidInput, match="cursor"):
        await database.cases.find("default", "live", CaseQuery(), limit=2, cursor="bm9uc2Vuc2U")


async def test_a_closed_case_is_not_urgent(database: Database) -> None:
    """Whatever it did not meet; and most urgent is what is due first."""
    await database.cases.replace([facts(replace(case("done", due=1), closed=9), case("late", due=5))])
    page = await database.cases.find("default", "live", CaseQuery(), limit=10)
    assert [(each.fact.case, each.due) for each in page.items] == [("late", 5), ("done", None)]


async def test_counts_are_summed_over_partitions(database: Database) -> None:
    """Per process, with the latest time."""
    await database.cases.replace([facts(), facts(partition=1, time=30)])
    (counts,) = await database.cases.counts("default", "live")
    assert (counts.process, counts.time, counts.open, counts.overdue, counts.stuck) == ("order", 30, 10, 4, 2)
    assert counts.waiting == {"picked": 8}


def letter(name: str, time: int = 5, code: str = "not-json") -> DeadLetter:
    return DeadLetter(name, "default", time, "http", "e1", "data.at", "soon", code, "no", '{"id": "e1"}')


async def test_dead_letters_are_kept_once_listed_latest_first_and_marked(database: Database) -> None:
    """Paged by cursor, by code where asked for; replayed ones no longer count."""
    letters = [letter("a", 1), letter("b", 3), letter("c", 3), letter("d", 2, "unknown-type")]
    await database.dead_letters.add(letters)
    await database.dead_letters.add([replace(letters[0], message="another")])
    first = await database.dead_letters.find("default", limit=2)
    rest = await database.dead_letters.find("default", limit=9, cursor=first.next)
    assert [each.letter.id for each in (*first.items, *rest.items)] == ["c", "b", "d", "a"]
    assert rest.next is None
    assert rest.items[-1].letter == letters[0]
    only = await database.dead_letters.find("default", limit=9, code="unknown-type")
    assert [each.letter.id for each in only.items] == ["d"]
    await database.dead_letters.replayed("default", "d", 77)
    stored = await database.dead_letters.get("default", "d")
    assert stored is not None
    assert stored.replayed == 77
    assert await database.dead_letters.count("default") == 3
    assert await database.dead_letters.get("other", "d") is None


async def test_what_was_refused_for_a_nul_is_still_kept(database: Database) -> None:
    """PostgreSQL's text has no NUL: it is written as an escape."""
    await database.dead_letters.add([replace(letter("a"), payload="x\0y", value=None)])
    stored = await database.dead_letters.get("default", "a")
    assert stored is not None
    assert stored.letter.payload == "x\\u0000y"


async def test_keys_are_listed_and_revoked_once(database: Database) -> None:
    """Oldest first, with their scopes; revoking what is not in use is an error."""
    keys = [
        ApiKey(name, "default", name, f"hash-{name}", ("read", "write"), at, None)
        for at, name in enumerate("ba")
    ]
    for key in keys:
        await database.keys.add(key)
    await database.keys.revoke("default", "a", 9)
    assert await database.keys.list("default") == [keys[0], replace(keys[1], revoked=9)]
    for unknown in ("a", "zz"):
        with pytest.raises(NotFound):
            await database.keys.revoke("default", unknown, 9)


async def test_the_latest_attempt_of_a_run_holds(database: Database) -> None:
    """An older one neither begins nor ends it; the report comes back as it was."""
    run = RunRecord("default", "olist", 2, "d2", "{}", 100)
    await database.runs.begin(run)
    await database.runs.begin(replace(run, attempt=1, digest="d1"))
    await database.runs.end("default", "olist", 1, 150, {})
    assert await database.runs.get("default", "olist") == run
    await database.runs.end("default", "olist", 2, 200, {"read": 5, "rejected": [{"why": "n/a"}]})
    await database.runs.begin(RunRecord("default", "live", 0, "d0", "{}", 300))
    runs = await database.runs.list("default")
    assert [each.run for each in runs] == ["live", "olist"]
    assert (runs[1].ended, runs[1].report) == (200, {"read": 5, "rejected": [{"why": "n/a"}]})
    assert await database.runs.get("default", "nope") is None


async def test_the_last_values_of_a_run_are_kept_per_partition(database: Database) -> None:
    """So that an import can be looked at when the kpis topic has long forgotten it."""
    value = KpiValue("orders", {"site": "W01"}, 2.5, Status.WATCH, Reason.WITHIN_BAND, -0.5, 9, 0, 10, 10)
    told = KpiValues("default", "olist", 1, "d", 0, 5, True, 10, 9, ValueColumns.of([value]), complete=True)
    await database.runs.keep_final([told, replace(told, partition=1)])
    await database.runs.keep_final([replace(told, attempt=0, values=ValueColumns.of([]))])
    assert sorted(await database.runs.finals(), key=lambda each: each.partition) == [
        told,
        replace(told, partition=1),
    ]


async def test_last_values_of_another_version_are_passed_over(database: Database) -> None:
    """With a warning: their run can be imported again."""
    told = KpiValues("default", "olist", 1, "d", 0, 5, True, 10, 9, ValueColumns.of([]), complete=True)
    await database.runs.keep_final([told, replace(told, partition=1)])
    statement = (
        tables.finals.update().where(tables.finals.c.partition == 0).values(record=b"\x81\xa6tenant\xa1x")
    )
    async with database.runs._connection.writing() as connection:  # what an older version left
        await connection.execute(statement)
    assert await database.runs.finals() == [replace(told, partition=1)]


async def test_the_last_values_may_come_in_parts(database: Database) -> None:
    """A keyframe too large for one record is kept and given back part by part, in order."""
    parts = [
        KpiValues("default", "olist", 1, "d", 0, 5, True, 10, 9, ValueColumns.of([]), part=at, parts=2)
        for at in (1, 0)
    ]
    await database.runs.keep_final(parts)
    assert [each.part for each in await database.runs.finals()] == [0, 1]


async def test_starting_again_and_together_is_safe(database: Database) -> None:
    """Migrations run once; a database at the newest revision is left alone."""
    await asyncio.gather(database.start(), database.start())
    await database.ping()


async def test_the_migrations_make_the_tables_that_the_code_uses(database: Database) -> None:
    """A new database has them at once; migrated from nothing, it comes to the same tables, columns, types, keys and
    indexes; and ``HEAD`` is the newest revision.
    """

    def made(connection: SyncConnection) -> dict[str, object]:
        look = inspect(connection)
        return {
            name: (
                {each["name"]: (str(each["type"]), each["nullable"]) for each in look.get_columns(name)},
                look.get_pk_constraint(name),
                {
                    index["name"]: index["column_names"]
                    for index in look.get_indexes(name)
                    if not index["unique"]
                },
                look.get_table_options(name),
            )
            for name in look.get_table_names()
        }

    def migrated(connection: SyncConnection) -> None:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        migrations._upgrade(connection)

    async with database._connection.writing() as connection:
        new = await connection.run_sync(made)
        await connection.run_sync(migrated)
        assert await connection.run_sync(made) == new
    assert set(new) == {*metadata.tables, "alembic_version"}
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_heads() == [migrations.HEAD]


async def test_what_a_database_cannot_hold_is_not_found_in_it(database: Database) -> None:
    """NUL, and numbers beyond 64 bits in a forged cursor: somebody's mistake, never a fault."""
    for odd in ("\0", "x" * 10_000, "'; --"):
        with suppress(InvalidInput):
            assert await database.cases.get("default", "live", "order", odd) is None
            assert await database.history.windows("default", odd, "orders", scope={odd: odd}) == []
    for key in ((2**70, "", ""), (1, "\0", "")):
        with pytest.raises(InvalidInput):
            await database.cases.find("default", "live", CaseQuery(), limit=1, cursor=cursors.encode(key))


async def test_a_database_that_is_not_there_is_unavailable() -> None:
    """And a URL that is none is somebody's mistake; its password is not repeated."""
    with pytest.raises(Unavailable, match="does not answer"):
        await Database("postgresql+psycopg://nobody@127.0.0.1:1/none").start()
    for url in ("nonsense", "mysql://me:secret@host/db"):
        with pytest.raises(InvalidInput) as caught:
            Database(url)
        assert "secret" not in str(caught.value.value)


async def test_processes_that_start_at_once_share_a_new_database(url: str) -> None:
    """One of them makes the schema, the others wait and find it."""
    databases = [Database(url) for _ in range(4)]
    try:
        await asyncio.gather(*(database.start() for database in databases))
        assert [await database.runs.list("default") for database in databases] == [[], [], [], []]
    finally:
        await asyncio.gather(*(database.stop() for database in databases))
