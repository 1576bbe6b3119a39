"""Alembic migrations, shipped with the package and run at start."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection as SyncConnection

from services.adapters.database.connection import Connection
from services.adapters.database.tables import metadata

HEAD = "0002"
"""The newest revision (a test compares it with the files), so that a database that has it starts without Alembic."""

_LOCK = 7_318_349_394_477_056  # "sightline": any number that nothing else in that database locks


async def migrate(connection: Connection) -> None:
    """Bring the schema to ``HEAD``. Several processes may start at once: one goes first, the others find it done."""
    async with connection.reading() as reader:
        current = await reader.run_sync(_current)
    if current == HEAD:
        return
    async with connection.writing() as writer:
        lock = "BEGIN IMMEDIATE" if connection.sqlite else f"SELECT pg_advisory_xact_lock({_LOCK})"
        await writer.exec_driver_sql(lock)
        new = not await writer.run_sync(lambda sync: inspect(sync).get_table_names())
        await writer.run_sync(_create if new else _upgrade)


def _current(connection: SyncConnection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _create(connection: SyncConnection) -> None:
    """A new database starts without Alembic too, as its cookbook has it (a test compares it with a migrated one)."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _upgrade(connection: SyncConnection) -> None:
    from alembic import command  # noqa: PLC0415  # takes 0.4 s to import
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
