"""A whole API on an embedded log and SQLite, with a clock that tests set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.dependencies import Dependencies, Part, Vitals
from services.adapters.database import Database
from services.adapters.log.embedded import EmbeddedLog
from services.catalogue.canonical import load_program, to_text, with_digest
from services.contributors import ContributorLists
from services.domain.catalogue import (
    Agg,
    Catalogue,
    Direction,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    Lookup,
    LookupSource,
    MeasureSpec,
    Process,
    Step,
    Target,
    Window,
    WindowKind,
)
from services.domain.facts import CaseFact, KpiValue, KpiValues, Reason, Status, ValueColumns
from services.intake.framing import Intake
from services.intake.http import HttpIntake
from services.keys import Keyring
from services.live import LiveView
from services.lookups.book import LookupBook
from services.recording import Recorded
from services.runs import RunCatalogues
from services.settings import Intake as IntakeSettings
from services.topics import Topics

TOPICS = Topics("t", 2)
NOW = 1_772_442_851_000

ORDERS = Kpi(
    "orders",
    "Orders",
    "sales@example.com",
    KpiType.SIMPLE,
    Window(WindowKind.ROLLING, 3_600_000),
    "1h",
    "orders",
    ("site", "carrier"),
    measure=MeasureSpec(Agg.COUNT, event="order.placed"),
    target=Target(100, 10, Direction.AT_LEAST),
)
SHARE = replace(
    ORDERS, name="on_time_share", title="On time", unit="percent", target=None, dimensions=("site",)
)
PLACED = EventType(
    "order.placed",
    "An order came in.",
    {
        name: Field(name, FieldType.STRING, required=name == "order_id")
        for name in ("order_id", "site", "carrier")
    },
    {"order": "order_id"},
    ("site",),
    ("erp",),
)
ORDER = Process(
    "order", "order", (Step("placed", "order.placed"),), "placed", (), {"site": ("placed", "site")}
)
SITES = Lookup(
    "sites",
    ("site",),
    {"region": Field("region", FieldType.STRING)},
    LookupSource.API,
    valid_from="since",
)
CATALOGUE = with_digest(
    Catalogue(
        {"order.placed": PLACED},
        {"order": ORDER},
        {"orders": ORDERS, "on_time_share": SHARE},
        lookups={"sites": SITES},
    )
)


class At:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        return self.at


@dataclass
class Life:
    """A case that was placed and shipped."""

    events: list[bytes]
    fact: CaseFact | None
    truncated: bool = False
    derived: tuple[dict[str, Any], ...] = ({"region": "North"}, {})


class TwoEvents:
    """The same life for every case."""

    async def of(self, tenant: str, run: str, process: str, case: str, now: int) -> Life:
        steps = {"placed": 1, "shipped": 9}
        fact = CaseFact(
            case, "shipped", 1, None, 9, {}, steps, {"promised": (20, None), "pick": (5, 4)}, ["open"]
        )
        return Life([b'{"type":"order.placed","id":"1"}', b'{"type":"order.shipped","id":"2"}'], fact)


@dataclass
class World:
    """The API and what is behind it."""

    app: FastAPI
    deps: Dependencies
    client: httpx2.AsyncClient
    database: Database
    log: EmbeddedLog
    live: LiveView
    clock: At

    async def stream(self) -> asyncio.Task[None]:
        """Start what the lifespan starts."""
        task = asyncio.create_task(self.app.state.broadcaster.run())
        await asyncio.sleep(0)
        return task


def value(number: float | None, kpi: str = "orders", **scope: str) -> KpiValue:
    status, reason = (
        (Status.UNKNOWN, Reason.NO_DATA) if number is None else (Status.ON_PLAN, Reason.WITHIN_TARGET)
    )
    return KpiValue(kpi, scope, number, status, reason, None, 3, NOW - 3_600_000, NOW, NOW - 2_000)


def told(
    position: int, *values: KpiValue, run: str = "live", keyframe: bool = True, **more: object
) -> KpiValues:
    return KpiValues(
        "default",
        run,
        0,
        CATALOGUE.digest,
        0,
        position,
        keyframe,
        NOW - 500,
        NOW - 900,
        ValueColumns.of(values),
        **more,  # type: ignore[arg-type]  # fields of KpiValues
    )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    log = EmbeddedLog(tmp_path / "log")
    await log.start()
    await log.ensure(TOPICS.all())
    database = Database(f"sqlite:///{tmp_path}/db.sqlite")
    await database.start()
    clock = At()
    settings = IntakeSettings(linger_ms=0)
    intake = Intake(
        log,
        TOPICS,
        clock,
        settings,
        catalogue=CATALOGUE,
        text=to_text(CATALOGUE),
        tenant="default",
        max_event_bytes=10_000,
    )
    live = LiveView(log, TOPICS.kpis.name)
    book = LookupBook(log, TOPICS.lookups.name, clock, CATALOGUE, tenant="default")
    await book.start()

    async def processor() -> list[Part]:
        return [Part("processor", ready=False, detail="recovering", progress=0.25)]

    catalogues = RunCatalogues(database.runs, lambda: CATALOGUE, load_program)
    deps = Dependencies(
        tenant="default",
        clock=clock,
        intake=HttpIntake(intake),
        live=live,
        catalogues=catalogues,
        history=database.history,
        cases=database.cases,
        dead_letters=database.dead_letters,
        runs=database.runs,
        keyring=Keyring(database.keys, clock, "default"),
        timelines=TwoEvents(),
        contributors=ContributorLists(log, TOPICS, catalogues.program, load_program),
        vitals=Vitals(checks=[processor], recorded=Recorded),
        intake_counters=intake.counters,
        lookups=book,
        max_body_bytes=100_000,
        stream_interval_ms=10,
        web=tmp_path / "dist",
    )
    app = create_app(deps)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8321") as client:
        yield World(app, deps, client, database, log, live, clock)
    app.state.broadcaster.close()
    await intake.stop()
    await book.stop()
    await database.stop()
    await log.stop()
