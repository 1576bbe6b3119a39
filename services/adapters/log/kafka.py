"""The log on Kafka, through aiokafka: an idempotent producer with ``acks=all``, readers that assign and seek.

Keys and values are raw bytes. Topics are created with append-time stamps, so that ``Record.timestamp`` means the
same as in the embedded log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from services.adapters.log.producing import Producing
from services.adapters.log.startup import cluster_ids, one_cluster, require_codecs
from services.ending import ended
from services.errors import Conflict, NotFound, TooLarge, Unavailable
from services.ports import MAX_RECORD_BYTES, Append, Cleanup, Record, TopicSpec

T = TypeVar("T")

_LINGER_MS = 5
_BATCH_BYTES = 256 << 10
_FETCH_BYTES = 4 << 20
_BATCH_RECORDS = 5_000
_POLL_MS = 1_000
_REQUEST_MS = 10_000
"""A broker that is there and says nothing is tried anew after so long."""
_KEEPS = {"unclean.leader.election.enable": "false"}
"""With it a broker that lags behind may become the leader, and what others had acknowledged is gone."""
_STOP_S = 1.0
"""A reader that ends has so long to leave its group; where the broker says nothing, the session timeout sees to it."""
_SESSION_MS, _REBALANCE_MS, _HEARTBEAT_MS = 10_000, 20_000, 3_000


class KafkaLog:
    """A ``services.ports.Log`` on the cluster at ``bootstrap`` (``host:port[,host:port]``).

    ``patience_s``: an append during which nothing is acknowledged for so long is ``Unavailable``.
    """

    def __init__(self, bootstrap: str, *, client_id: str = "sightline", patience_s: float = 10.0) -> None:
        self._bootstrap, self._client_id, self._patience = bootstrap, client_id, patience_s
        self._producing: Producing | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._probe: AIOKafkaConsumer | None = None
        self._epoch = ""
        # Its debug messages are formatted whether they are shown or not: 10 % of a core.
        logging.getLogger("aiokafka").setLevel(logging.WARNING)

    async def start(self) -> None:
        require_codecs()
        self._producing = Producing(self._producer, self._patience)
        self._admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, client_id=self._client_id, request_timeout_ms=_REQUEST_MS
        )
        self._probe = self._reader()
        try:
            for part in (self._producing, self._admin, self._probe):
                await part.start()
            self._epoch = str((await self._admin.describe_cluster())["cluster_id"])
            if "," in self._bootstrap:
                one_cluster(
                    await cluster_ids(
                        self._bootstrap, client_id=self._client_id, request_timeout_ms=_REQUEST_MS
                    )
                )
        except Conflict:
            await self.stop()
            raise
        except (KafkaError, OSError) as error:
            await self.stop()
            raise Unavailable(
                f"Kafka at {self._bootstrap} cannot be reached: {error}",
                field="broker.url",
                value=self._bootstrap,
                remedy="check the address and that the broker runs",
            ) from error

    async def stop(self) -> None:
        producing, admin, probe = self._producing, self._admin, self._probe
        self._producing = self._admin = self._probe = None
        if producing is None or admin is None or probe is None:
            return
        await asyncio.gather(producing.stop(), ended(probe.stop(), _STOP_S), ended(admin.close(), _STOP_S))

    @property
    async def epoch(self) -> str:
        return self._epoch

    # --- topics ---

    async def ensure(self, topics: Sequence[TopicSpec]) -> None:
        admin = _open(self._admin)
        existing = set(await _reached(admin.list_topics()))
        await self._check([spec for spec in topics if spec.name in existing])
        missing = [spec for spec in topics if spec.name not in existing]
        if not missing:
            return
        try:
            answer = await _reached(admin.create_topics([_new_topic(spec) for spec in missing]))
        except TopicAlreadyExistsError:
            await self._check(missing)
            return
        errors = [(name, code, message) for name, code, message in answer.topic_errors if code]
        taken = {name for name, code, _ in errors if code == TopicAlreadyExistsError.errno}
        for name, code, message in errors:
            if name not in taken:
                raise Unavailable(f"topic {name} cannot be created: {message or f'error {code}'}", field=name)
        await self._visible([spec.name for spec in missing])
        await self._check([spec for spec in missing if spec.name in taken])

    async def _visible(self, names: Sequence[str]) -> None:
        """Wait until the cluster answers for new topics: their creation is acknowledged a little earlier."""
        admin = _open(self._admin)
        while any(  # noqa: ASYNC110  # the cluster offers nothing to wait on
            found["error_code"] for found in await _reached(admin.describe_topics(list(names)))
        ):
            await asyncio.sleep(0.05)

    async def _check(self, topics: Sequence[TopicSpec]) -> None:
        if not topics:
            return
        admin = _open(self._admin)
        names = [spec.name for spec in topics]
        found = {
            topic["topic"]: len(topic["partitions"]) for topic in await _reached(admin.describe_topics(names))
        }
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        configs: dict[str, dict[str, str]] = {}
        for answer in await _reached(admin.describe_configs(resources)):
            for resource in answer.resources:
                configs[resource[3]] = {entry[0]: entry[1] for entry in resource[4]}
        for spec in topics:
            _compare(spec, found[spec.name], configs.get(spec.name, {}), self._bootstrap)

    async def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        partitions = [TopicPartition(topic, number) for number in await self._partitions(topic)]
        probe = _open(self._probe)
        first = await _reached(probe.beginning_offsets(partitions))
        end = await _reached(probe.end_offsets(partitions))
        return {each.partition: (first[each], end[each]) for each in partitions}

    async def lags(self, group: str, topic: str) -> dict[int, int]:
        committed = await _reached(_open(self._admin).list_consumer_group_offsets(group))
        offsets = {
            each.partition: each_offset.offset
            for each, each_offset in committed.items()
            if each.topic == topic
        }
        return {
            partition: end - max(first, offsets.get(partition, -1))
            for partition, (first, end) in (await self.ends(topic)).items()
        }

    async def _partitions(self, topic: str) -> list[int]:
        described = await _reached(_open(self._admin).describe_topics([topic]))
        if not described or described[0]["error_code"]:
            raise _unknown(topic)
        return sorted(partition["partition"] for partition in described[0]["partitions"])

    async def cleanup(self, topic: str) -> Cleanup:
        await self._partitions(topic)
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"cleanup.policy": None})
        (answer,) = await _reached(_open(self._admin).describe_configs([resource]))
        policies = {entry[0]: entry[1] for each in answer.resources for entry in each[4]}
        return Cleanup.COMPACT if "compact" in policies["cleanup.policy"] else Cleanup.DELETE

    # --- appending ---

    async def append(self, records: Sequence[Append]) -> list[int]:
        producing = _open(self._producing)
        largest = max((len(record.key or b"") + len(record.value or b"") for record in records), default=0)
        if largest > MAX_RECORD_BYTES:
            raise TooLarge(f"a record of {largest} bytes; at most {MAX_RECORD_BYTES} fit", value=largest)
        await _reached(self._know(producing, {(record.topic, record.partition) for record in records}))
        return await producing.append(records)

    async def _know(self, producing: Producing, places: Iterable[tuple[str, int]]) -> None:
        for topic, partition in places:
            known = await producing.partitions(topic)
            if known is None:
                async with asyncio.timeout(self._patience):
                    known = frozenset(await self._partitions(topic))
            if partition not in known:
                raise NotFound(
                    f"topic {topic!r} has no partition {partition}", field="partition", value=partition
                )

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=2 << 20,
            request_timeout_ms=_REQUEST_MS,
        )

    # --- reading ---

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int:
        probe = _open(self._probe)
        at = TopicPartition(topic, partition)
        if partition not in await self._partitions(topic):
            raise NotFound(
                f"topic {topic!r} has no partition {partition}", field="partition", value=partition
            )
        found = (await _reached(probe.offsets_for_times({at: timestamp})))[at]
        if found is not None:
            return int(found.offset)
        return int((await _reached(probe.end_offsets([at])))[at])

    async def read(
        self, topic: str, offsets: Mapping[int, int], *, follow: bool
    ) -> AsyncIterator[Sequence[Record]]:
        ends = await self.ends(topic)
        if unknown := offsets.keys() - ends.keys():
            raise NotFound(f"topic {topic!r} has no partition {min(unknown)}", field="partition")
        positions = {
            TopicPartition(topic, number): max(at, ends[number][0]) for number, at in offsets.items()
        }
        left = {each for each, at in positions.items() if follow or at < ends[each.partition][1]}
        if not left:
            return
        reader = self._reader()
        await _reached(reader.start())
        try:
            await asyncio.sleep(
                0
            )  # a reader that is stopped before its tasks have begun raises CancelledError
            reader.assign(list(left))
            for each in left:
                reader.seek(each, positions[each])
            while left:
                batches = await _reached(
                    reader.getmany(*left, timeout_ms=_POLL_MS, max_records=_BATCH_RECORDS)
                )
                for each, batch in batches.items():
                    if records := _records(batch, None if follow else ends[each.partition][1]):
                        yield records
                if not follow:
                    # The position also passes what compaction removed from the end.
                    left = {each for each in left if await reader.position(each) < ends[each.partition][1]}
        finally:
            await ended(reader.stop(), _STOP_S)

    def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        return KafkaConsumer(self._reader(group, topics))

    def _reader(self, group: str | None = None, topics: Sequence[str] = ()) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            *topics,
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
            session_timeout_ms=_SESSION_MS,
            heartbeat_interval_ms=_HEARTBEAT_MS,
            rebalance_timeout_ms=_REBALANCE_MS,
        )


class KafkaConsumer:
    """A ``services.ports.Consumer``: one member of a Kafka consumer group."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._done: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        await _reached(self._consumer.start())

    async def stop(self) -> None:
        await ended(self._consumer.stop(), _STOP_S)

    async def getmany(self, *, timeout_ms: int, max_records: int) -> Sequence[Record]:
        batches = await _reached(self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records))
        for partition, batch in batches.items():
            self._done[partition] = batch[-1].offset + 1
        return [record for batch in batches.values() for record in _records(batch)]

    async def commit(self) -> None:
        # What a rebalance took away is its new owner's to commit.
        ours = self._consumer.assignment()
        done = {partition: offset for partition, offset in self._done.items() if partition in ours}
        self._done.clear()
        if done:
            await _reached(self._consumer.commit(done))


async def _reached(answer: Awaitable[T]) -> T:
    """Await the cluster; what it or the network refuses becomes ``Unavailable``."""
    try:
        return await answer
    except TopicAlreadyExistsError:
        raise
    except (KafkaError, KafkaConnectionError, OSError) as error:
        raise Unavailable(f"Kafka did not answer: {type(error).__name__} {error}".rstrip()) from error


def _open(part: T | None) -> T:
    if part is None:
        raise Unavailable("the log is not open")
    return part


def _unknown(topic: str) -> NotFound:
    return NotFound(f"there is no topic {topic!r}", field="topic", value=topic)


def _records(batch: Sequence[Any], stop: int | None = None) -> list[Record]:
    return [
        Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value)
        for r in batch
        if stop is None or r.offset < stop
    ]


def _config(spec: TopicSpec) -> dict[str, str]:
    config = {
        "cleanup.policy": spec.cleanup.value,
        "message.timestamp.type": "LogAppendTime",
        **_KEEPS,
        **spec.config,
    }
    if spec.cleanup is Cleanup.DELETE:
        config["retention.ms"] = str(-1 if spec.retention_ms is None else spec.retention_ms)
    return config


def _new_topic(spec: TopicSpec) -> NewTopic:
    topic = NewTopic(spec.name, spec.partitions, 1, topic_configs=_config(spec))
    topic.replication_factor = -1  # the cluster's own default, which the constructor does not let through
    return topic


def _compare(spec: TopicSpec, partitions: int, config: Mapping[str, str], bootstrap: str) -> None:
    """Raise ``Conflict`` with all differences, and the commands that settle them."""
    wanted = _config(spec)
    wrong = {name: value for name, value in wanted.items() if config.get(name) != value}
    differences = [f"{name} is {config.get(name)}, not {value}" for name, value in wrong.items()]
    remedies = []
    if wrong:
        changes = ",".join(f"{name}={value}" for name, value in wrong.items())
        remedies.append(
            f"kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics"
            f" --entity-name {spec.name} --add-config {changes}"
        )
    if partitions != spec.partitions:
        differences.insert(0, f"partitions is {partitions}, not {spec.partitions}")
        remedies.insert(
            0, "partitions are chosen once: set broker.partitions back, or use another broker.prefix"
        )
    if differences:
        raise Conflict(
            f"topic {spec.name} exists already and differs: {'; '.join(differences)}",
            field=spec.name,
            remedy="; ".join(remedies),
        )
