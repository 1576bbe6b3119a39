"""``ports.History`` in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, or_, select
from sqlalchemy.engine import Row

from services.adapters.database.connection import Connection
from services.adapters.database.tables import windows
from services.domain.facts import ClosedWindow, ClosedWindows, Scope

CHUNK = 2_000
"""Rows per statement: preparing them holds the event loop for some 20 ms."""

_encoder = msgspec.json.Encoder(order="sorted")


def scope_text(scope: Scope) -> str:
    """A scope as canonical JSON."""
    return _encoder.encode(dict(scope)).decode()


class SqlHistory:
    """See the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        fresh = connection.insert(windows)
        newer = fresh.excluded
        changed = ("attempt", "end_ms", "version", "value", "samples", "state")
        self._upsert = fresh.on_conflict_do_update(
            index_elements=list(windows.primary_key),
            set_={name: newer[name] for name in changed},
            where=or_(
                newer.attempt > windows.c.attempt,
                (newer.attempt == windows.c.attempt) & (newer.version > windows.c.version),
            ),
        )

    async def record(self, closed: Sequence[ClosedWindows]) -> None:
        """See the port."""
        begins = {(each.tenant, each.run): each.attempt for each in closed if each.begin}
        rows = [row for each in closed for row in _rows(each)]
        if not begins and not rows:
            return
        async with self._connection.writing() as connection:
            for (tenant, run), attempt in begins.items():
                await connection.execute(
                    delete(windows).where(
                        windows.c.tenant == tenant, windows.c.run == run, windows.c.attempt < attempt
                    )
                )
            for at in range(0, len(rows), CHUNK):
                await connection.execute(self._upsert, rows[at : at + CHUNK])

    async def windows(
        self,
        tenant: str,
        run: str,
        kpi: str,
        *,
        start: int | None = None,
        end: int | None = None,
        scope: Scope | None = None,
        version: str | None = None,
    ) -> Sequence[ClosedWindow]:
        """See the port."""
        wanted = dict(scope or {})
        query = (
            select(windows)
            .where(windows.c.tenant == tenant, windows.c.run == run, windows.c.kpi == kpi)
            .order_by(windows.c.start_ms, windows.c.scope, windows.c.kpi_version)
        )
        if start is not None:
            query = query.where(windows.c.start_ms >= start)
        if end is not None:
            query = query.where(windows.c.start_ms < end)
        if version is not None:
            query = query.where(windows.c.kpi_version == version)
        for dimension, value in wanted.items():
            # Quotes inside JSON strings are escaped, so this text can only be a member. LIKE may ignore case: the
            # rows are looked at again below.
            member = scope_text({dimension: value})[1:-1]
            query = query.where(windows.c.scope.contains(member, autoescape=True))
        async with self._connection.reading() as connection:
            rows = (await connection.execute(query)).all()
        found = (_window(row) for row in rows)
        return [each for each in found if wanted.items() <= each.scope.items()]


def _rows(closed: ClosedWindows) -> list[Mapping[str, Any]]:
    return [
        {
            "tenant": closed.tenant,
            "run": closed.run,
            "kpi": each.kpi,
            "start_ms": each.start,
            "scope": scope_text(each.scope),
            "kpi_version": each.kpi_version,
            "attempt": closed.attempt,
            "end_ms": each.end,
            "version": each.version,
            "value": each.value,
            "samples": each.samples,
            "state": each.state,
        }
        for each in closed.windows
    ]


def _window(row: Row[Any]) -> ClosedWindow:
    return ClosedWindow(
        row.kpi,
        row.kpi_version,
        json.loads(row.scope),
        row.start_ms,
        row.end_ms,
        row.version,
        row.value,
        row.samples,
        row.state,
    )
