"""What the processors hold against what the log says: every run folded anew from the log, beside those that go on.

Each partition is folded from its first record that is kept up to the offset of the processors' last snapshot of it; so
both are of the same moment, and where the log holds all there ever was, they must be the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from services.domain.facts import KpiValues
from services.domain.frames import decode
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.program import Program
from services.ports import Log, Record
from services.refolding import snapshots_of
from services.snapshots import Snapshot
from services.topics import JUDGE_PARTITIONS, Topics

Load = Callable[[str], Program]
Place = tuple[str, str, tuple[tuple[str, str], ...]]
"""Run, KPI, scope."""
Number = tuple[float | None, int]
"""Value and samples."""

_NOTHING: Number = (None, 0)


@dataclass(frozen=True, slots=True)
class Refolded:
    """One partition: it was folded from offset ``first``, whose time (epoch ms) is ``since``, to ``last``. ``whole``:
    the log holds all there ever was.
    """

    partition: int
    first: int
    last: int
    since: int | None

    @property
    def whole(self) -> bool:
        """Whether nothing has left the log."""
        return self.first == 0


@dataclass(frozen=True, slots=True)
class Deviation:
    """A value that the processors ``hold`` otherwise than it is when it is ``rebuilt`` (value, samples)."""

    run: str
    kpi: str
    scope: dict[str, str]
    held: Number
    rebuilt: Number


@dataclass(frozen=True, slots=True)
class Comparison:
    """``values`` were compared; ``skipped`` are partitions that have no snapshot yet."""

    partitions: list[Refolded]
    skipped: list[int]
    values: int
    deviations: list[Deviation]


@dataclass(slots=True)
class _Told:
    """Judges that hear of one way to know it."""

    judges: list[Judge]
    values: dict[Place, Number] = field(default_factory=dict)

    def hear(self, observer: Observer) -> None:
        for emission in observer.emit(everything=True):
            if emission.topic == "judging" and isinstance(emission.value, bytes):
                judge = self.judges[emission.partition]
                judge.fold([(judge.applied + 1, emission.value)])

    def say(self) -> dict[Place, Number]:
        said = [one.value for judge in self.judges for one in judge.emit(everything=True)]
        return {
            (one.run, value.kpi, tuple(sorted(value.scope.items()))): (value.value, value.samples)
            for one in said
            if isinstance(one, KpiValues)
            for value in one.values
        }


async def compare(log: Log, topics: Topics, load: Load) -> Comparison:
    """Fold everything anew and compare; changes nothing. ``load`` compiles a catalogue's canonical JSON."""
    snapshots = await snapshots_of(log, topics)
    ends = await log.ends(topics.events.name)
    held, rebuilt = (_Told(_judges(load, len(snapshots))) for _ in range(2))
    partitions = []
    for partition, snapshot in sorted(snapshots.items()):
        state = Observer(partition, load, JUDGE_PARTITIONS, partitions=topics.partitions)
        await asyncio.to_thread(state.restore, snapshot.chunks)
        held.hear(state)
        fresh = Observer(partition, load, JUDGE_PARTITIONS, partitions=topics.partitions)
        first = ends[partition][0]
        since = await _refold(log, topics, fresh, first, snapshot)
        rebuilt.hear(fresh)
        partitions.append(Refolded(partition, first, snapshot.applied, since))
    one, other = held.say(), rebuilt.say()
    skipped = sorted(ends.keys() - snapshots.keys())
    return Comparison(partitions, skipped, len(one.keys() | other.keys()), list(_deviations(one, other)))


def _judges(load: Load, sources: int) -> list[Judge]:
    return [Judge(number, load, sources) for number in range(JUDGE_PARTITIONS)]


async def _refold(log: Log, topics: Topics, fresh: Observer, first: int, snapshot: Snapshot) -> int | None:
    """Fold a partition up to where its snapshot is; the time of the first record that tells one."""
    since: int | None = None
    if first > snapshot.applied:
        return since
    async for records in log.read(topics.events.name, {fresh.partition: first}, follow=False):
        mine = [record for record in records if record.offset <= snapshot.applied]
        since = since if since is not None else _time(mine)
        await asyncio.to_thread(fresh.fold, [(record.offset, record.value or b"") for record in mine])
        fresh.emit()  # what it would pass on stands in the log already
        if len(mine) < len(records):
            break
    return since


def _time(records: Sequence[Record]) -> int | None:
    for record in records:
        try:
            return decode(record.value or b"").head.ingest
        except (ValueError, KeyError, TypeError, IndexError):
            continue
    return None


def _deviations(held: dict[Place, Number], rebuilt: dict[Place, Number]) -> Iterator[Deviation]:
    for place in sorted(held.keys() | rebuilt.keys()):
        one, other = held.get(place, _NOTHING), rebuilt.get(place, _NOTHING)
        if one != other:
            run, kpi, scope = place
            yield Deviation(run, kpi, dict(scope), one, other)
