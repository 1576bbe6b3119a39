"""A process to be killed: appends records until there are enough, folds them, and says what it has come to.

Prints one line of progress at a time: ``applied N`` and at the end ``done``.
"""

from __future__ import annotations

import asyncio
import sys

from services.ports import Log
from stream_processors.processor import Processor
from tests.processors.harness import Site, of


async def work(site: Site, records: int) -> None:
    async with site.running(snapshot_ms=30) as (log, processor):
        report = asyncio.create_task(_report(processor))
        present = sum(end for _, end in (await log.ends(site.topics.events.name)).values())
        for start in range(present, records, 20):
            await site.append(log, range(start, min(start + 20, records)))
        await site.settled(log, processor)
        report.cancel()
        sys.stdout.write("done\n")
        sys.stdout.flush()
        await _never(log)


async def _report(processor: Processor) -> None:
    while True:
        applied = sum(health.applied + 1 for health in of(processor, "observe"))
        sys.stdout.write(f"applied {applied}\n")
        sys.stdout.flush()
        await asyncio.sleep(0.01)


async def _never(_log: Log) -> None:
    """Wait for the end: it is killed once more."""
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(work(Site(sys.argv[1], sys.argv[2]), int(sys.argv[3])))
