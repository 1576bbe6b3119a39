"""What the log holds is lost: snapshots, partials, values, and input that nobody has folded yet."""

from __future__ import annotations

from collections.abc import Callable

from chaos.broker import Topics
from chaos.cluster import PARTITIONS
from chaos.events import Stream
from chaos.faults.row import Row
from chaos.scene import Scene
from chaos.stage import Scale


def snapshots(scene: Scene, scale: Scale) -> None:
    """All snapshots are gone, while committed offsets say that the input was read."""
    _lose(scene, scale, "{0}-observe-changelog", "{0}-judge-changelog")


def judging(scene: Scene, scale: Scale) -> None:
    """JUDGE has lost its state and its input; OBSERVE has not."""
    _lose(scene, scale, "{0}-judge-changelog", "{0}.judging")


def values(scene: Scene, scale: Scale) -> None:
    """What JUDGE has said is gone."""
    _lose(scene, scale, "{0}.kpis")


def folded_input(scene: Scene, scale: Scale) -> None:
    """Retention has taken all input that snapshots cover, and no more."""

    def forget(topics: Topics) -> None:
        topics.forget(_events(scene), topics.committed(scene.cluster.prefix, _events(scene), PARTITIONS))

    _while_down(scene, scale, forget)


def unfolded_input(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """Retention has taken input that nobody has folded: an alarm says from when to when, and nothing is skipped."""
    topics = _topics(scene)
    first, second = _halves(scene.stream)
    with scene.load(scene.feeder(first)):
        pass
    scene.until(lambda: scene.counted() >= len(first.events), "the first half is counted")
    scene.cluster["processor"].kill()
    with scene.load(scene.feeder(second)):
        pass
    ends = topics.ends(_events(scene), PARTITIONS)
    topics.forget(_events(scene), {0: ends[0][1] - 1})
    scene.cluster.start("processor", ready=False)
    processor = scene.cluster["processor"]
    scene.until(lambda: "lost is what came from" in _detail(scene), "the alarm")
    alarm = _detail(scene)
    scene.repetitions = 1
    scene.notes.append(f"/readyz: {alarm}")
    if processor.ready():
        scene.differences.append("the processor is ready, though input is lost")
    counted = scene.counted()
    scene.pause(3.0, 3.0)
    if not len(first.events) <= counted < len(scene.stream.events):
        scene.differences.append(f"{counted} events count, of {len(scene.stream.events)}")
    scene.judged = False


def _detail(scene: Scene) -> str:
    return str(scene.cluster["processor"].parts().get("processor", {}).get("detail", ""))


def _lose(scene: Scene, scale: Scale, *names: str) -> None:
    """Half of the stream, then the topics are deleted while nothing runs that uses them, then the other half."""

    def lose(topics: Topics) -> None:
        users = [name for name in ("api", "recorder") if any(".kpis" in each for each in names)]
        for name in users:
            scene.cluster[name].end()
        topics.delete(*(name.format(scene.cluster.prefix) for name in names))
        for name in users:
            scene.cluster.start(name, ready=False)

    _while_down(scene, scale, lose)


def _while_down(scene: Scene, scale: Scale, work: Callable[[Topics], None]) -> None:  # noqa: ARG001  # a row
    topics = _topics(scene)
    first, second = _halves(scene.stream)
    with scene.load(scene.feeder(first)):
        pass
    scene.until(lambda: scene.counted() >= len(first.events), "the first half is counted")
    scene.cluster["processor"].kill()
    work(topics)
    scene.repetitions += 1
    scene.cluster.start("processor", ready=False)
    scene.until(scene.cluster.api.answers, "the API answers")
    with scene.load(scene.feeder(second)):
        pass
    scene.cluster.wait_ready("processor")


def _halves(stream: Stream) -> tuple[Stream, Stream]:
    half = len(stream.sent) // 2
    return Stream(stream.sent[:half]), Stream(stream.sent[half:])


def _topics(scene: Scene) -> Topics:
    if scene.topics is None:
        raise RuntimeError("there are no topics to be lost on the embedded log")
    return scene.topics


def _events(scene: Scene) -> str:
    return f"{scene.cluster.prefix}.events"


ROWS = (
    Row("snapshots-lost", "all snapshots lost, offsets committed", snapshots),
    Row(
        "judging-lost",
        "JUDGE's state and its input lost",
        judging,
        known="versions of history are offsets of the judging topic: where it begins anew, SQL keeps the older ones",
    ),
    Row("values-lost", "the KPI topic lost", values),
    Row("retention-passed", "retention has passed all that snapshots cover", folded_input),
    Row("input-lost", "retention has passed what nobody had folded: alarm", unfolded_input),
)
