"""A processor that does not get on ends, and one that has nothing to do does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from faust.types import TP

from services.errors import Stuck
from tests.processors.harness import PARTITIONS, Site
from tests.processors.test_processor import consumer_of

LONG_S = 90
PATIENCE_MS = 8_000
"""Longer than a busy machine takes to restore the states of a test."""


async def test_a_processor_to_which_nothing_comes_though_the_log_has_more_ends(site: Site) -> None:
    """As where a client has lost an assignment without a word: its error says what stands where."""
    site = replace(site, stuck_ms=PATIENCE_MS)
    async with site.running() as (log, processor):
        await site.append(log, range(10))
        await site.settled(log, processor)
        topic = site.topics.events.name
        consumer_of(processor).pause_partitions({TP(topic, number) for number in range(PARTITIONS)})
        await site.append(log, range(10, 20))
        with pytest.raises(Stuck, match=f"{topic}, partition . has stood at 1 for . s, though more waits"):
            await asyncio.wait_for(processor.wait(), LONG_S)


async def test_a_processor_without_work_goes_on(embedded_site: Site) -> None:
    """However often its patience passes: what has been folded and committed has nowhere to go."""
    site = replace(embedded_site, stuck_ms=PATIENCE_MS)
    async with site.running() as (log, processor):
        await site.append(log, range(10))
        await site.settled(log, processor)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(processor.wait(), 1.5 * PATIENCE_MS / 1000)
        await site.append(log, range(10, 20))
        await site.settled(log, processor)
        assert await site.told(log) == await site.expected(log)
