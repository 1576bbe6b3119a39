"""Sets the stage of a row: broker, database and processes, all of its own, gone when the row is over."""

from __future__ import annotations

import contextlib
import random
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chaos.broker import Broker, Topics
from chaos.cluster import Cluster
from chaos.events import MINUTE, SECOND, Stream, arranged, company
from chaos.proxy import Proxy
from chaos.scene import Scene

SPLIT = ("api", "recorder", "processor")
TOGETHER = ("up",)
SPAN = 240 * SECOND


@dataclass(frozen=True)
class Scale:
    """How much a row sends, how fast (events/s), and how often a fault is repeated."""

    orders: int = 4_000
    rate: float = 1_000.0
    repetitions: int = 5


@dataclass
class Servers:
    """What rows share. ``postgres`` None: each row has an SQLite file."""

    broker: Broker
    postgres: str | None = None


def stream(
    seed: int,
    orders: int,
    *,
    again: float = 0.01,
    shuffle: int = 50 * SECOND,
    late: float = 0.005,
    ago: int = MINUTE,
) -> Stream:
    """Four minutes of business that began so long ``ago``."""
    events = company(seed, orders, int(time.time() * 1000) - ago, SPAN)
    return arranged(events, seed, again=again, shuffle=shuffle, late=late)


@contextmanager
def on_kafka(servers: Servers, seed: int, scale: Scale) -> Iterator[Scene]:
    """API with the intake, recorder and one processor, each in a process of its own; none is started yet."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sightline-chaos-")))
        database_url, proxy = f"sqlite+aiosqlite:///{folder}/sightline.sqlite", None
        if servers.postgres is not None:
            database_url = stack.enter_context(fresh_database(servers.postgres))
            proxy = Proxy((urlsplit(database_url).hostname or "", urlsplit(database_url).port or 0))
            proxy.start()
            stack.callback(proxy.stop)
        through = database_url if proxy is None else _through(database_url, proxy)
        prefix = f"chaos{secrets.token_hex(4)}"
        cluster = Cluster(folder, f"kafka://{servers.broker.address}", through, prefix)
        stack.callback(cluster.stop)
        scene = Scene(
            cluster, stream(seed, scale.orders), scale.rate, random.Random(seed), folder, database_url,
            servers.broker, Topics(servers.broker.address), proxy,
        )  # fmt: skip
        stack.callback(scene.close)
        yield scene


@contextmanager
def on_embedded(seed: int, scale: Scale) -> Iterator[Scene]:
    """Everything in one process, on the embedded log and SQLite."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sightline-chaos-")))
        database_url = f"sqlite+aiosqlite:///{folder}/sightline.sqlite"
        cluster = Cluster(folder, f"embedded://{folder}/log", database_url, "sightline")
        stack.callback(cluster.stop)
        chance = random.Random(seed)
        scene = Scene(cluster, stream(seed, scale.orders), scale.rate, chance, folder, database_url)
        stack.callback(scene.close)
        yield scene


@contextmanager
def fresh_database(maintenance: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database on the server."""
    import psycopg  # noqa: PLC0415  # only where PostgreSQL takes part

    name = f"chaos_{secrets.token_hex(4)}"
    with psycopg.connect(maintenance.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield maintenance.rpartition("/")[0] + f"/{name}"
        finally:
            with contextlib.suppress(psycopg.Error):
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _through(url: str, proxy: Proxy) -> str:
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()
