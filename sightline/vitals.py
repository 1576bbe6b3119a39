"""What a node tells of its parts, in ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING

from api.dependencies import Part, PartCheck, Vitals
from api.health import elsewhere
from services.errors import SightlineError
from services.recording import group_of
from sightline.node import API, PROCESSOR, RECORDER
from sightline.serving import shown

if TYPE_CHECKING:
    from services.adapters.database import Database
    from services.health import ProcessorHealth
    from services.ports import Log
    from sightline.node import Node

ANSWERS_S = 2.0
"""How long the log or the database may take to answer before it counts as away."""

STANDS_S = 30.0
"""A partition that folds nothing for so long though records wait is not ready."""


def vitals(node: Node) -> Vitals:
    """Of the parts that ``node`` has, started or not; an api without a processor listens whether others speak."""
    checks: list[PartCheck] = [lambda: _parts(node)]
    if PROCESSOR not in node.parts and node.live is not None:
        checks.append(elsewhere(node.live, node.clock))
    return Vitals(
        checks=checks,
        processor=lambda: node.processor.health() if node.processor else None,
        recorded=lambda: node.recorder.recorded if node.recorder else None,
        lags=lambda: _lags(node),
    )


async def log_part(log: Log, topic: str, url: str, within_s: float = ANSWERS_S) -> Part:
    """Whether the log answers when it is asked where ``topic`` ends."""
    return await _answers("log", url, log.ends(topic), within_s)


async def database_part(database: Database, url: str, within_s: float = ANSWERS_S) -> Part:
    """Whether the database answers at all."""
    return await _answers("database", shown(url), database.ping(), within_s)


async def _answers(name: str, url: str, asked: Awaitable[object], within_s: float) -> Part:
    try:
        async with asyncio.timeout(within_s):
            await asked
    except SightlineError as error:
        return Part(name, ready=False, detail=error.message)
    except TimeoutError:
        return Part(name, ready=False, detail=f"{url} did not answer within {within_s:g} s")
    return Part(name, ready=True, detail=url)


async def _parts(node: Node) -> Sequence[Part]:
    """What this process runs, and whether each part is ready."""
    parts = [await log_part(node.log, node.topics.events.name, node.settings.broker.url)]
    if API in node.parts or RECORDER in node.parts:
        parts.append(await database_part(node.database, node.settings.database.url))
    if PROCESSOR in node.parts:
        parts.append(_processor(node.processor.health() if node.processor else None))
    if RECORDER in node.parts:
        recorded = node.recorder.recorded if node.recorder else None
        if recorded is None:
            parts.append(Part("recorder", ready=False, detail="starting"))
        else:
            detail = recorded.failing or f"{recorded.behind_ms} ms behind"
            parts.append(Part("recorder", recorded.failing is None, detail))
    return parts


def _processor(health: ProcessorHealth | None) -> Part:
    if health is None:
        return Part("processor", ready=False, detail="starting")
    standing = health.standing(STANDS_S)
    detail = health.failure or "; ".join((*health.gaps, *standing)) or f"{health.lag} records behind"
    ready = not (health.recovering or health.failure or health.gaps or standing)
    return Part("processor", ready, "recovering" if health.recovering else detail)


async def _lags(node: Node) -> Mapping[tuple[str, ...], int]:
    """How far the recorder (wherever it runs) and the processor (where it runs here) are behind."""
    topics = node.topics
    lags: dict[tuple[str, ...], int] = {}
    if PROCESSOR not in node.parts or RECORDER in node.parts:
        group = group_of(topics)
        for spec in (topics.history, topics.cases, topics.dead_letters):
            lags[group, spec.name] = sum((await node.log.lags(group, spec.name)).values())
    if node.processor is not None:
        for partition in node.processor.health().partitions:
            spec = topics.events if partition.processor == "observe" else topics.judging
            key = (partition.processor, spec.name)
            lags[key] = lags.get(key, 0) + partition.lag
    return lags
