"""JUDGE: adds up what the partitions of OBSERVE tell, and says each KPI's value, verdict and history.

A ``State`` over one partition of the judging topic. It holds every run that speaks there, and tells the KPIs whose
``judge`` is this partition. ``fold`` only lays partials over what is known; all computing is in ``emit``, so that it
happens as often as the caller emits, whatever the number of partials in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from services.domain import partials
from services.domain.facts import ClosedWindow, ClosedWindows, DeadLetter, KpiValues
from services.domain.judge_run import Load, RunJudge
from services.domain.partials import Partial
from services.domain.program import LIVE
from services.domain.said import Told, columns, portions
from services.domain.snapshots import cut, join, prefixed, under
from services.domain.state import Emission

KEYFRAME_MS = 10_000
HEARTBEAT_MS = 1_000

# An import's engine time jumps: its keyframes are counted in calls instead.
_KEYFRAME_EMITS = 100

# Bounds of one call and of one record. A value costs a µs at most and 60 bytes, a window its state besides.
_VALUES_PER_EMIT = 4_000
_WIDE_EVERY = 4
_WINDOWS_PER_EMIT = 2_000
_VALUES_PER_RECORD = 1_500
_WINDOW_BYTES = 300_000


@dataclass(slots=True)
class _Speech:
    """What has been said of a run, and when (engine time). ``heard``: something has come since; ``narrow`` counts the
    calls since wide groupings were told, round and round.
    """

    begun: bool = False
    spoken: int = 0
    keyframe: int | None = None
    emits: int = 0
    completed: bool = False
    fresh: bool = True
    heard: bool = True
    narrow: int = 0


@dataclass(slots=True)
class _Run:
    judge: RunJudge
    said: _Speech = field(default_factory=_Speech)


class Judge:
    """See ``State``. ``load`` compiles a catalogue's canonical JSON; ``sources`` is the number of event partitions.

    With ``sources`` known, a run counts as complete when that many source partitions have ended; its ``begin`` and
    ``end`` hence go to every partition. Without, those that have spoken are all there are.
    """

    def __init__(self, partition: int, load: Load, sources: int | None = None) -> None:
        self._partition = partition
        self._load = load
        self._sources = sources
        self._applied = -1
        self._runs: dict[tuple[str, str], _Run] = {}
        self._letters: list[DeadLetter] = []

    @property
    def applied(self) -> int:
        """See ``State``."""
        return self._applied

    def fold(self, records: Sequence[tuple[int, bytes]]) -> None:
        """See ``State``."""
        for offset, value in records:
            try:
                self._take(partials.decode(value))
            except (ValueError, KeyError, TypeError) as error:
                self._letters.append(
                    self._letter(offset, "unreadable_partial", f"{type(error).__name__}: {error}")
                )
            self._applied = offset

    def refuse(self, offset: int, value: bytes, error: str) -> None:  # noqa: ARG002  # nobody can read a partial
        """See ``State``. Nothing is lost for long: partials are cumulative."""
        self._letters.append(self._letter(offset, "unfoldable_partial", error))
        self._applied = offset

    def emit(self, *, everything: bool = False) -> list[Emission]:
        """See ``State``. What exceeds a bound waits for the next call, unless ``everything`` is asked for: when there
        is nothing left to say, the list is empty.
        """
        letters, self._letters = self._letters, []
        emissions = [Emission("dead_letters", 0, letter) for letter in letters]
        for run in self._runs.values():
            emissions += self._emit(run, everything=everything)
        return emissions

    def chunks(self) -> Iterator[bytes]:
        """See ``State``."""
        meta: dict[str, Any] = {"applied": self._applied, "runs": []}
        arrays: dict[str, NDArray[Any]] = {}
        for number, run in enumerate(self._runs.values()):
            judge = run.judge
            head, held = judge.snapshot()
            names = [judge.tenant, judge.run, judge.attempt]
            meta["runs"].append(
                {"names": names, "head": head, "begun": run.said.begun, "over": run.said.completed}
            )
            arrays |= prefixed(str(number), held)
        return cut(meta, arrays)

    def restore(self, chunks: Sequence[bytes]) -> None:
        """See ``State``."""
        meta, arrays = join(chunks)
        self._applied = meta["applied"]
        self._runs = {}
        for number, stored in enumerate(meta["runs"]):
            tenant, name, attempt = stored["names"]
            judge = RunJudge(tenant, name, attempt, self._partition, self._sources)
            judge.load(stored["head"], under(str(number), arrays), self._load)
            said = _Speech(begun=stored["begun"], completed=stored["over"])
            self._runs[tenant, name] = _Run(judge, said)

    def _take(self, partial: Partial) -> None:
        key = (partial.tenant, partial.run)
        run = self._runs.get(key)
        if run is None or partial.attempt > run.judge.attempt:
            judge = RunJudge(partial.tenant, partial.run, partial.attempt, self._partition, self._sources)
            # Windows of an earlier attempt are void; a first attempt has none, unless it says that it begins.
            run = self._runs[key] = _Run(judge, _Speech(begun=run is None and not partial.begin))
        if partial.attempt == run.judge.attempt:
            run.judge.take(partial, self._load)
            run.said.fresh = run.said.heard = True

    def _letter(self, offset: int, code: str, message: str) -> DeadLetter:
        origin = f"judging:{self._partition}:{offset}"
        return DeadLetter(origin, "default", 0, origin, None, None, None, code, message, "")

    def _emit(self, run: _Run, *, everything: bool) -> list[Emission]:
        if not run.said.fresh and not everything:
            return []
        judge, said = run.judge, run.said
        last = judge.complete
        whole = everything or last
        if whole:
            judge.touch()
        # Under load each call brings news: the many values of wide groupings are then told by every fourth.
        wide = whole or not said.heard or said.narrow == 0
        said.narrow = (1 if wide else said.narrow + 1) % _WIDE_EVERY
        said.heard = False
        changed = judge.values(_ALL if whole else _VALUES_PER_EMIT, wide=wide)
        windows = judge.closed(self._applied, None if whole else _WINDOWS_PER_EMIT)
        judge.evict()
        emissions = self._history(run, windows)
        removed = judge.removed()
        if removed:
            changed = [left for told in changed if (left := told.still()).rows.size]
        keyframe = everything or self._keyframe_due(run)
        if keyframe or changed or removed or judge.time - said.spoken >= HEARTBEAT_MS:
            values = judge.told() if keyframe else changed
            emissions += self._values(judge, values, removed, keyframe=keyframe)
            said.spoken = judge.time
        if keyframe:
            said.keyframe, said.emits = judge.time, 0
        said.emits += 1
        said.completed = last
        said.fresh = not whole and (judge.pending or len(windows) >= _WINDOWS_PER_EMIT)
        return emissions

    def _keyframe_due(self, run: _Run) -> bool:
        judge, said = run.judge, run.said
        if said.keyframe is None or judge.complete != said.completed:
            return True
        if judge.run == LIVE:
            return judge.time - said.keyframe >= KEYFRAME_MS
        return said.emits >= _KEYFRAME_EMITS

    def _history(self, run: _Run, windows: Sequence[ClosedWindow]) -> list[Emission]:
        judge, said = run.judge, run.said
        over = judge.complete and not said.completed
        batches = _by_size(windows)
        if (over or not said.begun) and not batches:
            batches = [[]]
        emissions = []
        for number, batch in enumerate(batches):
            done = judge.complete and number == len(batches) - 1
            begin = not said.begun
            said.begun = True
            told = ClosedWindows(judge.tenant, judge.run, judge.attempt, self._partition, batch, begin, done)
            emissions.append(Emission("history", self._partition, told))
        return emissions

    def _values(
        self, judge: RunJudge, values: Sequence[Told], removed: list[tuple[str, Any]], *, keyframe: bool
    ) -> list[Emission]:
        parts = portions(values, _VALUES_PER_RECORD)
        sources, counters = judge.freshness(), judge.counters()
        states, complete = judge.states(), judge.completeness()
        return [
            Emission(
                "kpis",
                self._partition,
                KpiValues(
                    judge.tenant,
                    judge.run,
                    judge.attempt,
                    judge.digest,
                    self._partition,
                    self._applied,
                    keyframe,
                    judge.time,
                    max(judge.watermark, 0),
                    columns(told, judge.strings),
                    removed if part == 0 else [],
                    sources,
                    counters,
                    judge.complete,
                    part,
                    len(parts),
                    states,
                    complete,
                ),
            )
            for part, told in enumerate(parts)
        ]


_ALL = 2**62


def _by_size(windows: Sequence[ClosedWindow]) -> list[list[ClosedWindow]]:
    """Batches that fit into a record."""
    batches: list[list[ClosedWindow]] = []
    room = 0
    for window in windows:
        size = len(window.state) + 200 + 40 * len(window.scope)
        if size > room:
            batches.append([])
            room = _WINDOW_BYTES
        batches[-1].append(window)
        room -= size
    return batches
