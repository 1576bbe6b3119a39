"""The engine, and the two kinds of session: ``reading`` and ``writing`` (one transaction, committed at its end)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Table, event, make_url
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.errors import InvalidInput, Unavailable

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}


_TRIES, _PAUSE_S = 400, 0.05


class Connection:
    """Connections to one database; errors of the network or the disk are told as ``Unavailable``."""

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.engine = _engine(self.url)

    @property
    def sqlite(self) -> bool:
        """Whether it is SQLite rather than PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    async def prepare(self) -> None:
        """Have SQLite write ahead, in this file for good; before anything else. Raises ``Unavailable``.

        Where several processes make a new database at once it does not wait for its turn, but refuses.
        """
        for left in reversed(range(_TRIES if self.sqlite else 0)):
            try:
                async with self.engine.connect() as connection:
                    await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            except OperationalError as error:
                if not left or "locked" not in str(error.orig):
                    with _told():
                        raise
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with."""
        with _told():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction. Its first statement must write: SQLite cannot upgrade a reader under contention."""
        with _told():
            async with self.engine.begin() as connection:
                yield connection

    def insert(self, table: Table) -> Any:
        """An INSERT with ``on_conflict_do_update``, which both dialects spell alike but SQLAlchemy types apart."""
        if self.sqlite:
            return sqlite.insert(table)
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # takes 0.06 s to import

        return postgresql.insert(table)

    def upsert(self, table: Table) -> Any:
        """Insert rows that carry an ``attempt``, or replace them unless those that are there are of a later one."""
        fresh = self.insert(table)
        keys = {column.name for column in table.primary_key}
        return fresh.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={
                column.name: fresh.excluded[column.name]
                for column in table.columns
                if column.name not in keys
            },
            where=fresh.excluded.attempt >= table.c.attempt,
        )


class _told:  # noqa: N801  # reads as a verb: `with _told():`
    """Tells an unreachable database as ``Unavailable``, and what it cannot hold (a NUL) as ``InvalidInput``."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DataError):
            raise InvalidInput(f"the database cannot look for this: {error.orig}") from error
        if isinstance(error, OperationalError | InterfaceError) or (
            isinstance(error, DBAPIError) and error.connection_invalidated
        ):
            raise Unavailable(
                f"the database does not answer: {error.orig}",
                remedy="check SIGHTLINE_DATABASE__URL, then try again",
            ) from error


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise _unusable(text) from error
    kind = url.get_backend_name()
    if kind not in _DRIVERS:
        raise _unusable(text)
    return url.set(drivername=_DRIVERS[kind])


def _unusable(text: str) -> InvalidInput:
    return InvalidInput(
        "the database URL cannot be used",
        field="database.url",
        value=text.partition("@")[0].partition("://")[0],  # what follows may hold a password
        remedy="write sqlite+aiosqlite:///PATH or postgresql+psycopg://USER@HOST/NAME",
    )


def _engine(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=5)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": 20})
    event.listen(engine.sync_engine, "connect", _configure)
    return engine


def _configure(connection: Any, _: object) -> None:
    """FULL, not NORMAL: what the recorder has committed must outlast the offsets that it commits to the log."""
    cursor = connection.cursor()
    for pragma in ("synchronous=FULL", "cache_size=-32000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
