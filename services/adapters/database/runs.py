"""``ports.Runs`` in SQL."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.engine import Row

from services.adapters.database.connection import Connection
from services.adapters.database.tables import finals, runs
from services.domain.facts import KpiValues
from services.domain.stored import RunRecord
from services.records import decode, encode

_PART_SHIFT = 16
_log = logging.getLogger(__name__)


class SqlRuns:
    """See the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._begin = connection.upsert(runs)
        self._keep = connection.upsert(finals)

    async def begin(self, run: RunRecord) -> None:
        """See the port."""
        async with self._connection.writing() as connection:
            await connection.execute(self._begin, [asdict(run)])

    async def end(
        self, tenant: str, run: str, attempt: int, ended: int, report: Mapping[str, object]
    ) -> None:
        """See the port."""
        statement = (
            update(runs)
            .where(runs.c.tenant == tenant, runs.c.run == run, runs.c.attempt == attempt)
            .values(ended=ended, report=dict(report))
        )
        async with self._connection.writing() as connection:
            await connection.execute(statement)

    async def get(self, tenant: str, run: str) -> RunRecord | None:
        """See the port."""
        statement = select(runs).where(runs.c.tenant == tenant, runs.c.run == run)
        async with self._connection.reading() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else _run(row)

    async def list(self, tenant: str) -> Sequence[RunRecord]:
        """See the port."""
        statement = select(runs).where(runs.c.tenant == tenant).order_by(runs.c.started.desc(), runs.c.run)
        async with self._connection.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [_run(row) for row in rows]

    async def keep_final(self, values: Sequence[KpiValues]) -> None:
        """See the port."""
        rows = [
            {
                "tenant": each.tenant,
                "run": each.run,
                # A large keyframe comes in parts; each is a row, told apart above the partition's bits.
                "partition": each.partition + (each.part << _PART_SHIFT),
                "attempt": each.attempt,
                "record": encode(each),
            }
            for each in values
        ]
        if rows:
            async with self._connection.writing() as connection:
                await connection.execute(self._keep, rows)

    async def finals(self) -> Sequence[KpiValues]:
        """See the port."""
        async with self._connection.reading() as connection:
            rows = (await connection.execute(select(finals.c.record).order_by(finals.c.partition))).all()
        return [told for row in rows if (told := _readable(row.record)) is not None]


def _readable(record: bytes) -> KpiValues | None:
    """None for what another version wrote: the run can be imported again, and nothing else shall fail for it."""
    try:
        return decode(KpiValues, record)
    except msgspec.DecodeError as error:
        _log.warning("the last values of an import cannot be read, import it again to see them: %s", error)
        return None


def _run(row: Row[Any]) -> RunRecord:
    return RunRecord(
        row.tenant, row.run, row.attempt, row.digest, row.catalogue, row.started, row.ended, row.report
    )
