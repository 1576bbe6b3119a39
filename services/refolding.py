"""Folding again what the log holds, for one KPI: which rows its value is made of.

A second engine, apart from the processors', reads the log through its port and folds it with taps in place of cells
(``services/domain/contributors.py``). Where the beginning of the log is not needed it starts later: for cases from the
processors' last snapshot, where all that counts is still held by it; for events a little before the window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby

from services.catalogue.canonical import to_text
from services.domain.case_columns import NEVER
from services.domain.cases import CaseTable
from services.domain.catalogue import Time
from services.domain.cells import floor_behind, oldest_behind
from services.domain.compile import SOURCE, is_revocable
from services.domain.contributions import AT_THE_DUE_TIME, KEPT
from services.domain.contributors import Tap, Wanted, tapped
from services.domain.dedupe import BUCKET_MS, HORIZON_MS
from services.domain.frames import Head, Kind, decode, is_tick
from services.domain.observe import Observer
from services.domain.program import (
    BalanceFeed,
    CountFeed,
    Cube,
    DueFeed,
    EventFeed,
    Feed,
    OpenFeed,
    OpeningFeed,
    OverdueFeed,
    Program,
    QuantityFeed,
    WaitingFeed,
)
from services.domain.runstate import RunState
from services.domain.watermark import FUTURE_MS
from services.ports import Log, Record
from services.snapshots import Snapshot, choose
from services.topics import Topics

LIVE = "live"
PIECE = 64
"""How many records are folded at once; a row says in which piece it came."""
SECONDS = 20.0
"""How long it may take."""
_BEFORE_MS = FUTURE_MS + HORIZON_MS + 2 * BUCKET_MS
"""So long before a window its events can come, and what is needed to recognise those that come twice."""

Load = Callable[[str], Program]


@dataclass(frozen=True, slots=True)
class Asked:
    """The rows of ``measures`` at ``scope`` in [start, end) of (``tenant``, ``run``), as of engine time ``now``."""

    tenant: str
    run: str
    program: Program
    measures: frozenset[str]
    start: int
    end: int
    scope: Mapping[str, str]
    now: int

    @property
    def key(self) -> tuple[str, str]:
        """(tenant, run)."""
        return self.tenant, self.run

    @property
    def cubes(self) -> list[Cube]:
        """The cubes that hold the measures."""
        return [cube for cube in self.program.cubes if self.measures & {each.id for each in cube.measures}]

    @property
    def feeds(self) -> set[Feed]:
        """What the measures read."""
        return {each.feed for cube in self.cubes for each in cube.measures if each.id in self.measures}

    @property
    def of_events(self) -> bool:
        """Whether no case has a part in it."""
        return all(isinstance(feed, EventFeed) for feed in self.feeds)

    @property
    def by_occurrence(self) -> bool:
        """Whether events count by when they occurred, for good: then nothing of other times bears on a window."""
        return all(
            not isinstance(feed, EventFeed)
            or (feed.time is Time.OCCURRED and not is_revocable(self.program.catalogue, feed))
            for feed in self.feeds
        )

    @property
    def recent(self) -> bool:
        """Whether nothing in the window can have come too late to be counted."""
        return all(self.start >= floor_behind(cube.of_run(self.run), self.now) for cube in self.cubes)

    @property
    def oldest(self) -> int:
        """What is older may count in the window all the same, when it came."""
        return max(int(oldest_behind(cube, self.end + FUTURE_MS)) for cube in self.cubes)


@dataclass(slots=True)
class Folded:
    """What came of it. ``starts``: where each partition was read from. ``missing`` says why rows may be missing."""

    starts: dict[int, int]
    observers: dict[int, Observer]
    key: tuple[str, str]
    missing: str | None = None
    taps: list[tuple[int, Tap]] = field(default_factory=list)

    def runs(self) -> Iterator[tuple[int, RunState]]:
        """The run in each partition that knows it."""
        for partition, observer in self.observers.items():
            if self.key in observer.runs:
                yield partition, observer.runs[self.key]

    def cases(self, partition: int, process: str) -> CaseTable | None:
        """The cases of a process in a partition."""
        run = self.observers[partition].runs.get(self.key)
        return None if run is None else run.cases.get(process)


class Refolding:
    """Folds for one who asks at a time, and lets others in between; ``load`` compiles a catalogue's text."""

    def __init__(self, log: Log, topics: Topics, load: Load, seconds: float = SECONDS) -> None:
        self._log = log
        self._topics = topics
        self._load = load
        self._seconds = seconds
        self._one = asyncio.Semaphore(1)

    async def fold(self, asked: Asked) -> Folded:
        """Fold all that the log holds now and ``asked`` depends on."""
        async with self._one:
            return await self._fold(asked)

    async def _fold(self, asked: Asked) -> Folded:
        ends = await self._log.ends(self._topics.events.name)
        changing = {
            name: (*event.own, SOURCE.name)
            for name, event in asked.program.catalogue.events.items()
            if event.images is not None
        }
        wanted = Wanted(asked.start, asked.end, asked.scope, changing=changing)
        observers = {number: self._observer(number, wanted, asked) for number in ends}
        folded = Folded({partition: first for partition, (first, _) in ends.items()}, observers, asked.key)
        if asked.run == LIVE and asked.of_events and asked.by_occurrence:
            await self._start_at_window(asked, folded, wanted, ends)
        elif asked.run == LIVE and _held(asked):
            await self._start_at_snapshots(asked, folded, wanted)
        if any(first == folded.starts[partition] > 0 for partition, (first, _) in ends.items()):
            folded.missing = "the log no longer holds all that it is made of"
        if not await self._read(asked, folded, wanted, ends):
            folded.missing = f"the log holds more than could be read in {self._seconds:g} s"
        for partition, run in folded.runs():
            folded.taps += [(partition, tap) for tap in run.cells.values() if isinstance(tap, Tap)]
        return folded

    def _observer(self, partition: int, wanted: Wanted, asked: Asked) -> Observer:
        def load(text: str) -> Program:
            return tapped(self._load(text), asked.measures)

        return Observer(partition, load, cells=partial(Tap, wanted))

    async def _start_at_window(
        self, asked: Asked, folded: Folded, wanted: Wanted, ends: Mapping[int, tuple[int, int]]
    ) -> None:
        """A little before the window, where the catalogue was then what it is now."""
        topic = self._topics.events.name
        since = asked.start - _BEFORE_MS
        found = {one: await self._log.offset_at(topic, one, since) for one in ends}
        later = {one: at for one, at in found.items() if ends[one][0] < at}
        unlike = await self._unlike(asked, {one: at for one, at in later.items() if at < ends[one][1]})
        text = to_text(asked.program.catalogue)
        for partition in later.keys() - unlike:
            run = RunState(*asked.key, 0, partition, partial(Tap, wanted))
            run.switch(tapped(asked.program, asked.measures), text)
            run.pass_time(since)  # what is read first may be too old already
            folded.observers[partition].runs[asked.key] = run
            folded.starts[partition] = later[partition]

    async def _unlike(self, asked: Asked, offsets: Mapping[int, int]) -> set[int]:
        """The partitions in which another catalogue was in force at the offsets, or nothing says which."""
        open_ = set(offsets)
        if not open_:
            return open_
        unlike = set(offsets)
        async for records in self._log.read(self._topics.events.name, offsets, follow=False):
            for record in records:
                head = _head(record) if record.partition in open_ else None
                if head is not None and (head.tenant, head.run) == asked.key:
                    open_.discard(record.partition)
                    if head.digest == asked.program.digest:
                        unlike.discard(record.partition)
            if not open_:
                break
        return unlike

    async def _start_at_snapshots(self, asked: Asked, folded: Folded, wanted: Wanted) -> None:
        """After the processors' last snapshots; their cases tell what they come to."""
        for partition, found in (await snapshots_of(self._log, self._topics)).items():
            if partition not in folded.observers:
                continue
            observer = folded.observers[partition]
            run = await asyncio.to_thread(self._restored, asked, partition, found.chunks, wanted)
            if run is not None:
                observer.runs[asked.key] = run
                folded.starts[partition] = found.applied + 1

    def _restored(
        self, asked: Asked, partition: int, chunks: Sequence[bytes], wanted: Wanted
    ) -> RunState | None:
        """The run as a snapshot holds its cases, and what they tell; None where it is not in it."""
        bare = Observer(partition, lambda text: replace(tapped(self._load(text), asked.measures), cubes=()))
        bare.restore(chunks)
        held = bare.runs.get(asked.key)
        if held is None or held.program is None:
            return None
        run = RunState(*asked.key, held.attempt, partition, partial(Tap, wanted))
        run.load(*held.arrays(), held.program)
        run.switch(tapped(self._load(held.catalogue), asked.measures), held.catalogue)
        return run

    async def _read(
        self, asked: Asked, folded: Folded, wanted: Wanted, ends: Mapping[int, tuple[int, int]]
    ) -> bool:
        """Fold from the starts to the ends; False where time ran out."""
        clock = asyncio.get_running_loop().time
        until = clock() + self._seconds
        skip = asked.of_events and asked.by_occurrence and asked.recent
        offsets = {partition: at for partition, at in folded.starts.items() if at < ends[partition][1]}
        if not offsets:
            return True
        fold = partial(_fold, wanted=wanted, asked=asked)
        if skip:
            fold = partial(_fold_chosen, wanted=wanted, asked=asked, ticks={})
        async for records in self._log.read(self._topics.events.name, offsets, follow=False):
            for place, piece in groupby(records, lambda one: (one.partition, one.offset // PIECE)):
                mine = [one for one in piece if one.value is not None]
                await asyncio.to_thread(fold, folded.observers[place[0]], mine)
                if clock() > until:
                    return False
        return True


async def snapshots_of(log: Log, topics: Topics) -> dict[int, Snapshot]:
    """The last whole snapshot of each events partition that has one."""
    topic = topics.observed.name
    begins = {partition: first for partition, (first, _) in (await log.ends(topic)).items()}
    held: dict[int, dict[bytes, bytes]] = {}
    async for records in log.read(topic, begins, follow=False):
        for record in records:
            if record.key is not None and record.value is None:
                held.setdefault(record.partition, {}).pop(record.key, None)
            elif record.key is not None and record.value is not None:
                held.setdefault(record.partition, {})[record.key] = record.value
    found = {partition: choose(told) for partition, told in held.items()}
    return {partition: snapshot for partition, snapshot in found.items() if snapshot is not None}


def _fold(observer: Observer, records: Sequence[Record], *, wanted: Wanted, asked: Asked) -> None:
    """Fold what of one piece belongs to the run."""
    chosen = [record for record in records if _of_run(_head(record), asked)]
    if chosen:
        wanted.place = chosen[-1].offset // PIECE * PIECE  # the first may be a tick of the piece before
        observer.fold([(record.offset, record.value or b"") for record in chosen])
        for run in observer.runs.values():
            run.letters = []


def _fold_chosen(
    observer: Observer, records: Sequence[Record], *, wanted: Wanted, asked: Asked, ticks: dict[int, Record]
) -> None:
    """Fold what of one piece can have to do with the window; and before each such record the last tick, which says
    whether what the record holds is too old for its own pane. ``ticks`` are those that wait, by partition.
    """
    chosen: list[Record] = []
    for record in records:
        if is_tick(record.value or b""):
            ticks[record.partition] = record
            continue
        head = _head(record)
        if head is not None and _of_run(head, asked) and not _apart(head, asked):
            chosen += [tick] if (tick := ticks.pop(record.partition, None)) else []
            chosen.append(record)
    _fold(observer, chosen, wanted=wanted, asked=asked)


def _of_run(head: Head | None, asked: Asked) -> bool:
    return head is not None and (head.tenant, head.run) == asked.key


def _apart(head: Head, asked: Asked) -> bool:
    before = head.high < asked.start and head.low >= asked.oldest
    return head.kind is Kind.EVENTS and (before or head.low >= asked.end)


def _head(record: Record) -> Head | None:
    try:
        return decode(record.value or b"").head
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _held(asked: Asked) -> bool:
    """Whether the cases that a table holds now tell all that counts in the window.

    A case stays for its grace after its last event; a level counts cases only as long as they are open. What never
    opened may leave before a due time of its own has passed; what kept one may leave as soon as it has.
    """
    if not asked.recent and asked.start > -NEVER // 2:
        return False
    return all(_stays(feed, asked) for feed in asked.feeds)


def _stays(feed: Feed, asked: Asked) -> bool:
    if isinstance(feed, EventFeed):
        return False
    process = asked.program.catalogue.processes[feed.process]
    if isinstance(feed, CountFeed):
        return asked.start > asked.now - process.balances[feed.balance].horizon_ms
    if isinstance(feed, OpenFeed | OverdueFeed | WaitingFeed | QuantityFeed | BalanceFeed | OpeningFeed):
        return asked.end > asked.now
    if isinstance(feed, DueFeed) and feed.outcome in KEPT:
        return False
    if isinstance(feed, DueFeed) and feed.outcome in AT_THE_DUE_TIME:
        due = next(each for each in process.dues if each.name == feed.due)
        if due.step != process.opens:
            return False
    return asked.start > asked.now - process.grace_ms
