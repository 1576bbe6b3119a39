"""The question in plain Faust: one agent, one windowed table, an update per event.

Run by its own interpreter: ``python faust_table.py BROKER APP SOURCE OUTPUT FOLDER REGROUP``. The table's changelog is
its output. What is tuned: no models (JSON through orjson stays a dict), one table for all figures instead of four, the
memory store, large buffers and batches, uvloop, no web server, commits every two seconds.
"""

from __future__ import annotations

import sys
from datetime import datetime

import faust

BROKER, NAME, SOURCE, _, FOLDER, REGROUP = sys.argv[1:7]

app = faust.App(
    NAME,
    broker=f"kafka://{BROKER}",
    datadir=FOLDER,
    store="memory://",
    topic_partitions=4,
    topic_replication_factor=1,
    broker_commit_interval=2.0,
    broker_max_poll_records=5_000,
    stream_buffer_maxsize=16_384,
    stream_wait_empty=False,
    producer_linger=0.02,
    producer_max_batch_size=256 << 10,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
source = app.topic(SOURCE, key_serializer="raw", value_serializer="json")
totals = app.Table("totals", default=lambda: [0, 0.0, 0, 0], key_type=str, partitions=4).tumbling(
    60.0, expires=3_600.0, key_index=False
)
if REGROUP == "true":
    # records of a repartition topic bear the time at which they were sent, not the event's
    totals = totals.relative_to(lambda event: datetime.fromisoformat(event.value["time"]).timestamp())


@app.agent(source)
async def fold(events: faust.Stream[dict]) -> None:
    """Add each event to the window of its own time."""
    if REGROUP == "true":
        events = events.group_by(lambda event: event["data"]["site"], name="site", partitions=4)
    async for event in events:
        data = event["data"]
        window = totals[data["site"]]
        count, amount, weight, late = window.value()
        totals[data["site"]] = [
            count + 1,
            amount + data["amount"],
            weight + data["weight"],
            late + data["late"],
        ]


if __name__ == "__main__":
    sys.argv = [sys.argv[0], "--loop", "uvloop", "worker", "-l", "error", "--without-web"]
    app.main()
