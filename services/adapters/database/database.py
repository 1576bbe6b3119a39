"""The database as a whole: opened, migrated, closed; one adapter per port on it."""

from __future__ import annotations

from sqlalchemy import text

from services.adapters.database.cases import SqlCases
from services.adapters.database.connection import Connection
from services.adapters.database.dead_letters import SqlDeadLetters
from services.adapters.database.history import SqlHistory
from services.adapters.database.keys import SqlApiKeys
from services.adapters.database.runs import SqlRuns


class Database:
    """``start`` before use. ``url`` as in ``settings.Database``; raises ``InvalidInput`` for one that is none."""

    def __init__(self, url: str) -> None:
        self._connection = Connection(url)
        self.runs = SqlRuns(self._connection)
        self.history = SqlHistory(self._connection)
        self.cases = SqlCases(self._connection)
        self.dead_letters = SqlDeadLetters(self._connection)
        self.keys = SqlApiKeys(self._connection)

    async def start(self) -> None:
        """Connect and bring the schema up to date. Raises ``Unavailable``."""
        from services.adapters.database.migrations import migrate  # noqa: PLC0415  # Alembic takes 0.4 s to import

        await self._connection.prepare()
        await migrate(self._connection)

    async def stop(self) -> None:
        """Close all connections. Safe to call twice."""
        await self._connection.engine.dispose()

    async def ping(self) -> None:
        """Raise ``Unavailable`` unless it answers."""
        async with self._connection.reading() as connection:
            await connection.execute(text("SELECT 1"))
