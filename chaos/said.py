"""What Sightline says, from outside: numbers and cases over its API, history and dead letters from its database."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from chaos.listening import place
from chaos.oracle import Number, Scope

PAGE = 1_000


@dataclass(frozen=True)
class Said:
    """``time``: the run's engine time; ``counts``: of cases, by what is said of them; ``versions``: of each KPI the
    slots of history by version.
    """

    time: int
    current: dict[tuple[str, Scope], Number]
    counters: dict[str, int]
    letters: list[dict[str, Any]]
    cases: dict[str, dict[str, Any]]
    counts: Counter[str]
    versions: dict[str, dict[str, dict[tuple[Scope, int], Number]]] = field(default_factory=dict)

    @property
    def history(self) -> dict[tuple[str, Scope, int], Number]:
        """(KPI, full scope, start) → number, of KPIs that have one version."""
        return {
            (kpi, *at): number
            for kpi, versions in self.versions.items()
            if len(versions) == 1
            for slots in versions.values()
            for at, number in slots.items()
        }


class Witness:
    """Asks the API at ``url`` and the database at ``database_url``; raises ``OSError`` where one does not answer."""

    def __init__(self, url: str, database_url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=10)
        self._database: Engine = create_engine(database_url.replace("+aiosqlite", ""), pool_pre_ping=True)

    def close(self) -> None:
        """Let go."""
        self._client.close()
        self._database.dispose()

    def ask(self) -> Said:
        """Everything, as it is now."""
        try:
            return self._ask()
        except (httpx2.HTTPError, SQLAlchemyError) as error:
            raise OSError(str(error)) from error

    def glance(self) -> dict[str, Any]:
        """The run's totals, counters and sources; empty where the API does not answer."""
        try:
            found: dict[str, Any] = self._get("/api/v1/kpis")
        except httpx2.HTTPError:
            return {}
        return found

    def _ask(self) -> Said:
        kpis = self._get("/api/v1/kpis", scopes="all")
        values = [value for kpi in kpis["kpis"] for value in kpi["values"]]
        cases, counts = self._cases()
        return Said(
            kpis["time"],
            {
                (value["kpi"], place(value["scope"])): Number(value["value"], value["samples"])
                for value in values
            },
            kpis["counters"],
            self._letters(),
            cases,
            counts,
            self._history(),
        )

    def _get(self, path: str, **parameters: Any) -> Any:
        answer = self._client.get(path, params={name: value for name, value in parameters.items() if value})
        answer.raise_for_status()
        return answer.json()

    def _cases(self) -> tuple[dict[str, dict[str, Any]], Counter[str]]:
        found: dict[str, dict[str, Any]] = {}
        counts: Counter[str] = Counter()
        cursor = None
        while True:
            page = self._get("/api/v1/cases", process="order", limit=PAGE, cursor=cursor)
            found |= {case["case"]: case for case in page["cases"]}
            cursor = page["next"]
            if cursor is None:
                break
        for each in page["counts"]:
            counts.update({name: each[name] for name in ("open", "overdue")} | each["waiting"])
        return found, counts

    def _history(self) -> dict[str, dict[str, dict[tuple[Scope, int], Number]]]:
        found: dict[str, dict[str, dict[tuple[Scope, int], Number]]] = {}
        query = "SELECT kpi, scope, start_ms, kpi_version, value, samples FROM windows WHERE run = 'live'"
        with self._database.connect() as connection:
            for row in connection.execute(text(query)):
                slots = found.setdefault(row.kpi, {}).setdefault(row.kpi_version, {})
                slots[place(json.loads(row.scope)), row.start_ms] = Number(row.value, row.samples)
        return found

    def _letters(self) -> list[dict[str, Any]]:
        query = "SELECT id, origin, event_id, code, message, payload FROM dead_letters"
        with self._database.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]
