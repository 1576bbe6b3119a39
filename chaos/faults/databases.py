"""The database is away, frozen, slow or locked: KPIs go on, and history catches up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from chaos.faults.row import Row, SkippedError
from chaos.proxy import Proxy, Way
from chaos.scene import Scene
from chaos.stage import Scale

TROUBLE_S = 10.0


def away(scene: Scene, scale: Scale) -> None:
    """Connections break and none can be made."""
    _trouble(scene, scale, _proxy(scene).being(Way.SHUT))


def frozen(scene: Scene, scale: Scale) -> None:
    """Connections stand, and no answer comes."""
    _trouble(scene, scale, _proxy(scene).being(Way.FROZEN))


def slow(scene: Scene, scale: Scale) -> None:
    """Every answer takes a fifth of a second longer."""
    _trouble(scene, scale, _proxy(scene).being(Way.SLOW))


def locked(scene: Scene, scale: Scale) -> None:
    """Somebody holds a lock on the table of history."""
    _trouble(scene, scale, _lock(scene.database_url))


def _trouble(scene: Scene, scale: Scale, trouble: AbstractContextManager[None]) -> None:
    scene.rate = min(scene.rate, len(scene.stream.sent) / (TROUBLE_S * 2))
    _proxy(scene)
    with scene.load() as feeder:
        scene.sent(feeder, 0.2)
        before = scene.counted_on_stream()
        with trouble:
            scene.repetitions += 1
            begun = time.monotonic()
            while time.monotonic() < begun + TROUBLE_S:
                time.sleep(0.5)
            if scene.counted_on_stream() <= before:
                scene.differences.append("KPIs stood still while the database was in trouble")
    _ = scale


@contextmanager
def _lock(url: str) -> Iterator[None]:
    import psycopg  # noqa: PLC0415  # only where PostgreSQL takes part

    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        connection.execute("LOCK TABLE windows, cases IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


def _proxy(scene: Scene) -> Proxy:
    if scene.proxy is None:
        raise SkippedError("history is in SQLite: there is no PostgreSQL server to be put in trouble")
    return scene.proxy


ROWS = (
    Row("database-away", f"database away for {TROUBLE_S:.0f} s", away),
    Row("database-frozen", f"database without an answer for {TROUBLE_S:.0f} s", frozen),
    Row("database-slow", "database slow", slow),
    Row("database-locked", f"tables locked for {TROUBLE_S:.0f} s", locked),
)
