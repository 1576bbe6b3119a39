"""One run in one partition, under one catalogue: everything that is folded, and nothing of how it is told.

Frames come in batches without a barrier between them; how they are batched makes no difference, because whatever
depends on the order is decided per frame: what is late, how far the watermark is, when time passes for cases (with
each tick, and with the first frame of a minute).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.amendments import amending
from services.domain.batch import Batch, BlockRows, Interner
from services.domain.case_events import CaseEvents
from services.domain.case_facts import notable
from services.domain.case_rows import Facts
from services.domain.cases import CaseTable
from services.domain.catalogue import EventType, Time
from services.domain.cells import CellTable, next_leave
from services.domain.continuity import MeasureKey, cases_go_on, measures_of
from services.domain.corrections import Corrected, Corrections
from services.domain.dedupe import Dedupe
from services.domain.facts import Amendments, CaseFacts, DeadLetter
from services.domain.frames import Frame, Group, Head, Image, Kind
from services.domain.lateness import Dependent, Late, dependents, lateness, may_be_late
from services.domain.linker import Heard
from services.domain.partials import ENDLESS
from services.domain.passing import HORIZON_MS, Passing, copies_heard
from services.domain.program import LIVE, Cube, EventFeed, Feed, Measure, Program, process_of
from services.domain.rows import Columns, Mask, Numbers, Strings
from services.domain.scopes import Scopes
from services.domain.snapshots import pack_texts, prefixed, under, unpack_texts
from services.domain.source_accounts import Accounts
from services.domain.source_events import PREFIX
from services.domain.times import Retimed, kept_time, retimed
from services.domain.told import Told
from services.domain.watermark import FUTURE_MS, START, Watermark

MINUTE = 60_000
_SEAL_MS = 10_000
_BEYOND = "is from before the horizon of corrections: it counts when it came, and takes nothing back"
_TOO_OLD = "is older than history can be amended: it counts in the window that was current when it came"
_DROPPED = "came after its window could still be amended"
_FOLDED = "is from before the horizon of its balance: nobody knows whether it came before, nor what the book said then"
_MOST_LETTERS = 100
"""Late or early events that one batch lists; all are counted."""

Frames = Sequence[tuple[int, Frame]]
Cells = Callable[[Cube, Scopes], CellTable]
"""What makes the table of a cube."""
Said = tuple[int, int]
"""(when it was said, the instant that was named)"""
Waiting = dict[str, list[CaseEvents]]
"""Process → events that its cases are still to fold."""
Readers = dict[Feed, list[tuple[CellTable, list[Measure]]]]


class RunState:
    """What ``partition`` knows of (``tenant``, ``run``) in its ``attempt``. ``time`` is engine time; ``cells`` makes
    the tables that rows are folded into; ``passes_to`` is how many partitions its cases pass events on to (0: they do
    not).
    """

    def __init__(
        self,
        tenant: str,
        run: str,
        attempt: int,
        partition: int,
        cells: Cells = CellTable,
        *,
        passes_to: int = 0,
    ) -> None:
        self.tenant, self.run, self.attempt, self.partition = tenant, run, attempt, partition
        self.program: Program | None = None
        self.catalogue = ""
        self.time = START
        self.complete = False
        self.counters: Counter[str] = Counter()
        self.letters: list[DeadLetter] = []
        self.amendments: list[Amendments] = []
        self.strings = Strings()
        self.watermark = Watermark()
        self.accounts = Accounts()
        self.openings: dict[str, Said] = {}
        self.cells: dict[str, CellTable] = {}
        self.cases: dict[str, CaseTable] = {}
        self.passing = Passing(passes_to)
        self._table = cells
        self._interner = Interner(self.strings)
        self._dedupe = Dedupe()
        self._scopes: dict[tuple[str, ...], Scopes] = {}
        self._readers: Readers = {}
        self._times: dict[str, list[EventFeed]] = {}
        self._dependents: Mapping[EventFeed, Sequence[Dependent]] = {}
        self._corrections = Corrections(self.strings)
        self._leaves = START
        self._sequence = 0

    @property
    def level(self) -> int:
        """The watermark as others are told it."""
        return ENDLESS if self.complete else self.watermark.value

    @property
    def overflowed(self) -> int:
        """Rows that came to no scope of their own because there were too many."""
        return sum(scopes.overflowed for scopes in self._scopes.values())

    def notable_cases(self) -> list[CaseFacts]:
        """What is to be told of each process now."""
        return [
            notable(cases, tenant=self.tenant, run=self.run, attempt=self.attempt, partition=self.partition)
            for cases in self.cases.values()
        ]

    def switch(self, program: Program, catalogue: str) -> None:
        """Go on under another catalogue. Measures and processes that it leaves as they were keep what they have; a
        new measure of a process starts from what the cases held say, one of correctable events from those remembered.
        """
        self._seal()
        before = measures_of(self.program)
        self._bind(program, catalogue)
        fresh: Readers = {
            feed: [(table, new) for table, measures in readers if (new := _without(table, measures, before))]
            for feed, readers in self._readers.items()
        }
        for event, facts in self._corrections.told():
            self._read_standing(event, facts, fresh)
        for process in program.catalogue.processes:
            if any(of for feed, of in fresh.items() if process_of(feed) == process):
                self._tell(self.cases[process].standing(), fresh)

    def pass_time(self, time: int) -> None:
        """Engine time has come to ``time``: due times go by, sources fall idle, old panes leave."""
        self._advance(time)
        self.watermark.hear(self.time, {})
        self._leave(self.watermark.value)

    def hear_source(self, source: str, mark: Mapping[str, Any], time: int) -> None:
        """A source has ended a batch, or numbers of its events have come."""
        self.time = max(self.time, time)
        self.accounts.hear(source, mark, self.time)

    def open_process(self, process: str, instant: int, time: int) -> None:
        """Somebody says from when on the levels of a process are known. What is said last holds."""
        self.time = max(self.time, time)
        said = time, instant
        if said > self.openings.get(process, (START, START)):
            self.openings[process] = said
            if process in self.cases:
                self._tell(self.cases[process].open_at(instant))

    def finish(self, time: int) -> None:
        """The run is complete as of ``time``."""
        self._advance(time)
        self._seal()
        self.complete = True

    def minute(self, frame: Frame) -> int:
        """Which minute of engine time a frame is in; frames of several are not folded as one batch."""
        return max(self.time, frame.head.ingest) // MINUTE

    def fold(self, frames: Frames) -> None:
        """Fold frames of one minute, with their offsets, in log order."""
        if self.minute(frames[0][1]) > self.time // MINUTE:
            self._advance(frames[0][1].head.ingest)
        batch = Batch([frame for _, frame in frames], self._interner)
        if not batch.n:
            self.time = max(self.time, *(frame.head.ingest for _, frame in frames))
            return
        keep = self._fresh(batch, frames, self._believed(batch, frames))
        levels = self._hear(batch, keep)
        for kept in self._between_leaves(batch, keep, levels):
            self._fold(batch, frames, kept, levels)
        self.passing.settle(self._this_minute)
        self._leave(self.watermark.value)

    def _between_leaves(self, batch: Batch, keep: Mask | None, levels: Numbers) -> Iterator[Mask | None]:
        """The rows that count, in turns between which panes leave: what has left is so the same for all rows of a turn,
        however frames are batched.
        """
        start = 0
        while start < levels.size:
            self._leave(int(levels[start]))
            end = int(np.searchsorted(levels, self._leaves))
            if end - start == levels.size:
                yield keep
            else:
                turn = (batch.frame >= start) & (batch.frame < end)
                yield turn if keep is None else turn & keep
            start = end

    def _fold(self, batch: Batch, frames: Frames, keep: Mask | None, levels: Numbers) -> None:
        top = int(levels.max())
        events: Waiting = {}
        after: dict[str, Late] = {}
        for group, rows in batch.rows(keep):
            type_, process, primary, _ = group
            told = Told(rows, partial(rows.of_frames, levels), top, present=self._present)
            timed = self._timed(type_, told, rows, frames) if group.counted else []
            if primary and type_.startswith(PREFIX):
                self.accounts.leave_out(rows)
            self._late(type_, self._lateness(group, timed, rows, after), rows, batch, frames)
            self._forgotten(self._floor(type_, process), told, rows, batch, frames)
            if self._corrections.concern(type_):
                self._correct(type_, process, rows, batch, frames, events=events, primary=primary)
                if self._corrections.hold(type_, process):
                    continue
            self.passing.hear(process, Heard(type_, rows, batch.frames, self._this_minute))
            for feed, one in timed:
                self._read(self._readers.get(feed, ()), one)
            if process in self.cases:
                copies = CaseEvents(type_, rows.hash("key"), rows, rows.texts)
                events.setdefault(process, []).append(copies)
        self._update(events)

    def hear(self, frames: Frames) -> None:
        """Fold copies of events that cases of other partitions pass on, which time does not depend on."""
        news = [frame for _, frame in frames if frame.head.ingest + HORIZON_MS > self._this_minute]
        self._count("passed_too_late", len(frames) - len(news))
        if not news:
            return
        batch = Batch(news, self._interner)
        self._count("passed", batch.n)
        events: Waiting = {}
        for (type_, process, *_), rows in batch.rows(None):
            if self._corrections.hold(type_, process):
                told = Heard(type_, rows, news, self._this_minute)
                found = copies_heard(self._corrections, process, told)
                self._restate(type_, process, found, told, events)
        self._update(events)
        self.passing.settle(self._this_minute)
        self._leave(self.watermark.value)

    def passed(self, version: int) -> Iterable[tuple[int, bytes]]:
        """(partition, frame) of what cases pass on since the last call, as of offset ``version``."""
        head = Head(Kind.PASSED, self.tenant, self.run, self.attempt, "", self.time)
        return self.passing.records(head, version)

    @property
    def _this_minute(self) -> int:
        """Engine time, as exactly as it is the same however frames are batched."""
        return self.time // MINUTE * MINUTE

    def arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of everything: JSON values, and arrays by name."""
        starts, identities = self._dedupe.arrays()
        arrays = {**prefixed("strings", pack_texts(self.strings.texts)), **prefixed("dedupe", identities)}
        meta: dict[str, Any] = {
            "tenant": self.tenant, "run": self.run, "attempt": self.attempt, "catalogue": self.catalogue,
            "time": self.time, "complete": self.complete, "counters": dict(self.counters),
            "watermark": self.watermark.state(), "accounts": self.accounts.state(), "dedupe": starts,
            "sequence": self._sequence, "openings": self.openings, "parts": {},
        }  # fmt: skip
        for name, part in self._parts():
            meta["parts"][name], held = part.arrays()
            arrays |= prefixed(name, held)
        return meta, arrays

    def load(
        self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], program: Program | None
    ) -> None:
        """Become what ``arrays()`` gave; ``program`` is that of its catalogue."""
        self.time, self.complete = meta["time"], meta["complete"]
        self.counters, self._sequence = Counter(meta["counters"]), meta["sequence"]
        self.strings = Strings(unpack_texts(under("strings", arrays)))
        self._interner = Interner(self.strings)
        self._corrections = Corrections(self.strings)
        self._dedupe.load(meta["dedupe"], under("dedupe", arrays))
        self.openings = {name: (said, instant) for name, (said, instant) in meta["openings"].items()}
        if program is not None:
            self._bind(program, meta["catalogue"])
        self.watermark.load(*meta["watermark"])
        self.accounts.load(meta.get("accounts", {}))
        for name, part in self._parts():
            part.load(meta["parts"][name], under(name, arrays))

    def _parts(self) -> Iterable[tuple[str, Any]]:
        for dimensions, scopes in self._scopes.items():
            yield f"scopes {json.dumps(dimensions)}", scopes
        for cube, cells in self.cells.items():
            yield f"cells {cube}", cells
        for process, cases in self.cases.items():
            yield f"cases {process}", cases
        for process, linker in self.passing.linkers.items():
            yield f"relations {process}", linker
        yield "corrections", self._corrections

    def _bind(self, program: Program, catalogue: str) -> None:
        self._bind_cases(program)
        self.program, self.catalogue = program, catalogue
        batched = {source.name for source in program.catalogue.sources.values() if source.batched}
        self.watermark.expected = program.catalogue.expected_sources
        self.watermark.batched = frozenset(batched)
        self.accounts.bind(program.catalogue.sources)
        self._dependents = dependents(program)
        self._corrections.switch(program)
        self.passing.switch(program)
        held, self.cells, self._readers = self.cells, {}, {}
        self._leaves = START
        for cube in (each.of_run(self.run) for each in program.cubes):
            scopes = self._scopes.setdefault(cube.dimensions, Scopes(cube.dimensions, self.strings))
            table = held.get(cube.id)
            if table is None:
                table = self._table(cube, scopes)
            table.measure_anew(cube)
            self.cells[cube.id] = table
            for measure in cube.measures:
                readers = self._readers.setdefault(measure.feed, [])
                if not readers or readers[-1][0] is not table:
                    readers.append((table, []))
                readers[-1][1].append(measure)
        self._times = {}
        for feed in self._readers:
            if isinstance(feed, EventFeed) and feed.time is not Time.OCCURRED:
                self._times.setdefault(feed.event, []).append(feed)

    def _bind_cases(self, program: Program) -> None:
        held, self.cases = self.cases, {}
        before = self.program
        for name in program.catalogue.processes:
            table = CaseTable.of(program, name, self.strings)
            if name in self.openings:
                table.open_at(self.openings[name][1])
            if before is not None and name in held and cases_go_on(before, program, name):
                table.adopt(held[name])
            self.cases[name] = table

    @property
    def _present(self) -> int | None:
        """When what is too old for history counts: in the minute that is being folded. An import leaves it out."""
        return self.time - self.time % MINUTE if self.run == LIVE else None

    def _advance(self, time: int) -> None:
        if time // _SEAL_MS > self._sequence // _SEAL_MS:
            self._seal()
        self.time = max(self.time, time)
        for cases in self.cases.values():
            self._tell(cases.advance(self.time))
        self._corrections.leave(self.time)
        self.passing.leave(self.time)

    def _leave(self, watermark: int) -> None:
        if watermark < self._leaves:
            return
        for table in self.cells.values():
            table.leave(watermark)
        self._leaves = min(
            (next_leave(table.cube, watermark) for table in self.cells.values()), default=ENDLESS
        )

    def _seal(self) -> None:
        """What has gathered to amend history is complete: it is told once, under a number of its own."""
        gathered = {name: cells for name, table in self.cells.items() if (cells := table.take_amending())}
        if gathered and self.program is not None:
            self._sequence = max(self.time, self._sequence + 1)
            found = amending(self.program, gathered)
            self.amendments.append(
                Amendments(self.tenant, self.run, self.attempt, self.partition, self._sequence, found)
            )

    def _tell(self, facts: Iterable[Facts], fresh: Readers | None = None) -> None:
        """Have those read who are to; ``fresh``: only these."""
        readers = self._readers if fresh is None else fresh
        for told in facts:
            whole = Told(told.rows)
            for feed, part, rows in told.feeds:
                self._read(readers.get(feed, ()), Told(rows, whole=(whole, part), present=self._present))

    def _timed(self, type_: str, told: Told, rows: BlockRows, frames: Frames) -> list[tuple[EventFeed, Told]]:
        """Primary events of a type, by each of the times that they are counted by."""
        timed = [(EventFeed(type_), told)]
        for feed in self._times.get(type_, ()):
            each = retimed(rows, self._event_type(type_), feed.time, partial(_ingest, rows, frames))
            timed.append((feed, Told(each, told.levels, told.top, present=told.present)))
        return timed

    def _read_standing(self, event: str, told: Columns, readers: Readers, present: int | None = None) -> None:
        """What a ledger tells of its events, by each of the times that they are counted by."""
        self._read(readers.get(EventFeed(event), ()), Told(told, present=present))
        for feed in self._times.get(event, ()):
            each = Retimed(told, kept_time(told, feed.time))
            self._read(readers.get(feed, ()), Told(each, present=present))

    def _event_type(self, name: str) -> EventType:
        if self.program is None:
            raise KeyError(name)
        return self.program.catalogue.events[name]

    def _read(self, readers: Iterable[tuple[CellTable, Sequence[Measure]]], told: Told) -> None:
        for table, measures in readers:
            table.fold(told, measures)
        self._count("filter_errors", told.errors)

    def _count(self, name: str, more: int | np.integer[Any]) -> None:
        if more:
            self.counters[name] += int(more)

    def _believed(self, batch: Batch, frames: Frames) -> Mask | None:
        """Leave out what claims to come from the future (of a live run; an import has its own time). None: nothing."""
        ingests = [frame.head.ingest for _, frame in frames]
        if self.run != LIVE or batch.said.max() <= min(ingests) + FUTURE_MS:
            return None
        believed: Mask = batch.said <= np.array(ingests)[batch.frame] + FUTURE_MS
        refused = batch.in_log_order[(~believed & batch.primary)[batch.in_log_order]]
        self._count("quarantined", refused.size)
        self._list(refused, batch, frames, "future", "is further ahead of its arrival than 5 minutes")
        return believed

    def _fresh(self, batch: Batch, frames: Frames, keep: Mask | None) -> Mask | None:
        """Leave out what was seen before."""
        at = batch.in_log_order if keep is None else batch.in_log_order[keep[batch.in_log_order]]
        fresh = self._dedupe.fresh(batch.identity[at], max(self.time, frames[0][1].head.ingest))
        if np.count_nonzero(fresh) < fresh.size:
            repeated = at[~fresh]
            keep = np.ones(batch.n, np.bool_) if keep is None else keep
            keep[repeated] = False
            for after, before in batch.pairs:
                keep[before] = keep[after]
            self._count("duplicates", np.count_nonzero(batch.primary[repeated]))
        if keep is None:
            self._count("events", sum(part.n for part in batch.parts if part.block.primary))
        else:
            self._count("events", np.count_nonzero(batch.primary & keep))
        return keep

    def _hear(self, batch: Batch, keep: Mask | None) -> Numbers:
        """Move the watermark frame by frame; returns what it was before each."""
        codes, frame, time, primary = batch.sources(), batch.frame, batch.said, batch.primary
        if keep is not None:
            codes, frame, time, primary = codes[keep], frame[keep], time[keep], primary[keep]
        known = np.bincount(codes).nonzero()[0]
        slot = np.empty(known[-1] + 1 if known.size else 0, np.intp)
        slot[known] = np.arange(known.size)
        names = [self.strings.texts[code] for code in known.tolist()]
        where = frame * known.size + slot[codes]
        size = len(batch.frames) * known.size
        highest = np.full(size, START)
        np.maximum.at(highest, where, time)
        counts = np.bincount(where[primary], minlength=size)
        shape = len(batch.frames), known.size
        levels = np.empty(len(batch.frames), np.int64)
        for number, (one, tops, sums) in enumerate(
            zip(batch.frames, highest.reshape(shape).tolist(), counts.reshape(shape).tolist(), strict=True)
        ):
            levels[number] = self.watermark.value
            self.time = max(self.time, one.head.ingest)
            heard = {
                name: (top, count) for name, top, count in zip(names, tops, sums, strict=True) if top > START
            }
            self.watermark.hear(self.time, heard)
        self.accounts.count(dict(zip(names, counts.reshape(shape).sum(axis=0).tolist(), strict=True)))
        return levels

    def _correct(
        self,
        type_: str,
        process: str,
        rows: BlockRows,
        batch: Batch,
        frames: Frames,
        *,
        events: Waiting,
        primary: bool,
    ) -> None:
        """Let events of a type that corrects, is corrected or reverses another take back what they replace."""
        came = _ingest(rows, frames)
        for event, found in self._corrections.update(type_, process, rows, came, primary=primary):
            self._read_standing(event, found.told, self._readers, self._present)
            heard = Heard(type_, rows, batch.frames, self._this_minute)
            self._restate(event, process, found, heard, events)
            if primary:
                self._count("duplicates", found.duplicates)
                self._count("corrections", found.corrections)
                self._count("beyond_horizon", found.beyond.size)
                beyond = rows.batch_rows()[found.beyond]
                self._list(beyond, batch, frames, "beyond_horizon", _BEYOND)

    def _restate(self, event: str, process: str, found: Corrected, told: Heard, events: Waiting) -> None:
        """Let cases take back what no longer stands, and what they passed on of it; what counts now joins the
        ``events`` that wait, which are folded before anything is taken back, since it may be one of them.
        """
        if process in self.cases:
            cases, waiting = self.cases[process], events.setdefault(process, [])
            if found.gone.keys.size:
                self._tell(cases.update(waiting))
                self._tell(cases.take_back([found.gone]))
                waiting[:] = [cases.known(found.standing)]
            waiting.append(found.heard)
        self.passing.correct(event, process, found, told)

    def _update(self, events: Waiting) -> None:
        """Fold what waits."""
        for process, batches in events.items():
            self._tell(self.cases[process].update(batches))

    def _lateness(
        self,
        group: Group,
        timed: Sequence[tuple[EventFeed, Told]],
        rows: BlockRows,
        after: dict[str, Late],
    ) -> Late | None:
        """Which rows are late, by any of the times that they are counted by (None: none can be); of rows before a
        change, where those ``after`` it are not, since an event is late once.
        """
        found: Late | None = None
        for feed, told in timed:
            dependent = self._dependents.get(feed, ())
            if told.levels is not None and may_be_late(dependent, told.earliest, told.top):
                levels = told.levels()
                time, expected = told.rows.number("time"), self._expected_at(rows, levels)
                one = lateness(dependent, time, levels, expected)
                found = one if found is None else found.joined(one)
        if found is not None and group.image is Image.AFTER:
            after[group.type] = found
        elif found is not None and group.image is Image.BEFORE and group.type in after:
            found = found.without(after[group.type])
        return found

    def _late(self, type_: str, found: Late | None, rows: BlockRows, batch: Batch, frames: Frames) -> None:
        if found is None:
            return
        if not type_.startswith(PREFIX):  # what a source says of a day comes after it
            self._count("late", np.count_nonzero(found.late))
        counted = found.counted & (self._present is not None)
        dropped = (found.counted | found.dropped) & ~counted
        if counted.any():
            self._count("counted_late", np.count_nonzero(counted))
            self._list(rows.batch_rows()[counted], batch, frames, "too_old", _TOO_OLD)
        if dropped.any():
            self._count("late_dropped", np.count_nonzero(dropped))
            self._list(rows.batch_rows()[dropped], batch, frames, "late", _DROPPED)

    def _floor(self, type_: str, process: str) -> int:
        """Up to when events of a type have been folded into balances; ``START``: nothing has."""
        return self.cases[process].forgotten(type_) if process in self.cases else START

    def _forgotten(self, floor: int, told: Told, rows: BlockRows, batch: Batch, frames: Frames) -> None:
        """List what happened before ``floor``, so that nobody can tell any more whether it has come before."""
        if floor == START or told.earliest >= floor:
            return
        at = np.flatnonzero(rows.number("time") < floor)
        self._count("beyond_horizon", at.size)
        self._list(rows.batch_rows()[at], batch, frames, "beyond_horizon", _FOLDED)

    def _expected_at(self, rows: BlockRows, levels: Numbers) -> Numbers:
        """Levels, but of what comes in batches: its panes are closed once the batch has ended, not before."""
        if not self.watermark.batched:
            return levels
        codes, levels = rows.code("source"), levels.copy()
        for source in self.watermark.batched:
            until = self.accounts.until(source)
            mine = codes == self.strings.code(source)
            levels[mine] = START if until is None else np.minimum(levels[mine], until)
        return levels

    def _list(self, rows: NDArray[np.intp], batch: Batch, frames: Frames, code: str, message: str) -> None:
        for row in rows[:_MOST_LETTERS].tolist():
            number, index = batch.origin(row)
            offset, frame = frames[number]
            payload = frame.event(index).decode(errors="replace")
            self.letters.append(
                DeadLetter(
                    f"{code}:{self.run}:{self.partition}:{offset}:{index}", self.tenant, self.time,
                    f"events:{self.partition}:{offset}", _event_id(payload), "time",
                    str(int(batch.said[row])), code, f"The event {message}.", payload,
                )
            )  # fmt: skip


def _without(table: CellTable, measures: Sequence[Measure], known: frozenset[MeasureKey]) -> list[Measure]:
    return [measure for measure in measures if (table.cube.id, measure.id) not in known]


def _ingest(rows: BlockRows, frames: Frames) -> Numbers:
    """When the intake saw each row."""
    return rows.of_frames(np.array([frame.head.ingest for _, frame in frames], np.int64))


def _event_id(payload: str) -> str | None:
    try:
        found = json.loads(payload)["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(found)
