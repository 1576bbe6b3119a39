"""``ports.ApiKeys`` in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import insert, select, update

from services.adapters.database.connection import Connection
from services.adapters.database.tables import api_keys
from services.domain.stored import ApiKey
from services.errors import NotFound


class SqlApiKeys:
    """See the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: ApiKey) -> None:
        """See the port."""
        async with self._connection.writing() as connection:
            await connection.execute(insert(api_keys).values(asdict(key) | {"scopes": list(key.scopes)}))

    async def list(self, tenant: str) -> Sequence[ApiKey]:
        """See the port."""
        statement = (
            select(api_keys).where(api_keys.c.tenant == tenant).order_by(api_keys.c.created, api_keys.c.id)
        )
        async with self._connection.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            ApiKey(row.id, row.tenant, row.name, row.hash, tuple(row.scopes), row.created, row.revoked)
            for row in rows
        ]

    async def revoke(self, tenant: str, key: str, at: int) -> None:
        """See the port."""
        statement = (
            update(api_keys)
            .where(api_keys.c.tenant == tenant, api_keys.c.id == key, api_keys.c.revoked.is_(None))
            .values(revoked=at)
        )
        async with self._connection.writing() as connection:
            result = await connection.execute(statement)
        if not result.rowcount:
            raise NotFound(
                f"no key in use is called {key!r}", field="id", value=key, remedy="sightline keys list"
            )
