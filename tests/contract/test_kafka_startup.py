"""What would lose events is refused before anything is written: it is named, with its value and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chaos.broker import Broker
from services.adapters.log import open_log, startup
from services.adapters.log.kafka import KafkaLog
from services.errors import Conflict, Unavailable
from services.intake.source_topics import SourceTopics
from services.ports import Cleanup, TopicSpec
from tests.unit.intake.given import ListLog, intake_of


async def test_brokers_of_two_clusters_are_refused(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each client would connect to either of them."""
    monkeypatch.setenv("SIGHTLINE_KAFKA_CLUSTER_ID", "b3RoZXItY2x1c3Rlci0wMQ")
    other = Broker(tmp_path / "kafka")
    other.start()
    try:
        with pytest.raises(Conflict, match="belong to 2 clusters") as refusal:
            await KafkaLog(f"{kafka},{other.address}").start()
    finally:
        other.kill()
    assert refusal.value.field == "broker.url"
    assert refusal.value.value == f"kafka://{kafka},{other.address}"
    assert refusal.value.remedy


async def test_brokers_of_one_cluster_are_taken_though_one_is_down(kafka: str) -> None:
    """A cluster goes on without one of its brokers, and so does whoever starts then."""
    port = kafka.rpartition(":")[2]
    log = KafkaLog(f"{kafka},localhost:{port},127.0.0.1:1")
    await log.start()
    await log.stop()


async def test_a_missing_codec_is_refused(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it what somebody else has compressed could not be read."""
    monkeypatch.setitem(startup._CODECS, "zstd", lambda: False)
    with pytest.raises(Unavailable, match="codecs for compressed records are missing: zstd") as refusal:
        await KafkaLog(kafka).start()
    assert refusal.value.remedy == "install aiokafka[zstd]"


async def test_a_topic_whose_leader_may_be_a_broker_that_lags_behind_is_refused(
    kafka: str, topic_prefix: str
) -> None:
    """What the others had acknowledged would be gone."""
    name = f"{topic_prefix}.events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    loose = {
        "unclean.leader.election.enable": "true",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "-1",
    }
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs=loose)])
    await admin.close()
    log = KafkaLog(kafka)
    await log.start()
    try:
        with pytest.raises(
            Conflict, match=f"{name}.*unclean.leader.election.enable is true, not false"
        ) as refusal:
            await log.ensure([TopicSpec(name, 1, retention_ms=-1)])
    finally:
        await log.stop()
    assert "--add-config unclean.leader.election.enable=false" in (refusal.value.remedy or "")


@pytest.mark.parametrize("kind", ["embedded", "kafka"])
async def test_a_compacted_source_topic_is_refused(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> None:
    """An event whose key comes again would be gone before it is read."""
    url = (
        f"embedded://{tmp_path / 'log'}"
        if kind == "embedded"
        else f"kafka://{request.getfixturevalue('kafka')}"
    )
    name = f"{topic_prefix}.erp-out"
    log = open_log(url)
    await log.start()
    try:
        await log.ensure([TopicSpec(name, 1, Cleanup.COMPACT)])
        topics = SourceTopics(
            intake_of(ListLog()), log, group=f"{topic_prefix}.intake", sources={name: "erp"}, tenant="default"
        )
        with pytest.raises(Conflict, match=f"{name}.*is compacted") as refusal:
            await topics.start()
    finally:
        await log.stop()
    assert (refusal.value.field, refusal.value.value) == ("SIGHTLINE_INTAKE__SOURCES", name)
    assert "cleanup.policy" in (refusal.value.remedy or "")
