"""``ports.DeadLetters`` in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.engine import Row

from services.adapters.database import cursors
from services.adapters.database.connection import Connection
from services.adapters.database.tables import dead_letters
from services.domain.facts import DeadLetter
from services.domain.stored import Page, StoredDeadLetter

_FIELDS = tuple(field.name for field in fields(DeadLetter))


class SqlDeadLetters:
    """See the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert = connection.insert(dead_letters).on_conflict_do_nothing()

    async def add(self, letters: Sequence[DeadLetter]) -> None:
        """See the port."""
        if letters:
            async with self._connection.writing() as connection:
                await connection.execute(self._insert, [_row(letter) for letter in letters])

    async def find(
        self, tenant: str, *, limit: int, cursor: str | None = None, code: str | None = None
    ) -> Page[StoredDeadLetter]:
        """See the port."""
        order = (dead_letters.c.time, dead_letters.c.id)
        statement = select(dead_letters).where(dead_letters.c.tenant == tenant)
        if code is not None:
            statement = statement.where(dead_letters.c.code == code)
        if cursor is not None:
            statement = statement.where(tuple_(*order) < tuple_(*cursors.decode(cursor, (int, str))))
        statement = statement.order_by(*(column.desc() for column in order)).limit(limit + 1)
        async with self._connection.reading() as connection:
            rows = (await connection.execute(statement)).all()
        more = len(rows) > limit
        rows = rows[:limit]
        after = cursors.encode((rows[-1].time, rows[-1].id)) if more else None
        return Page([_letter(row) for row in rows], after)

    async def get(self, tenant: str, letter: str) -> StoredDeadLetter | None:
        """See the port."""
        statement = select(dead_letters).where(dead_letters.c.tenant == tenant, dead_letters.c.id == letter)
        async with self._connection.reading() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else _letter(row)

    async def replayed(self, tenant: str, letter: str, at: int) -> None:
        """See the port."""
        statement = update(dead_letters).where(dead_letters.c.tenant == tenant, dead_letters.c.id == letter)
        async with self._connection.writing() as connection:
            await connection.execute(statement.values(replayed=at))

    async def count(self, tenant: str) -> int:
        """See the port."""
        statement = (
            select(func.count())
            .select_from(dead_letters)
            .where(dead_letters.c.tenant == tenant, dead_letters.c.replayed.is_(None))
        )
        async with self._connection.reading() as connection:
            return int((await connection.execute(statement)).scalar_one())


def _row(letter: DeadLetter) -> dict[str, Any]:
    """PostgreSQL's text cannot hold NUL; what was refused for one must still be kept."""
    return {
        name: value.replace("\0", "\\u0000") if isinstance(value, str) else value
        for name, value in asdict(letter).items()
    }


def _letter(row: Row[Any]) -> StoredDeadLetter:
    return StoredDeadLetter(DeadLetter(**{name: getattr(row, name) for name in _FIELDS}), row.replayed)
