"""The question in Pathway: a table grouped by site and minute.

Run by its own interpreter: ``python pathway_groupby.py BROKER GROUP SOURCE OUTPUT``; PATHWAY_THREADS says how many
workers. What is tuned: JSON is taken apart by the connector, the minute is cut from the time's text (no Python function
runs per event), changes are told every half second. Nothing is kept for a restart.
"""

from __future__ import annotations

import sys

import pathway as pw

BROKER, NAME, SOURCE, OUTPUT = sys.argv[1:5]
KAFKA = {"bootstrap.servers": BROKER}


class Parcel(pw.Schema):
    """An event, as far as it is needed."""

    time: str
    site: str
    amount: float
    weight: int
    late: bool


def main() -> None:
    parcels = pw.io.kafka.read(
        {**KAFKA, "group.id": NAME, "auto.offset.reset": "earliest"},
        topic=SOURCE,
        format="json",
        schema=Parcel,
        json_field_paths={name: f"/data/{name}" for name in ("site", "amount", "weight", "late")},
        autocommit_duration_ms=500,
    )
    parcels = parcels.select(
        pw.this.site,
        pw.this.amount,
        pw.this.weight,
        minute=pw.this.time.str.slice(0, 16),
        late=pw.cast(int, pw.this.late),
    )
    totals = parcels.groupby(pw.this.site, pw.this.minute).reduce(
        pw.this.site,
        pw.this.minute,
        count=pw.reducers.count(),
        amount=pw.reducers.sum(pw.this.amount),
        weight=pw.reducers.sum(pw.this.weight),
        late=pw.reducers.sum(pw.this.late),
    )
    pw.io.kafka.write(totals, {**KAFKA, "linger.ms": "20"}, topic_name=OUTPUT, format="json")
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
