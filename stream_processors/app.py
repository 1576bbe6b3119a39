"""The Faust app, with the settings that keep it quick and honest; the same on both logs.

Topics are created before it starts (``Log.ensure``), its web server stays off, windows and tables of single
values are not used, and what is raw stays raw: keys and values are bytes.
"""

from __future__ import annotations

from typing import Any, cast

import faust
from faust.types import AppT
from yarl import URL

from services.errors import InvalidInput, Unavailable
from services.ports import LocalLog, Log
from services.settings import Settings
from services.topics import Topics
from stream_processors.quiet import quieten
from stream_processors.tables import SnapshotTable, SnapshotTables
from stream_processors.transports import embedded
from stream_processors.transports.seeking import HelpingSchema


class ProcessorApp(faust.App):
    """A Faust app that keeps nothing on disk."""

    def _create_directories(self) -> None:
        """None are needed: tables live in memory and in the log."""


def create_app(settings: Settings, topics: Topics, log: Log, instance: str) -> ProcessorApp:
    """An app for the broker that ``settings`` name.

    ``log`` is the same broker through the port, ``instance`` the worker's name in its group. Raises
    ``InvalidInput`` for an unknown scheme and ``Unavailable`` where a part that Kafka needs is missing.
    """
    quieten()
    scheme = settings.broker.url.partition("://")[0]
    if scheme == "embedded":
        return _on_embedded(settings, topics, log)
    if scheme == "kafka":
        return _on_kafka(settings, topics, instance)
    raise InvalidInput(
        f"unknown broker {settings.broker.url!r}",
        field="broker.url",
        value=settings.broker.url,
        remedy="use embedded://PATH or kafka://HOST:PORT",
    )


def create_table(app: ProcessorApp, name: str, *, changelog: str, partitions: int) -> SnapshotTable:
    """The table in which the processor ``name`` keeps its snapshots."""
    return cast("SnapshotTable", app.Table(name, partitions=partitions, changelog=changelog))


def create_topic(app: ProcessorApp, name: str) -> Any:
    """An input topic; its messages are helpings."""
    return app.topic(name, schema=HelpingSchema(), internal=False)


def _on_embedded(settings: Settings, topics: Topics, log: Log) -> ProcessorApp:
    url = embedded.register(topics.prefix, _local(log))
    app = ProcessorApp(topics.prefix, broker=url, **_options(settings))
    app.transport = app.producer_transport = embedded.Transport([URL(url)], app)
    return app


def _on_kafka(settings: Settings, topics: Topics, instance: str) -> ProcessorApp:
    _require_compiled()
    from stream_processors.transports import kafka  # noqa: PLC0415  # aiokafka is not needed on the embedded log

    hosts = settings.broker.url.removeprefix("kafka://").split(",")
    urls = [URL(f"kafka://{host}") for host in hosts]
    app = ProcessorApp(
        topics.prefix,
        broker=urls,
        consumer_group_instance_id=instance,
        **_options(settings),
    )
    app.transport = app.producer_transport = kafka.Transport(urls, app)
    return app


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "key_serializer": "raw",
        "value_serializer": "raw",
        "Table": SnapshotTable,
        "TableManager": SnapshotTables,
        "table_standby_replicas": 0,
        "web_enabled": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        # A worker that dies is noticed after 10 s; one that dies while joining holds the group for 20 s.
        "broker_session_timeout": 10.0,
        "broker_rebalance_timeout": 20.0,
        "broker_heartbeat_interval": 3.0,
        "consumer_auto_offset_reset": "earliest",
        # Per partition and fetch: ten full frames, to be folded in one call. More would make JUDGE's records, which
        # stand in the same line as OBSERVE's, wait too long.
        "consumer_max_fetch_size": 2 << 20,
        # We commit by ourselves, after snapshots; nothing is ever waited for to be acked.
        "stream_wait_empty": False,
        "stream_buffer_maxsize": 32,
        "producer_acks": -1,
        # A send that is not acknowledged by then ends the process.
        "producer_request_timeout": 30.0,
        "producer_linger": settings.processing.linger_ms / 1000,
        "producer_max_batch_size": 256 << 10,
        "producer_max_request_size": 1 << 20,
    }


def _local(log: Log) -> LocalLog:
    if not hasattr(log, "append_nowait"):
        raise InvalidInput("an embedded:// broker needs the embedded log", field="broker.url")
    return log  # type: ignore[return-value]  # just checked for what the port adds


def _require_compiled() -> None:
    """Faust's Python stream acks frames of an old generation that it skipped."""
    from faust import streams  # noqa: PLC0415  # only looked at here

    if getattr(streams, "_CStreamIterator", None) is None:
        raise Unavailable(
            "Faust's compiled stream is missing",
            remedy="install a binary wheel of faust-streaming and unset NO_CYTHON",
        )


def buffers(app: AppT) -> None:
    """Room for a snapshot's chunks; Faust stops reading when its own buffer holds more than 100 messages."""
    app.producer.buffer.max_messages = 5_000
