"""Nothing is killed: the events themselves are the fault."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace

import httpx2

from chaos import malformed
from chaos.events import MINUTE, WAREHOUSE, Sent, Stream, mixed
from chaos.expectations import Expected
from chaos.faults.row import Row
from chaos.scene import Scene
from chaos.stage import Scale, stream

GARBAGE = (b"\x00garbage", b"", b"\x93\x01\x02\x03", b'{"json": true}', bytes(range(256)) * 40)


def order(scene: Scene, scale: Scale) -> None:
    """A tenth comes twice, all are out of order within the allowed lateness, one in a hundred too late."""
    scene.stream = stream(scene.chance.randrange(1 << 30), scale.orders, again=0.1, late=0.01)
    scene.notes.append(f"{scene.stream.many('again')} twice, {scene.stream.many('late')} late")
    with scene.load():
        scene.repetitions = 1


def bad_events(scene: Scene, scale: Scale) -> None:
    """Of each malformed kind a few, between the others; each becomes one dead letter."""
    payloads = malformed.payloads(max(1, scale.repetitions))
    scene.stream = mixed(scene.stream, payloads, scene.chance.randrange(1 << 30))
    scene.repetitions = len(payloads)
    with scene.load():
        pass


def replayed(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """Events whose amount is no number are refused; put right and replayed, they count."""
    placed = [sent for sent in scene.stream.sent if sent.event and sent.event.type == "order.placed"]
    broken = {
        sent.event.id: sent
        for sent in scene.chance.sample(placed, 20)
        if sent.event and not sent.again and not sent.late
    }
    whole = scene.stream
    kept = [sent for sent in whole.sent if sent.event is None or sent.event.id not in broken]
    bad = [_spoilt(sent.payload) for sent in broken.values()]
    scene.stream = mixed(Stream(kept), bad, scene.chance.randrange(1 << 30))
    with scene.load():
        pass
    api = scene.cluster.api.url
    scene.until(lambda: len(_letters(api)) == len(bad), "all dead letters are kept")
    for letter in _letters(api):
        mended = broken[letter["event_id"]].payload
        answer = httpx2.post(f"{api}/api/v1/dead-letters/{letter['id']}/replay", content=mended, timeout=30)
        if answer.status_code != 202 or answer.json()["rejected"]:
            scene.differences.append(f"replay: {answer.status_code} {answer.text}")
    scene.repetitions = len(bad)
    again = sum(sent.again for sent in kept)
    scene.stream = Stream([*kept, *(Sent(sent.payload, sent.event) for sent in broken.values())])
    scene.expect = lambda expected: replace(expected, late=None, again=again, letters=Counter(bad))


def garbage(scene: Scene, scale: Scale) -> None:
    """Records that are no frames on the events topic, no partials on the judging topic."""
    topics = scene.topics
    if topics is None:
        raise RuntimeError("another writer of the log needs Kafka")
    prefix = scene.cluster.prefix
    with scene.load() as feeder:
        for turn in range(scale.repetitions):
            scene.sent(feeder, (turn + 0.5) / (scale.repetitions + 1))
            topics.append(f"{prefix}.events", {partition: list(GARBAGE) for partition in range(4)})
            topics.append(f"{prefix}.judging", {partition: list(GARBAGE) for partition in range(4)})
            scene.repetitions += 1
    many = scale.repetitions * 4 * len(GARBAGE)
    scene.expect = lambda expected: replace(expected, undecodable=many)


def clock_ahead(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """From the middle on, one source's clock is an hour ahead: none of it is believed, no window closes early."""
    half = len(scene.stream.sent) // 2
    sent = list(scene.stream.sent[:half])
    for one in scene.stream.sent[half:]:
        if one.event is not None and one.event.source == WAREHOUSE and not one.again:
            ahead = replace(one.event, time=one.event.time + 60 * MINUTE)
            sent.append(Sent(ahead.json(), ahead, future=True))
        elif one.event is None or one.event.source != WAREHOUSE:
            sent.append(one)
    scene.stream = Stream(sent)
    scene.repetitions = scene.stream.many("future")
    scene.expect = _held_back
    with scene.load():
        pass


def silent(scene: Scene, scale: Scale) -> None:  # noqa: ARG001  # a row
    """A source stops in the middle: after a minute it holds nothing back, is shown as idle, and nothing is made up."""
    half = len(scene.stream.sent) // 2
    scene.stream = Stream(
        [
            *scene.stream.sent[:half],
            *(one for one in scene.stream.sent[half:] if not one.event or one.event.source != WAREHOUSE),
        ]
    )
    with scene.load():
        pass
    begun = time.monotonic()
    scene.until(lambda: scene.idle(WAREHOUSE), "it is idle", 90)
    scene.expect = _held_back
    scene.figures["noticed_s"] = time.monotonic() - begun
    scene.repetitions = 1


def _held_back(expected: Expected) -> Expected:
    """The watermark stands with the source that is not heard: less may be late, and nothing may be that is not."""
    return replace(expected, late=None if expected.late is None else (0, expected.late[1]))


def _spoilt(payload: bytes) -> bytes:
    event = json.loads(payload)
    event["data"]["amount"] = "a lot"
    return json.dumps(event).encode()


def _letters(url: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = httpx2.get(f"{url}/api/v1/dead-letters", timeout=30).json()["dead_letters"]
    return found


ROWS = (
    Row("disorder", "10 % duplicates, shuffled, 1 % late", order),
    Row("malformed", "malformed events, in each way", bad_events),
    Row("replayed", "refused events put right and replayed", replayed),
    Row("garbage", "garbage on internal topics", garbage),
    Row("clock-ahead", "a source's clock an hour ahead", clock_ahead),
    Row("silent-source", "a source goes silent", silent),
)
