"""The question in Quix Streams: a tumbling window over a stream that is grouped by site.

Run by its own interpreter: ``python quix_windows.py BROKER GROUP SOURCE OUTPUT FOLDER REGROUP``. What is tuned: only
what the question needs goes through the repartition topic, one reducer instead of four aggregators, a window is told
once when it closes (``final``; ``current`` would write a record per event), large batches.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from quixstreams import Application

BROKER, NAME, SOURCE, OUTPUT, FOLDER, REGROUP = sys.argv[1:7]


def needed(event: dict[str, Any]) -> dict[str, Any]:
    """What the question asks for."""
    data = event["data"]
    return {"site": data["site"], "amount": data["amount"], "weight": data["weight"], "late": data["late"]}


def first(data: dict[str, Any]) -> list[Any]:
    """A window's totals after its first event."""
    return [1, data["amount"], data["weight"], int(data["late"])]


def add(totals: list[Any], data: dict[str, Any]) -> list[Any]:
    """… and after another one."""
    return [
        totals[0] + 1,
        totals[1] + data["amount"],
        totals[2] + data["weight"],
        totals[3] + data["late"],
    ]


def main() -> None:
    app = Application(
        broker_address=BROKER,
        consumer_group=NAME,
        auto_offset_reset="earliest",
        state_dir=FOLDER,
        commit_interval=1.0,
        loglevel="WARNING",
        consumer_extra_config={"fetch.min.bytes": 64 << 10, "fetch.wait.max.ms": 50},
        producer_extra_config={"linger.ms": 20, "batch.size": 1 << 20, "acks": "all"},
    )
    source = app.topic(SOURCE, key_deserializer="str", value_deserializer="json")
    output = app.topic(OUTPUT, key_serializer="str", value_serializer="json")
    parcels = app.dataframe(source).apply(needed)
    if REGROUP == "true":
        parcels = parcels.group_by("site")
    windows = parcels.tumbling_window(timedelta(minutes=1), grace_ms=timedelta(minutes=3))
    windows.reduce(reducer=add, initializer=first).final().to_topic(output)
    app.run()


if __name__ == "__main__":
    main()
