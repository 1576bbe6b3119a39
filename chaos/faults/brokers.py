"""The broker is killed, stays away, or stands still with its connections open."""

from __future__ import annotations

import time
from collections.abc import Callable

from chaos.broker import Broker
from chaos.faults.row import Row
from chaos.scene import Scene
from chaos.stage import Scale

AWAY_S = 60.0
A_KILL_TAKES = 8.0


def killed(scene: Scene, scale: Scale) -> None:
    """SIGKILL under load, and started again at once."""
    broker = _broker(scene)
    scene.rate = min(scene.rate, len(scene.stream.sent) / (A_KILL_TAKES * scale.repetitions))
    with scene.cluster.supervised() as restarts, scene.load():
        for _ in range(scale.repetitions):
            scene.pause(1.0, 4.0)
            broker.kill()
            broker.start()
            scene.repetitions += 1
            scene.until(lambda: all(p.ready() for p in scene.cluster.processes.values()), "ready again", 120)
    _tell(scene, restarts)


def away(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """A minute without a broker: the intake says so, stays small, and nothing has to be started by hand."""
    broker = _broker(scene)
    _without(scene, broker.kill, broker.start)


def frozen(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """The same with a broker that keeps its connections and answers nothing."""
    broker = _broker(scene)
    _without(scene, broker.freeze, broker.thaw)


def _without(scene: Scene, take: Callable[[], None], give_back: Callable[[], None]) -> None:
    api = scene.cluster["api"]
    with scene.cluster.supervised() as restarts, scene.load() as feeder:
        scene.sent(feeder, 0.3)
        before = api.memory()
        take()
        begun = time.monotonic()
        while time.monotonic() < begun + AWAY_S:
            scene.figures["intake_grew_mb"] = max(
                scene.figures.get("intake_grew_mb", 0.0), (api.memory() - before) / 1e6
            )
            time.sleep(1.0)
        give_back()
        scene.repetitions += 1
        scene.figures["ready_again_s"] = scene.until(
            lambda: all(p.ready() for p in scene.cluster.processes.values()), "ready again", 120
        )
    _tell(scene, restarts)
    if feeder.answers[503] != feeder.retry_after:
        scene.differences.append("not every 503 said when to try again")
    if not feeder.answers[503]:
        scene.differences.append(f"the intake did not answer 503 within {AWAY_S:g} s without a broker")


def _broker(scene: Scene) -> Broker:
    if scene.broker is None:
        raise RuntimeError("there is no broker on the embedded log")
    return scene.broker


def _tell(scene: Scene, restarts: dict[str, int]) -> None:
    if restarts:
        scene.notes.append(
            f"ended by themselves and were started again by their supervisor: {dict(restarts)}"
        )


ROWS = (
    Row("broker-killed", "broker killed and started again", killed),
    Row("broker-away", f"broker away for {AWAY_S:.0f} s", away),
    Row("broker-frozen", f"broker without an answer for {AWAY_S:.0f} s", frozen),
)
