"""The closed list of metric families in Prometheus' naming practice, and how they are written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import Request
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from starlette.responses import Response

PARTITION = ("processor", "partition")


class Family(NamedTuple):
    """A metric family of the closed list: what it is called, what it says, its labels. Counters end in ``_total``."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Family, ...] = (
    Family("sightline_kpi_status", "1 for the status that a KPI's total has now", ("kpi", "status")),
    Family("sightline_kpi_age_seconds", "how long ago a KPI's total held for certain", ("kpi",)),
    Family(
        "sightline_source_last_event_timestamp_seconds", "event time of a source's latest event", ("source",)
    ),
    Family("sightline_source_last_heard_timestamp_seconds", "when a source was last heard", ("source",)),
    Family("sightline_source_idle", "1 while a source is idle and holds no window open", ("source",)),
    Family("sightline_source_events_total", "events of a source", ("source",)),
    Family(
        "sightline_source_complete_until_timestamp_seconds",
        "event time up to which a declared source is complete",
        ("source",),
    ),
    Family("sightline_source_state", "1 for the state that a declared source is in", ("source", "state")),
    Family("sightline_source_missing_events", "numbers of a source's events that have not come", ("source",)),
    Family("sightline_engine_time_timestamp_seconds", "the engine's time in the live run"),
    Family("sightline_watermark_timestamp_seconds", "event time up to which the live run is complete"),
    Family("sightline_run_events_total", "events of the live run by what became of them", ("kind",)),
    Family(
        "sightline_consumer_lag_records",
        "records of a topic that a group has not read yet",
        ("group", "topic"),
    ),
    Family("sightline_intake_accepted_events_total", "events that the log has acknowledged"),
    Family("sightline_intake_rejected_events_total", "events refused, by reason", ("code",)),
    Family("sightline_intake_frames_total", "frames appended to the log"),
    Family("sightline_intake_frame_bytes_total", "bytes of these frames"),
    Family("sightline_lookup_rows", "rows of a look-up", ("lookup",)),
    Family("sightline_lookup_unmapped_total", "how often a look-up had no row for a key", ("lookup",)),
    Family("sightline_lookup_unmapped_keys", "keys that a look-up has no row for still", ("lookup",)),
    Family("sightline_lookup_refused_records_total", "records of the look-ups' topic that cannot be used"),
    Family("sightline_dead_letters", "dead letters that were not replayed"),
    Family(
        "sightline_processor_recovering", "1 until all states of a processor are restored, and in a rebalance"
    ),
    Family("sightline_processor_lag_records", "records of a partition that wait to be folded", PARTITION),
    Family("sightline_processor_applied_offset", "offset up to which a state is complete", PARTITION),
    Family("sightline_processor_snapshot_age_seconds", "age of a partition's last snapshot", PARTITION),
    Family("sightline_processor_records_total", "records folded", PARTITION),
    Family("sightline_processor_refused_total", "records passed over: they cannot be folded", PARTITION),
    Family("sightline_processor_gap", "1 where the log has lost what a state needs", PARTITION),
    Family("sightline_recorder_windows_total", "closed windows written to the database"),
    Family("sightline_recorder_amendments_total", "amendments of closed windows written to the database"),
    Family("sightline_recorder_cases_total", "notable cases written to the database"),
    Family("sightline_recorder_dead_letters_total", "dead letters written to the database"),
    Family("sightline_recorder_unreadable_total", "records that the recorder could not read"),
    Family("sightline_recorder_delay_seconds", "age of the record that the recorder read last"),
    Family("sightline_stream_clients", "clients on the live stream"),
    Family("sightline_stream_losses_total", "snapshots sent to clients that could not keep up"),
    Family("sightline_part_ready", "1 while a part of the system is ready", ("part",)),
    Family("sightline_metric_series_dropped", "series left out of a KPI's family to bound it", ("family",)),
)

Series = Mapping[Any, float]
"""Label values (a tuple) → figure."""

Figures = Mapping[str, Series]


def closed_families(figures: Figures) -> Iterator[Metric]:
    """The families of ``METRICS`` that have figures; a figure that is not on the list raises ``KeyError``."""
    known = {family.name: family for family in METRICS}
    for name, series in figures.items():
        family = known[name]
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        metric = kind(name.removesuffix("_total"), family.help, labels=family.labels)
        for labels, figure in series.items():
            metric.add_metric(labels, figure)
        yield metric


def exposition(request: Request, families: Sequence[Metric]) -> Response:
    """The families in the text format that the request asks for."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(_Registry(families)), headers={"content-type": content_type})


class _Registry:
    """What prometheus-client's encoders read: families that are there already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
