"""What is looked at before anything is written to a Kafka cluster: settings under which events would be lost."""

from __future__ import annotations

from collections.abc import Mapping

from aiokafka import codec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.errors import Conflict, Unavailable

_CODECS = {"lz4": codec.has_lz4, "snappy": codec.has_snappy, "zstd": codec.has_zstd}


def require_codecs() -> None:
    """Somebody else's records may be compressed: without its codec aiokafka's fetcher ends, and says nothing."""
    lacking = [name for name, present in _CODECS.items() if not present()]
    if lacking:
        raise Unavailable(
            f"codecs for compressed records are missing: {', '.join(lacking)}",
            field="aiokafka",
            value=lacking,
            remedy=f"install aiokafka[{','.join(lacking)}]",
        )


async def cluster_ids(bootstrap: str, *, client_id: str, request_timeout_ms: int) -> Mapping[str, str]:
    """The cluster that each address of ``bootstrap`` belongs to; addresses that do not answer are left out."""
    found: dict[str, str] = {}
    for address in bootstrap.split(","):
        admin = AIOKafkaAdminClient(
            bootstrap_servers=address, client_id=client_id, request_timeout_ms=request_timeout_ms
        )
        try:
            await admin.start()
            found[address] = str((await admin.describe_cluster())["cluster_id"])
        except (KafkaError, OSError):
            continue  # one broker of a cluster may be down
        finally:
            await admin.close()
    return found


def one_cluster(ids: Mapping[str, str]) -> str:
    """The id of the one cluster. ``Conflict`` where addresses belong to several: each client would take another one."""
    clusters: dict[str, list[str]] = {}
    for address, cluster in ids.items():
        clusters.setdefault(cluster, []).append(address)
    if len(clusters) > 1:
        told = "; ".join(f"{cluster}: {', '.join(addresses)}" for cluster, addresses in clusters.items())
        raise Conflict(
            f"the addresses of the broker belong to {len(clusters)} clusters ({told})",
            field="broker.url",
            value="kafka://" + ",".join(ids),
            remedy="name brokers of one cluster only",
        )
    return next(iter(clusters), "")
