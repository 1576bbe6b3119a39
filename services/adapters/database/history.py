"""``ports.History`` in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, Table, delete, or_, select
from sqlalchemy.engine import Row

from services.adapters.database.connection import Connection
from services.adapters.database.tables import amendments, windows
from services.domain.facts import Amendments, ClosedWindow, ClosedWindows, Scope

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
        self._amend = connection.insert(amendments).on_conflict_do_nothing()

    async def record(self, closed: Sequence[ClosedWindows], amended: Sequence[Amendments] = ()) -> None:
        """See the port."""
        begins = {(each.tenant, each.run): each.attempt for each in closed if each.begin}
        rows = [row for each in closed for row in _rows(each)]
        amending = [row for each in amended for row in _amending(each)]
        if not begins and not rows and not amending:
            return
        async with self._connection.writing() as connection:
            for (tenant, run), attempt in begins.items():
                for table in (windows, amendments):
                    earlier = (table.c.tenant == tenant, table.c.run == run, table.c.attempt < attempt)
                    await connection.execute(delete(table).where(*earlier))
            for statement, given in ((self._upsert, rows), (self._amend, amending)):
                for at in range(0, len(given), CHUNK):
                    await connection.execute(statement, given[at : at + CHUNK])

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
        queries = [
            _query(table, (tenant, run, kpi), span=(start, end), scope=wanted, version=version)
            for table in (windows, amendments)
        ]
        async with self._connection.reading() as connection:
            told, amended = [(await connection.execute(query)).all() for query in queries]
        found = [*map(_window, told), *map(_amendment, amended)]
        return [each for each in found if wanted.items() <= each.scope.items()]


def _query(
    table: Table,
    of: tuple[str, str, str],
    *,
    span: tuple[int | None, int | None],
    scope: Scope,
    version: str | None,
) -> Select[Any]:
    """The rows of a KPI, by start, then scope."""
    columns, (start, end) = table.c, span
    query = (
        select(table)
        .where(columns.tenant == of[0], columns.run == of[1], columns.kpi == of[2])
        .order_by(columns.start_ms, columns.scope, columns.kpi_version)
    )
    if start is not None:
        query = query.where(columns.start_ms >= start)
    if end is not None:
        query = query.where(columns.start_ms < end)
    if version is not None:
        query = query.where(columns.kpi_version == version)
    for dimension, value in scope.items():
        # Quotes inside JSON strings are escaped, so this text can only be a member. LIKE may ignore case: the
        # rows are looked at again.
        member = scope_text({dimension: value})[1:-1]
        query = query.where(columns.scope.contains(member, autoescape=True))
    return query


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


def _amending(told: Amendments) -> list[Mapping[str, Any]]:
    return [
        {
            "tenant": told.tenant,
            "run": told.run,
            "kpi": each.kpi,
            "start_ms": each.start,
            "scope": scope_text(each.scope),
            "kpi_version": each.kpi_version,
            "attempt": told.attempt,
            "partition": told.partition,
            "sequence": told.sequence,
            "end_ms": each.end,
            "state": each.state,
        }
        for each in told.amendments
    ]


def _amendment(row: Row[Any]) -> ClosedWindow:
    return ClosedWindow(
        row.kpi,
        row.kpi_version,
        json.loads(row.scope),
        row.start_ms,
        row.end_ms,
        row.sequence,
        None,
        0,
        row.state,
    )
