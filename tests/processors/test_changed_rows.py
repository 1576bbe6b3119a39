"""Rows that change, from the intake to the KPI topic, on the embedded log and on Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from services.catalogue.canonical import load_program, to_text, with_digest
from services.domain.catalogue import Agg, Catalogue, Kpi, KpiType, MeasureSpec, Window, WindowKind
from services.domain.facts import KpiValues
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.intake.framing import LIVE, Intake
from services.ports import Log
from services.records import decode
from services.settings import Intake as IntakeSettings
from tests.naive import model
from tests.processors.harness import PARTITIONS, Site, read_all
from tests.unit.domain.test_engine_equals_naive import START
from tests.unit.domain.test_images_equal_final import VISIT, history
from tests.unit.intake.given import StoppedClock

NOW = START + 9000 * 60_000


def kpi(name: str, measure: MeasureSpec) -> Kpi:
    more: dict[str, Any] = {"window": Window(WindowKind.ALL_TIME), "grain": "1d", "unit": "1"}
    return Kpi(
        name=name, title=name, owner="a@example.com", type=KpiType.SIMPLE, measure=measure,
        dimensions=("site",), **more,
    )  # fmt: skip


CATALOGUE = with_digest(
    Catalogue(
        {"visit": VISIT},
        {},
        {
            "visits": kpi("visits", MeasureSpec(Agg.COUNT, event="visit")),
            "spent": kpi("spent", MeasureSpec(Agg.SUM, event="visit", field="price")),
        },
    )
)

Told = Mapping[tuple[str, str], float | None]


def expected(rows: Sequence[model.Event]) -> Told:
    """By KPI and site ("": of all of them)."""
    counts, sums = Counter[str](), Counter[str]()
    for row in rows:
        for site in {"", row.data["site"] or "-"}:
            counts[site] += 1
            sums[site] += row.data["price"] or Decimal(0)  # type: ignore[assignment]  # exact sums
    told = {("visits", site): float(count) for site, count in counts.items()}
    return told | {("spent", site): float(total) for site, total in sums.items()}


async def told(site: Site, log: Log) -> Told:
    """What was said last of all that is something."""
    said: dict[tuple[str, str], float | None] = {}
    for value in await read_all(log, site.topics.kpis):
        for one in decode(KpiValues, value).values:
            said[one.kpi, one.scope["site"] or "-" if one.scope else ""] = one.value
    return {key: value for key, value in said.items() if value}


async def say(site: Site, log: Log, said: Sequence[bytes]) -> None:
    """What a database says comes in; the log has it then."""
    intake = Intake(
        log, site.topics, StoppedClock(NOW), IntakeSettings(linger_ms=1, tick_ms=100), catalogue=CATALOGUE,
        text=to_text(CATALOGUE), tenant="default", max_event_bytes=10_000,
    )  # fmt: skip
    await intake.start()
    receipt = await intake.accept("default", LIVE, said)
    await intake.stop()
    assert receipt.rejected == []


async def test_rows_count_as_they_are_in_the_end(site: Site) -> None:
    """Half of what a database says, a restart, and the other half, in which some comes again and much is of rows that
    were said before.
    """
    whole = replace(
        site,
        observer=lambda partition: Observer(partition, load_program),
        judge=lambda partition: Judge(partition, load_program, PARTITIONS),
    )
    facts = history(11)
    half = len(facts.said) // 2
    async with whole.running() as (log, processor):
        await say(whole, log, facts.said[:half])
        await whole.settled(log, processor)
    async with whole.running() as (log, processor):
        await say(whole, log, facts.said[half:] + facts.said[: half // 2])
        await whole.settled(log, processor)
        wanted = {key: value for key, value in expected(facts.rows).items() if value}
        assert wanted
        while await told(whole, log) != wanted:  # noqa: ASYNC110  # JUDGE tells a little later than it folds
            await asyncio.sleep(0.1)
