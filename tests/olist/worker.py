"""A process to be killed: imports Olist (unless it has been), folds it, says how far it is and what came of it.

Prints a line at a time: ``applied N`` (records of the events topic) and, once the run is complete, ``done``; what was
said then lies in the file given. With ``late`` each event comes up to a day, the allowed lateness, out of order.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from services import records
from services.adapters.log import open_log
from services.domain.facts import ClosedWindows, KpiValues
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.ports import Log, TopicSpec
from services.settings import Broker, Processing, Settings
from services.topics import JUDGE_PARTITIONS, Topics
from stream_processors.processor import Processor
from tests.olist.engine import Said, importing, load, run_import, shuffled

PARTITIONS = 6
SEED, DAY = 7, 86_400_000


async def work(url: str, prefix: str, data: Path, result: Path, *, late: bool) -> None:
    topics = Topics(prefix, PARTITIONS)
    settings = Settings(
        broker=Broker(url=url, prefix=prefix, partitions=PARTITIONS), processing=Processing(snapshot_ms=300)
    )
    log = open_log(url)
    await log.start()
    await log.ensure(topics.all())
    ends = await log.ends(topics.events.name)
    if not any(end for _, end in ends.values()):
        if late:
            await log.append(shuffled((await importing(data)).records, SEED, DAY, topics))
        else:
            await run_import(data, log, topics)
    processor = Processor(
        settings,
        topics,
        log,
        lambda partition: Observer(partition, load, JUDGE_PARTITIONS),
        lambda partition: Judge(partition, load, PARTITIONS),
    )
    await processor.start()
    reporting = asyncio.create_task(_report(processor))
    said = await _listen(log, topics)
    await asyncio.to_thread(result.write_bytes, pickle.dumps(said))
    reporting.cancel()
    await processor.stop()
    await log.stop()
    _say("done")


async def _report(processor: Processor) -> None:
    while True:
        health = [one for one in processor.health().partitions if one.processor == "observe"]
        _say(f"applied {sum(one.applied + 1 for one in health)}")
        await asyncio.sleep(0.05)


async def _listen(log: Log, topics: Topics) -> Said:
    """All that JUDGE ever said, until the run is complete and its history told."""
    said = Said()
    while len(said.complete) < JUDGE_PARTITIONS or len(said.told) < JUDGE_PARTITIONS:
        said = Said()
        async for value in _values(log, topics.kpis):
            said.hear(records.decode(KpiValues, value))
        async for value in _values(log, topics.history):
            said.hear(records.decode(ClosedWindows, value))
        await asyncio.sleep(0.2)
    return said


async def _values(log: Log, topic: TopicSpec) -> AsyncIterator[bytes]:
    async for batch in log.read(topic.name, dict.fromkeys(range(topic.partitions), 0), follow=False):
        for record in batch:
            yield record.value or b""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(
        work(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), late=sys.argv[5:] == ["late"])
    )
