"""The catalogue is changed while events come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chaos.cluster import COMPANY
from chaos.events import MINUTE, Event, Stream
from chaos.faults.row import Row
from chaos.oracle import Number
from chaos.said import Said
from chaos.scene import Scene
from chaos.stage import Scale

KPI = "large_orders"
BEFORE, AFTER = 100, 200
"""From which amount on an order is large."""


def running(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """The API comes back with another catalogue; the processor runs on."""
    _change(scene, down=False)


def down(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """The same while no processor runs: it finds the change in the log."""
    _change(scene, down=True)


def _change(scene: Scene, *, down: bool) -> None:
    half = len(scene.stream.sent) // 2
    first, second = Stream(scene.stream.sent[:half]), Stream(scene.stream.sent[half:])
    with scene.load(scene.feeder(first)):
        pass
    if down:
        scene.cluster["processor"].kill()
    api = scene.cluster["api"]
    api.end()
    api.arguments = (*api.arguments[:-1], str(_changed(scene)))
    scene.cluster.start("api", ready=False)
    scene.until(api.answers, "the API answers")
    with scene.load(scene.feeder(second)):
        if down:
            scene.sent(scene.feeders[-1], 0.5)
            scene.cluster.start("processor", ready=False)
    scene.repetitions = 1
    scene.expect = lambda expected: replace(expected, apart=frozenset({KPI}))
    scene.more = lambda said: list(_apart(said, first.events, second.events))


def _changed(scene: Scene) -> object:
    """What is large begins at twice the amount; the number of orders gets a title and a target."""
    folder = scene.folder / "changed"
    folder.mkdir()
    [path] = COMPANY.glob("*.yaml")
    text = path.read_text()
    for old, new in (
        (f"filter: amount >= {BEFORE}", f"filter: amount >= {AFTER}"),
        ("{name: orders, owner", "{name: orders, title: All orders, owner"),
    ):
        if text.count(old) != 1:
            raise RuntimeError(f"the company's catalogue does not say {old!r} once")
        text = text.replace(old, new)
    (folder / path.name).write_text(text)
    return folder


def _apart(said: Said, before: list[Event], after: list[Event]) -> Iterator[str]:
    """The changed KPI has two versions, each made of its own events alone; of the old one only what had closed."""
    versions = said.versions.get(KPI, {})
    if len(versions) not in {1, 2}:
        yield f"history {KPI}: {len(versions)} versions after a change"
        return
    expected = [_slots(before, BEFORE), _slots(after, AFTER)]
    for version, slots in versions.items():
        wrong = [
            [place for place, n in slots.items() if n.value and n != each.get(place)] for each in expected
        ]
        closest = min(wrong, key=len)
        yield from (f"history {KPI} {version}: {slots[place]} at {place}" for place in closest[:3])
    new = max(
        versions.values(), key=lambda slots: sum(slots.get(place) == n for place, n in expected[1].items())
    )
    for place, number in expected[1].items():
        if new.get(place) != number:
            yield f"history {KPI} since the change: {new.get(place)} instead of {number} at {place}"
    total = said.current.get((KPI, ()))
    count = sum(number.samples for number in expected[1].values())
    if total is None or total.samples > count:
        yield f"now {KPI}: {total}, of {count} since the change"


def _slots(events: list[Event], least: int) -> dict[object, Number]:
    found: dict[object, Number] = {}
    for event in events:
        if event.type == "order.placed" and event.data["amount"] >= least:
            place = ((("channel", event.data["channel"]),), event.time // MINUTE * MINUTE)
            n = found[place].samples + 1 if place in found else 1
            found[place] = Number(float(n), n)
    return found


ROWS = (
    Row("catalogue-changed", "catalogue changed while all runs", running),
    Row("catalogue-down", "catalogue changed while no processor runs", down),
)
