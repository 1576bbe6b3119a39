"""Passing events on: from the cases that events name to those that these are related to, in other partitions.

A passed event is one more copy of it, which the intake could not route. The partition of the case that it names knows
the case's relations (``linker.py``) and appends the copy to the partition of the case at the other end, in a frame of
a kind of its own; the receiver folds it beside the hot path, as a correction (``Corrections.hear``).

Why a copy may be told again and again, by a second life or by two workers at once: what a pair of relation and event
comes to is a function S of the sender's log up to an offset. A telling at offset *v* carries S(v) and the version *v*;
every pair is told that records since the last telling touched, be it by something that another of them superseded at
once: in other company, a life before this one may have told it. Let *t* be the last record that touches a pair. All
tellings with versions from *t* on carry S(t), and there is one at least: a snapshot at *t* or after it is complete
only once all that was said before is in the log, and from a snapshot before *t* the record is folded again. So the
word with the highest version, which is all that the receiver keeps, is the last; what a dead worker had said of it
carries a lower version or says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from services.domain.batch import Batch, Interner
from services.domain.catalogue import Field
from services.domain.corrections import Corrected, Corrections, copies_said
from services.domain.frames import Frame, FrameBuilder, Head, Kind, decode, is_tick
from services.domain.identity import partition_of
from services.domain.linker import Heard, Linker, Told
from services.domain.passages import senders
from services.domain.program import Program
from services.domain.rows import Strings

HORIZON_MS = 35 * 86_400_000
"""What was told longer ago than this is a replay: what was said of it since may have been forgotten."""
FRAME_EVENTS, FRAME_BYTES = 4_000, 400 << 10
"""What one record carries at most, as at the intake."""


class Passing:
    """What the cases of one run in one partition pass on, to ``partitions`` partitions (0: nothing)."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._fields: Mapping[str, Sequence[Field]] = {}
        self._digest = ""
        self._told: dict[int, Told] = {}
        self.linkers: dict[str, Linker] = {}

    def switch(self, program: Program) -> None:
        """Go on under another catalogue; what it leaves as it was is remembered."""
        catalogue, before = program.catalogue, self.linkers
        passages = {name: one for name, one in catalogue.events.items() if one.passed is not None}
        self._fields = {name: one.columns for name, one in passages.items()}
        self._digest = catalogue.digest
        self.linkers = (
            {name: Linker(name, catalogue) for name in senders(catalogue)} if self._partitions else {}
        )
        for name, linker in self.linkers.items():
            if name in before:
                linker.adopt(before[name])

    @property
    def further(self) -> bool:
        """Whether copies that were passed on are passed on again."""
        return any(linker.further for linker in self.linkers.values())

    def hear(self, process: str, heard: Heard) -> None:
        """Take copies of events as ``process`` sees them."""
        linker = self.linkers.get(process)
        if linker is not None and linker.concerns(heard.event):
            linker.hear(heard)

    def correct(self, event: str, process: str, found: Corrected, heard: Heard) -> None:
        """Take what has become of events of a correctable type, or of copies that were passed on to here, because of
        ``heard``, which may reverse them.
        """
        linker = self.linkers.get(process)
        if linker is not None and linker.concerns(event):
            linker.forget(event, found.gone.rows.hash("identity"))
            if event == heard.event:
                linker.mention(heard)
                linker.hear(heard._replace(only=found.heard.only))

    def settle(self, now: int) -> None:
        """What was heard is complete for now: work out what is to be told."""
        for linker in self.linkers.values():
            for told in linker.tell(now):
                self._told[told.row.identity] = told

    def leave(self, now: int) -> None:
        """Let go of what is beyond the horizon; where the log says so."""
        for linker in self.linkers.values():
            linker.leave(now)

    def records(self, head: Head, version: int) -> Iterator[tuple[int, bytes]]:
        """(partition, frame) of all that is to be told, of the run in ``head``, as of ``version``."""
        told, self._told = self._told, {}
        head = replace(head, kind=Kind.PASSED, digest=self._digest)
        builders: dict[tuple[int, bool], FrameBuilder] = {}
        for row, withdrawn in told.values():
            place = partition_of(f"{row.process}\0{row.key}", self._partitions), withdrawn
            builder = builders.setdefault(place, FrameBuilder(self._fields))
            builder.add(row)
            if builder.events >= FRAME_EVENTS or builder.bytes >= FRAME_BYTES:
                yield place[0], builder.build(head, version=version, withdrawn=withdrawn)
        for (partition, withdrawn), builder in builders.items():
            if builder.events:
                yield partition, builder.build(head, version=version, withdrawn=withdrawn)


class Derivation:
    """What follows from the frames of all partitions of an import, for the importer to append behind them.

    Its frames hold months, and stand in the log before anything that is derived from them could; so it is the importer
    that passes on, in the order in which it appends, and the processors do not.
    """

    def __init__(self, program: Program, partitions: int) -> None:
        strings = Strings()
        self._interner = Interner(strings)
        self._corrections = Corrections(strings)
        self._passing = Passing(partitions)
        self._passing.switch(program)
        self._corrections.switch(replace(program, cubes=()))
        self._version = 0

    def records(self, values: Sequence[bytes], head: Head) -> Iterator[tuple[int, bytes]]:
        """(partition, frame) that follow from records that are about to be appended; ``head`` as theirs."""
        frames = [decode(value) for value in values if not is_tick(value)]
        now = max([head.ingest, *(frame.head.high for frame in frames)])
        while frames:
            self._take(frames, now)
            self._passing.settle(now)
            self._version += 1
            told = list(self._passing.records(head, self._version))
            yield from told
            frames = [decode(value) for _, value in told] if self._passing.further else []
        self._corrections.leave(head.ingest)
        self._passing.leave(head.ingest)

    def _take(self, frames: Sequence[Frame], now: int) -> None:
        for (type_, process, primary, _), rows in Batch(frames, self._interner).rows(None):
            told = Heard(type_, rows, frames, now)
            if frames[0].head.kind is Kind.PASSED:
                found = copies_heard(self._corrections, process, told)
                self._passing.correct(type_, process, found, told)
                continue
            if self._corrections.concern(type_):
                came = np.full(rows.n, now)
                for event, found in self._corrections.update(type_, process, rows, came, primary=primary):
                    self._passing.correct(event, process, found, told)
                if self._corrections.hold(type_, process):
                    continue
            self._passing.hear(process, told)


def copies_heard(corrections: Corrections, process: str, heard: Heard) -> Corrected:
    """What comes of copies in frames of kind ``passed``."""
    rows, frames = heard.rows, heard.frames
    came = rows.of_frames(np.array([frame.head.ingest for frame in frames]))
    version = rows.of_frames(np.array([frame.meta["version"] for frame in frames]))
    withdrawn = rows.of_frames(np.array([frame.meta["withdrawn"] for frame in frames], np.int64))
    said = copies_said(rows, came, version, withdrawn == 1)
    return corrections.hear(heard.event, process, said)
