"""OBSERVE: from the records of one events partition to partials, notable cases and dead letters.

A function of the log: which records are folded in one call, and when something is emitted, changes nothing of what
cells come to.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from services.domain import partials
from services.domain.amendments import records
from services.domain.cells import CellTable
from services.domain.facts import DeadLetter
from services.domain.frames import Frame, Kind, decode
from services.domain.program import LIVE, Program
from services.domain.runstate import MINUTE, Cells, RunState
from services.domain.snapshots import cut, join, prefixed, under
from services.domain.state import Emission
from services.domain.telling import IMPORT_EVENTS, Teller

Load = Callable[[str], Program]
_UNREADABLE = (ValueError, KeyError, TypeError, IndexError, struct.error)
_KEPT_PAYLOAD = 128 << 10


class Observer:
    """The state of events partition ``partition``. ``load`` compiles a catalogue from its canonical JSON (raising
    ``ValueError`` where it cannot); ``judges`` is the number of judge partitions, ``hold`` that of an import's events
    between two tellings, ``cells`` makes the tables that rows are folded into. In the live run, cases pass events on
    to those of ``partitions`` partitions (0: to none).
    """

    def __init__(
        self,
        partition: int,
        load: Load,
        judges: int = 4,
        hold: int = IMPORT_EVENTS,
        cells: Cells = CellTable,
        *,
        partitions: int = 0,
    ) -> None:
        self.partition = partition
        self.runs: dict[tuple[str, str], RunState] = {}
        self.undecodable = 0
        self.unfoldable = 0
        self._load = load
        self._judges = judges
        self._hold = hold
        self._cells = cells
        self._partitions = partitions
        self._applied = -1
        self._tellers: dict[tuple[str, str], Teller] = {}
        self._pending: dict[tuple[str, str], list[tuple[int, Frame]]] = {}
        self._heard: dict[tuple[str, str], list[tuple[int, Frame]]] = {}
        self._passed: list[Emission] = []
        self._letters: list[DeadLetter] = []
        self._programs: dict[str, Program] = {}

    @property
    def applied(self) -> int:
        """The offset up to which the state is complete; -1 before the first record."""
        return self._applied

    def fold(self, records: Sequence[tuple[int, bytes]]) -> None:
        """See ``State``."""
        for offset, data in records:
            try:
                frame = decode(data)
            except _UNREADABLE as error:
                self._refuse(offset, "undecodable", str(error))
            else:
                self._take(offset, frame)
            self._applied = offset
        for key in [*self._pending, *self._heard]:
            self._flush(key)

    def refuse(self, offset: int, value: bytes, error: str) -> None:
        """See ``State``. The letter holds the frame's events, where they can be read and are not too many."""
        tenant, payload = "default", ""
        with contextlib.suppress(*_UNREADABLE):
            frame = decode(value)
            tenant = frame.head.tenant
            if len(value) <= _KEPT_PAYLOAD:
                events = b",".join(frame.primary_events())
                payload = f"[{events.decode(errors='replace')}]"
        self.unfoldable += 1
        self._refuse(offset, "unfoldable", error, tenant, payload)
        self._applied = offset

    def emit(self, *, everything: bool = False) -> list[Emission]:
        """See ``State``."""
        for run in self.runs.values():
            self._pass_on(run)
        emissions, self._passed = self._passed, []
        for key, run in self.runs.items():
            teller = self._tellers[key]
            if run.run == LIVE and self.undecodable:
                run.counters["undecodable"] = self.undecodable
            if run.run == LIVE and self.unfoldable:
                run.counters["unfoldable"] = self.unfoldable
            if overflowed := run.overflowed:
                run.counters["scope_overflow"] = overflowed
            for judge, partial in teller.partials(self._applied, everything=everything):
                emissions.append(Emission("judging", judge, partials.encode(partial)))
            emissions += [
                Emission("cases", self.partition % self._judges, facts)
                for facts in teller.cases(everything=everything)
            ]
            self._letters += run.letters
            emissions += [
                Emission("history", self.partition % self._judges, record)
                for sealed in run.amendments
                for record in records(sealed)
            ]
            run.letters, run.amendments = [], []
        emissions += [Emission("dead_letters", 0, letter) for letter in self._letters]
        self._letters = []
        return emissions

    def chunks(self) -> Iterator[bytes]:
        """See ``State``."""
        meta: dict[str, Any] = {
            "applied": self._applied,
            "undecodable": self.undecodable,
            "unfoldable": self.unfoldable,
            "runs": [],
        }
        arrays: dict[str, NDArray[Any]] = {}
        for number, run in enumerate(self.runs.values()):
            head, held = run.arrays()
            meta["runs"].append(head)
            arrays |= prefixed(str(number), held)
        return cut(meta, arrays)

    def restore(self, chunks: Sequence[bytes]) -> None:
        """See ``State``. Raises ``ValueError`` where the chunks are none, or their catalogue no longer compiles."""
        meta, arrays = join(chunks)
        self.runs, self._tellers, self._pending, self._letters = {}, {}, {}, []
        self._heard, self._passed = {}, []
        self._applied, self.undecodable = meta["applied"], meta["undecodable"]
        self.unfoldable = meta.get("unfoldable", 0)
        for number, head in enumerate(meta["runs"]):
            run = self._start(head["tenant"], head["run"], head["attempt"])
            program = self._program(head["catalogue"]) if head["catalogue"] else None
            run.load(head, under(str(number), arrays), program)

    def _take(self, offset: int, frame: Frame) -> None:
        head = frame.head
        key = head.tenant, head.run
        run = self.runs.get(key)
        if run is None:
            run = self._start(head.tenant, head.run, head.attempt)
        elif head.attempt > run.attempt:
            run = self._restart(run, head.attempt)
        elif head.attempt < run.attempt:
            run.counters["void"] += head.count
            return
        if head.kind is Kind.EVENTS:
            if self._ends_minute(key, run, frame):
                self._flush(key)
            self._pending.setdefault(key, []).append((offset, frame))
        elif head.kind is Kind.PASSED:
            self._heard.setdefault(key, []).append((offset, frame))
        else:
            self._flush(key)
            self._mark(offset, run, frame)

    def _mark(self, offset: int, run: RunState, frame: Frame) -> None:
        """Take a record that carries no events."""
        said, time = frame.meta, frame.head.ingest
        match frame.head.kind:
            case Kind.TICK:
                run.pass_time(time)
            case Kind.END:
                run.finish(time)
            case Kind.SOURCE:
                run.hear_source(str(said["source"]), said, time)
            case Kind.OPENING:
                run.open_process(str(said["process"]), int(said["instant"]), time)
            case Kind.CATALOGUE:
                self._switch(offset, run, str(said.get("catalogue", "")))

    def _ends_minute(self, key: tuple[str, str], run: RunState, frame: Frame) -> bool:
        """Whether what waits belongs to a minute before the one that ``frame`` is in."""
        pending = self._pending.get(key)
        if pending is None:
            return key in self._heard and run.minute(frame) > run.time // MINUTE
        return run.minute(frame) > run.minute(pending[0][1])

    def _flush(self, key: tuple[str, str]) -> None:
        if frames := self._pending.pop(key, None):
            self.runs[key].fold(frames)
        if heard := self._heard.pop(key, None):
            self.runs[key].hear(heard)

    def _pass_on(self, run: RunState) -> None:
        """Say what its cases pass on, as of now."""
        self._passed += [Emission("events", place, value) for place, value in run.passed(self._applied)]

    def _start(self, tenant: str, run: str, attempt: int) -> RunState:
        passes_to = self._partitions if run == LIVE else 0
        started = RunState(tenant, run, attempt, self.partition, self._cells, passes_to=passes_to)
        self.runs[tenant, run] = started
        self._tellers[tenant, run] = Teller(started, self._judges, self._hold)
        return started

    def _restart(self, run: RunState, attempt: int) -> RunState:
        """A new attempt: all that earlier ones left goes, but for the catalogue until there is a newer one."""
        for waiting in (self._pending, self._heard):
            waiting.pop((run.tenant, run.run), None)
        started = self._start(run.tenant, run.run, attempt)
        if run.program is not None:
            started.switch(run.program, run.catalogue)
        return started

    def _switch(self, offset: int, run: RunState, catalogue: str) -> None:
        if catalogue == run.catalogue:
            return
        try:
            program = self._program(catalogue)
        except ValueError as error:
            self._refuse(offset, "catalogue", str(error), run.tenant)
        else:
            self._pass_on(run)
            run.switch(program, catalogue)

    def _program(self, catalogue: str) -> Program:
        if catalogue not in self._programs:
            self._programs[catalogue] = self._load(catalogue)
        return self._programs[catalogue]

    def _refuse(
        self, offset: int, code: str, message: str, tenant: str = "default", payload: str = ""
    ) -> None:
        self.undecodable += code == "undecodable"
        origin = f"events:{self.partition}:{offset}"
        time = max((run.time for run in self.runs.values()), default=0)
        self._letters.append(
            DeadLetter(f"{code}:{origin}", tenant, time, origin, None, None, None, code, message, payload)
        )
