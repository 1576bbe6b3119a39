"""A row on the stage: a cluster under load, a fault in the middle of it, and the comparison at the end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.broker import Broker, Topics
from chaos.cluster import Cluster, tail
from chaos.events import FUTURE, Event, Sent, Stream, closing_time, pulses
from chaos.expectations import Expected, Judgement, judge
from chaos.feeding import Feeder, HttpFeeder
from chaos.listening import Listener
from chaos.proxy import Proxy
from chaos.report import SHOWN, Outcome
from chaos.said import Said, Witness

SETTLED_S = 60.0
"""When everything must have arrived at the latest, once the last event was sent and the fault is over."""
QUIET_S = 2.0
"""For how long nothing else may arrive then."""
SENT_S = 180.0
LOOK_S = 0.5


@dataclass
class Scene:
    """What a fault is given. ``stream`` is what is sent, at ``rate`` events/s; a fault may change both before
    ``load``, and ``expect`` afterwards.
    """

    cluster: Cluster
    stream: Stream
    rate: float
    chance: random.Random
    folder: Path
    database_url: str
    broker: Broker | None = None
    topics: Topics | None = None
    proxy: Proxy | None = None
    expect: Callable[[Expected], Expected] = lambda expected: expected
    more: Callable[[Said], Sequence[str]] = lambda _: ()
    feeders: list[Feeder] = field(default_factory=list)
    repetitions: int = 0
    notes: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    judged: bool = True
    """Whether the numbers at the end are compared: not where they are known to stand still."""

    def __post_init__(self) -> None:
        self.listener: Listener | None = None
        self._begun = self._ended = 0.0

    def begin(self) -> Scene:
        """Listen to the live stream from now on; the API must be there."""
        self.witness = Witness(self.cluster.api.url, self.database_url)
        self.listener = Listener(self.cluster.api.url)
        self.listener.start()
        return self

    @contextmanager
    def load(self, feeder: Feeder | None = None) -> Iterator[Feeder]:
        """Send the stream while the block runs, and wait until it has been sent."""
        if self.listener is None:
            self.begin()
        self._begun = self._begun or time.monotonic()
        feeder = feeder or self.feeder(self.stream)
        self.feeders.append(feeder)
        feeder.start()
        try:
            yield feeder
            feeder.finish(SENT_S)
        finally:
            feeder.stop()
        self._ended = time.monotonic()

    def feeder(self, stream: Stream) -> Feeder:
        """Someone who posts ``stream``."""
        return HttpFeeder(stream.sent, self.rate, self.cluster.api.url)

    def counted(self) -> int:
        """How many events Sightline says have been counted; 0 where it says nothing."""
        found: int = self.witness.glance().get("counters", {}).get("events", 0)
        return found

    def counted_on_stream(self) -> int:
        """The same, as the live stream has told it."""
        return 0 if self.listener is None else self.listener.events

    def idle(self, source: str) -> bool:
        """Whether a source is said to be."""
        sources = self.witness.glance().get("sources", ())
        return any(each["source"] == source and each["idle"] for each in sources)

    def until(self, fact: Callable[[], bool], what: str, within_s: float = 60.0) -> float:
        """Wait for a fact; returns how long it took (s), raises ``TimeoutError`` with ``what`` it was."""
        begun = time.monotonic()
        while not fact():
            if time.monotonic() - begun > within_s:
                raise TimeoutError(f"{what}: not within {within_s:g} s")
            time.sleep(0.05)
        return time.monotonic() - begun

    def sent(self, feeder: Feeder, share: float) -> None:
        """Wait until so much of the stream has been sent."""
        self.until(lambda: feeder.share >= share or not feeder.is_alive(), f"{share:.0%} sent", SENT_S)

    def pause(self, least: float, most: float) -> None:
        """Some time, as the seed says."""
        time.sleep(self.chance.uniform(least, most))

    def settle(self) -> Outcome:
        """Close all panes, wait until everything has arrived, and see that nothing else does."""
        if not self.judged:
            return self._outcome(Judgement(0, (), 0, 0), 0.0)
        at = closing_time(self.stream.events)
        time.sleep(max(0.0, (at - FUTURE) / 1000 + 2 - time.time()))
        closing = pulses(at)
        last = HttpFeeder([Sent(event.json(), event) for event in closing], 10_000, self.cluster.api.url)
        last.start()
        last.finish(SENT_S)
        expected = self._expected(closing)
        begun = time.monotonic()
        verdict, healed = self._watch(expected, begun + SETTLED_S), None
        if verdict is not None and verdict.holds:
            healed = time.monotonic() - begun
            time.sleep(QUIET_S)
            verdict = self._judge(expected)
        return self._outcome(verdict, healed)

    def close(self) -> None:
        """Let go of all that is open."""
        if self.listener is not None:
            self.listener.stop()
            self.witness.close()
        for feeder in self.feeders:
            feeder.stop()

    def logs(self) -> str:
        """How the processes are doing, and the ends of their logs."""
        return "\n".join(
            f"--- {name}, {'alive' if process.alive else 'ended'}: {process.parts()}\n{tail(process.log)}"
            for name, process in self.cluster.processes.items()
        )

    def _expected(self, closing: Sequence[Event]) -> Expected:
        expected = Expected.of(self.stream, closing)
        if any(feeder.unsure for feeder in self.feeders):
            expected = expected.unsure()
        return self.expect(expected)

    def _watch(self, expected: Expected, deadline: float) -> Judgement | None:
        verdict = None
        while time.monotonic() < deadline:
            verdict = self._judge(expected) or verdict
            if verdict is not None and verdict.holds:
                break
            time.sleep(LOOK_S)
        return verdict

    def _judge(self, expected: Expected) -> Judgement | None:
        try:
            said = self.witness.ask()
        except OSError as error:
            self.figures["unanswered"] = self.figures.get("unanswered", 0) + 1
            self._last_error = str(error)
            return None
        found = judge(expected, said, self.listener.values if self.listener else {})
        return Judgement(found.cells, (*found.wrong, *self.more(said)), found.lost, found.twice)

    def _outcome(self, verdict: Judgement | None, healed: float | None) -> Outcome:
        listener = self.listener
        if verdict is None:
            verdict = Judgement(0, ("nothing could be asked",), 0, 0)
        gap = listener.longest_gap(self._begun, self._ended) if listener is not None else 0.0
        died = [
            f"{name} ended by itself: {tail(self.cluster[name].log, 600)}" for name in self.cluster.died()
        ]
        answers = sum((feeder.answers for feeder in self.feeders), start=self.feeders[0].answers.__class__())
        refused = {code: n for code, n in answers.items() if code != 202}
        notes = [*self.notes]
        if refused:
            notes.append(f"answers: {dict(answers)}")
        return Outcome(
            name="",
            title="",
            repetitions=self.repetitions,
            events=len(self.stream.events),
            cells=verdict.cells,
            wrong=len(verdict.wrong),
            lost=verdict.lost,
            twice=verdict.twice,
            longest_gap=gap,
            healed=healed if verdict.holds else None,
            notes=tuple(notes),
            differences=(*self.differences, *died, *verdict.wrong[:SHOWN]),
            figures=self.figures,
        )
