"""``ports.Cases`` in SQL: what is filtered by are columns, the rest of a case is one packed fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, and_, delete, select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.adapters.database import cursors
from services.adapters.database.connection import Connection
from services.adapters.database.tables import NO_DUE, case_counts, cases
from services.domain.facts import CaseFact, CaseFacts
from services.domain.stored import CaseCounts, CaseQuery, Page, StoredCase, next_due

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CaseFact)


class SqlCases:
    """See the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._insert = connection.upsert(cases)
        self._count = connection.upsert(case_counts).returning(case_counts.c.attempt)

    async def replace(self, facts: Sequence[CaseFacts]) -> None:
        """See the port."""
        last: dict[tuple[str, str, int, str], CaseFacts] = {}
        for fact in facts:
            key = (fact.tenant, fact.run, fact.partition, fact.process)
            if key not in last or fact.attempt >= last[key].attempt:
                last[key] = fact
        if not last:
            return
        async with self._connection.writing() as connection:
            for fact in last.values():
                await self._replace(connection, fact)

    async def _replace(self, connection: AsyncConnection, fact: CaseFacts) -> None:
        await connection.execute(
            delete(cases).where(
                cases.c.tenant == fact.tenant,
                cases.c.run == fact.run,
                cases.c.partition == fact.partition,
                cases.c.process == fact.process,
                cases.c.attempt <= fact.attempt,
            )
        )
        counted = (await connection.execute(self._count, _counts(fact))).first()
        if counted is not None and fact.cases:
            await connection.execute(self._insert, [_row(fact, each) for each in fact.cases])

    async def void(self, tenant: str, run: str, attempt: int) -> None:
        """See the port."""
        async with self._connection.writing() as connection:
            for table in (cases, case_counts):
                await connection.execute(
                    delete(table).where(
                        table.c.tenant == tenant, table.c.run == run, table.c.attempt < attempt
                    )
                )

    async def find(
        self, tenant: str, run: str, query: CaseQuery, *, limit: int, cursor: str | None = None
    ) -> Page[StoredCase]:
        """See the port."""
        order = (cases.c.due, cases.c.process, cases.c.case_id)
        statement = _filtered(select(cases).where(cases.c.tenant == tenant, cases.c.run == run), query)
        if cursor is not None:
            statement = statement.where(tuple_(*order) > tuple_(*cursors.decode(cursor, (int, str, str))))
        async with self._connection.reading() as connection:
            rows = (await connection.execute(statement.order_by(*order).limit(limit + 1))).all()
        more = len(rows) > limit
        rows = rows[:limit]
        after = cursors.encode((rows[-1].due, rows[-1].process, rows[-1].case_id)) if more else None
        return Page([_case(row) for row in rows], after)

    async def get(self, tenant: str, run: str, process: str, case: str) -> StoredCase | None:
        """See the port."""
        statement = select(cases).where(
            cases.c.tenant == tenant, cases.c.run == run, cases.c.process == process, cases.c.case_id == case
        )
        async with self._connection.reading() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else _case(row)

    async def counts(self, tenant: str, run: str) -> Sequence[CaseCounts]:
        """See the port."""
        statement = (
            select(case_counts)
            .where(case_counts.c.tenant == tenant, case_counts.c.run == run)
            .order_by(case_counts.c.process)
        )
        async with self._connection.reading() as connection:
            rows = (await connection.execute(statement)).all()
        totals: dict[str, CaseCounts] = {}
        for row in rows:
            totals[row.process] = _plus(totals.get(row.process), row)
        return list(totals.values())


def _filtered(statement: Select[Any], query: CaseQuery) -> Select[Any]:
    conditions = [cases.c.flags.contains(f"|{flag}|", autoescape=True) for flag in query.flags]
    if query.process is not None:
        conditions.append(cases.c.process == query.process)
    if query.step is not None:
        conditions.append(cases.c.step == query.step)
    conditions += [cases.c.attributes[name].as_string() == value for name, value in query.attributes.items()]
    return statement.where(and_(True, *conditions))


def _row(facts: CaseFacts, fact: CaseFact) -> Mapping[str, Any]:
    return {
        "tenant": facts.tenant,
        "run": facts.run,
        "process": facts.process,
        "case_id": fact.case,
        "partition": facts.partition,
        "attempt": facts.attempt,
        "step": fact.step,
        "due": NO_DUE if (due := next_due(fact)) is None else due,
        "flags": f"|{'|'.join(fact.flags)}|",
        "attributes": dict(fact.attributes),
        "told": facts.time,
        "fact": _encoder.encode(fact),
    }


def _counts(facts: CaseFacts) -> Mapping[str, Any]:
    return {
        "tenant": facts.tenant,
        "run": facts.run,
        "process": facts.process,
        "partition": facts.partition,
        "attempt": facts.attempt,
        "time": facts.time,
        "open": facts.open,
        "overdue": facts.overdue,
        "stuck": facts.stuck,
        "waiting": facts.waiting,
    }


def _case(row: Row[Any]) -> StoredCase:
    return StoredCase(
        row.process, _decoder.decode(row.fact), None if row.due == NO_DUE else row.due, row.told
    )


def _plus(total: CaseCounts | None, row: Row[Any]) -> CaseCounts:
    if total is None:
        return CaseCounts(row.process, row.time, row.open, row.overdue, row.stuck, row.waiting)
    waiting = dict(total.waiting)
    for step, count in row.waiting.items():
        waiting[step] = waiting.get(step, 0) + count
    return CaseCounts(
        row.process,
        max(total.time, row.time),
        total.open + row.open,
        total.overdue + row.overdue,
        total.stuck + row.stuck,
        waiting,
    )
