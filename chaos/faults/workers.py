"""Workers come, go, and wake up when others have taken over."""

from __future__ import annotations

import signal
import time

from chaos.faults.row import Row
from chaos.scene import Scene
from chaos.stage import Scale

ASLEEP_S = 15.0
"""Longer than the session timeout (10 s)."""


def joins_and_leaves(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """A second worker joins, the first leaves in an orderly way, and comes back."""
    scene.rate = min(scene.rate, len(scene.stream.sent) / 40)
    with scene.load():
        scene.pause(1.0, 2.0)
        scene.cluster.start("processor-2")
        scene.pause(1.0, 2.0)
        scene.cluster["processor"].end()
        scene.pause(11.0, 13.0)
        scene.cluster.start("processor")
        scene.pause(1.0, 2.0)
    scene.repetitions = 3
    scene.cluster.wait_ready("processor", "processor-2")


def zombie(scene: Scene, scale: Scale) -> None:
    """One of two workers is paused beyond its session, and wakes up with what it was about to write."""
    scene.rate = min(scene.rate, len(scene.stream.sent) / 45)
    scene.cluster.start("processor-2")
    scene.cluster.wait_ready("processor", "processor-2")
    with scene.cluster.supervised() as restarts, scene.load():
        for name in ("processor", "processor-2")[: max(1, min(2, scale.repetitions))]:
            scene.pause(2.0, 4.0)
            scene.cluster[name].send(signal.SIGSTOP)
            time.sleep(ASLEEP_S)
            scene.cluster[name].send(signal.SIGCONT)
            scene.repetitions += 1
    scene.until(lambda: all(p.ready() for p in scene.cluster.processes.values()), "ready again")
    if restarts:
        scene.notes.append(
            f"ended by themselves and were started again by their supervisor: {dict(restarts)}"
        )


ROWS = (
    Row("worker-joins", "a worker joins, another leaves and comes back", joins_and_leaves),
    Row("zombie", f"each of two workers paused for {ASLEEP_S:.0f} s, awake as a zombie", zombie),
)
