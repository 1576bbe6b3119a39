"""SIGKILL, of each process, at moments that hurt."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

from chaos.cluster import PARTITIONS, READY_S, Process
from chaos.events import MINUTE, Sent, Stream, arranged
from chaos.expectations import Expected
from chaos.faults.row import Row
from chaos.feeding import TopicFeeder
from chaos.scene import Scene
from chaos.stage import Scale, stream

HOURS = 6 * 60 * MINUTE
A_KILL_TAKES = 4.0
"""About (s), with the restart: by it the load is stretched over all kills."""


def processor(scene: Scene, scale: Scale) -> None:
    """While it folds, recovers, joins its group, and right after the first record of a snapshot."""
    moments = itertools.cycle((_folding, _snapshotting, _recovering, _joining))
    _kill(scene, scale, "processor", moments)


def restating(scene: Scene, scale: Scale) -> None:
    """The same, with events of hours ago: every pane is closed when they come, and history is restated."""
    scene.stream = stream(scene.chance.randrange(1 << 30), scale.orders, ago=HOURS)
    scene.expect = _late_unknown
    processor(scene, scale)


def processor_of_one(scene: Scene, scale: Scale) -> None:
    """Everything is one process: intake, log, processor, recorder and page die together."""
    scene.expect = _late_unknown
    _kill(scene, scale, "up", itertools.cycle((_folding,)))


def intake(scene: Scene, scale: Scale) -> None:
    """The process that takes events, tells numbers and holds the live streams."""
    scene.expect = _late_unknown
    _kill(scene, scale, "api", itertools.cycle((_folding,)))


def recorder(scene: Scene, scale: Scale) -> None:
    """While it writes history."""
    _kill(scene, scale, "recorder", itertools.cycle((_folding,)))


def everyone(scene: Scene, scale: Scale) -> None:
    """Each process, one after the other."""
    scene.expect = _late_unknown
    with scene.load() as feeder:
        for number, name in enumerate(("processor", "recorder", "api")):
            scene.sent(feeder, (number + 1) / 4)
            for _ in range(scale.repetitions):
                _restart(scene, name)
        scene.cluster.wait_ready("processor", "recorder", "api")


def source_topic(scene: Scene, scale: Scale) -> None:
    """Events come from a source topic, half of them without an id of their own; its reader is killed."""
    if scene.topics is None or scene.broker is None:
        raise RuntimeError("a source topic needs Kafka")
    topic = f"{scene.cluster.prefix}.from-erp"
    scene.topics.create(topic, 1)
    api = scene.cluster["api"]
    api.end()
    api.environment["SIGHTLINE_INTAKE__SOURCES"] = f'{{"{topic}": "erp"}}'
    scene.cluster.start("api")
    events = [sent.event for sent in scene.stream.sent if sent.event is not None and not sent.again]
    ordered = arranged(events, 1, shuffle=50_000)
    scene.stream = Stream(
        [
            Sent(sent.event.json(named=number % 2 == 0), sent.event)
            for number, sent in enumerate(ordered.sent)
            if sent.event is not None
        ]
    )
    _stretch(scene, scale)
    with scene.load(TopicFeeder(scene.stream.sent, scene.rate, scene.broker.address, topic)):
        for _ in range(scale.repetitions):
            _folding(scene, api)
            _restart(scene, "api")
        scene.cluster.wait_ready("api")
    scene.expect = lambda expected: replace(expected, again=None, late=None)


def _late_unknown(expected: Expected) -> Expected:
    """Without an intake time passes all the same, and what comes after it may be late."""
    return replace(expected, late=None)


def _kill(scene: Scene, scale: Scale, name: str, moments: itertools.cycle[Moment]) -> None:
    _stretch(scene, scale)
    process = scene.cluster[name]
    with scene.load():
        for _ in range(scale.repetitions):
            next(moments)(scene, process)
            _restart(scene, name)
        scene.cluster.wait_ready(name)


def _restart(scene: Scene, name: str) -> None:
    scene.cluster[name].kill()
    scene.cluster.start(name, ready=False)
    scene.repetitions += 1


def _stretch(scene: Scene, scale: Scale) -> None:
    """Let the load last as long as the kills do."""
    scene.rate = min(scene.rate, len(scene.stream.sent) / (A_KILL_TAKES * scale.repetitions))


Moment = Callable[[Scene, Process], None]


def _folding(scene: Scene, process: Process) -> None:
    scene.until(process.ready, "ready again", READY_S)
    scene.pause(0.3, 2.0)


def _recovering(scene: Scene, process: Process) -> None:
    scene.until(lambda: bool(process.parts()), "answers")


def _joining(scene: Scene, process: Process) -> None:  # noqa: ARG001  # a moment
    scene.pause(0.5, 2.5)


def _snapshotting(scene: Scene, process: Process) -> None:
    scene.until(process.ready, "ready again", READY_S)
    if scene.topics is not None:
        scene.topics.wait_for_record(f"{scene.cluster.prefix}-observe-changelog", PARTITIONS)


ROWS = (
    Row("each-killed", "processor, recorder and intake killed in turn", everyone),
    Row("processor-killed", "processor killed: folding, recovering, joining, in a snapshot", processor),
    Row("restating", "the same, with events of hours ago", restating),
    Row("all-in-one-killed", "the one process on the embedded log killed", processor_of_one, embedded=True),
    Row("intake-killed", "intake and API killed", intake),
    Row("source-topic", "reader of a source topic killed", source_topic),
    Row("recorder-killed", "recorder killed", recorder),
)
