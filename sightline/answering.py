"""What the HTTP API works with, put together from a node's parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from api.dependencies import Dependencies, Part
from services import wiring
from services.intake.http import HttpIntake
from services.keys import Keyring
from services.runs import RunCatalogues
from services.timelines import Timelines

if TYPE_CHECKING:
    from services.intake.framing import Intake
    from services.live import LiveView
    from sightline.node import Node


def dependencies(node: Node, keyring: Keyring, live: LiveView, intake: Intake) -> Dependencies:
    """Everything that ``api.app.create_app`` needs."""
    settings, database = node.settings, node.database
    catalogues = RunCatalogues(database.runs, lambda: intake.catalogue, wiring.program_loader())
    return Dependencies(
        tenant=settings.tenant,
        clock=node.clock,
        intake=HttpIntake(intake),
        live=live,
        catalogues=catalogues,
        history=database.history,
        cases=database.cases,
        dead_letters=database.dead_letters,
        runs=database.runs,
        keyring=keyring,
        timelines=Timelines(node.log, node.topics, catalogues.program),
        parts=(lambda: _parts(node),),
        intake_counters=intake.counters,
        recorded=node.recorder.recorded if node.recorder else None,
        lags=lambda: _lags(node),
        hosts=(settings.api.host,),
        max_body_bytes=settings.api.max_body_bytes,
        stream_interval_ms=settings.api.stream_interval_ms,
    )


async def _parts(node: Node) -> Sequence[Part]:
    """What this process runs, and whether each part is ready."""
    parts = [Part("log", ready=True, detail=node.settings.broker.url)]
    if node.processor is not None:
        health = node.processor.health()
        detail = health.failure or "; ".join(health.gaps) or f"{health.lag} records behind"
        ready = not (health.recovering or health.failure or health.gaps)
        parts.append(Part("processor", ready, "recovering" if health.recovering else detail))
    if node.recorder is not None:
        failing = node.recorder.recorded.failing
        parts.append(
            Part("recorder", failing is None, failing or f"{node.recorder.recorded.behind_ms} ms behind")
        )
    return parts


async def _lags(node: Node) -> Mapping[tuple[str, ...], int]:
    """How far the recorder (wherever it runs) and the processor (where it runs here) are behind."""
    topics = node.topics
    group = f"{topics.prefix}.recorder"
    lags: dict[tuple[str, ...], int] = {}
    for spec in (topics.history, topics.cases, topics.dead_letters):
        lags[group, spec.name] = sum((await node.log.lags(group, spec.name)).values())
    if node.processor is not None:
        for partition in node.processor.health().partitions:
            spec = topics.events if partition.processor == "observe" else topics.judging
            key = (partition.processor, spec.name)
            lags[key] = lags.get(key, 0) + partition.lag
    return lags
