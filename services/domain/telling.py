"""What a run in one partition tells: partials to each judge partition, notable cases now and then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from services.domain.facts import CaseFacts
from services.domain.partials import CubeCells, Partial, named
from services.domain.program import LIVE
from services.domain.runstate import RunState
from services.domain.watermark import START

PIECE_BYTES = 96 << 10
PART_BYTES = 320 << 10
_EACH_MS = 1_000
"""How often, in engine time, a judge is told of time alone."""
CASES_MS, CASES_ANYWAY_MS = 5_000, 60_000
"""How often notable cases are told, in engine time: at most where they have changed, at least where they have not."""
IMPORT_EVENTS = 65_536
"""Nobody watches the numbers of an import grow, so it is told of seldom."""


class Teller:
    """Remembers what each of ``judges`` judge partitions was told of ``run``; after an assignment: nothing.

    ``hold`` is how many events of an import go by between two tellings.
    """

    def __init__(self, run: RunState, judges: int, hold: int = IMPORT_EVENTS) -> None:
        self.run = run
        self.judges = judges
        self._hold = hold
        self._since: list[int | None] = [None] * judges
        self._time = [0] * judges
        self._said: list[tuple[str, bool] | None] = [None] * judges
        self._cases_at: tuple[int, bool] | None = None
        self._cases: dict[str, CaseFacts] = {}
        self._events = run.counters["events"]

    def partials(self, offset: int, *, everything: bool) -> Iterator[tuple[int, Partial]]:
        """(judge partition, partial) as of ``offset``, to be sent in this order."""
        held = self._held and not everything
        if not held:
            self._events = self.run.counters["events"]
        for judge in range(self.judges):
            first = self._since[judge] is None
            if not held or first or self._said[judge] != self._state:
                for partial in self._to(judge, offset, everything=everything or first):
                    yield judge, partial

    @property
    def _held(self) -> bool:
        """Whether an import is to go on first."""
        run = self.run
        return run.run != LIVE and run.counters["events"] < self._events + self._hold

    @property
    def _state(self) -> tuple[str, bool]:
        """What a judge is told of at once."""
        return self.run.catalogue, self.run.complete

    def cases(self, *, everything: bool) -> list[CaseFacts]:
        """Notable cases, when it is time to tell them: of an import at its end, and never the same again."""
        run = self.run
        if run.time == START or not (everything or run.complete or (run.run == LIVE and self._cases_passed)):
            return []
        at = run.time, run.complete
        if self._cases_at == at and not everything:
            return []
        self._cases_at = at
        return [facts for facts in run.notable_cases() if self._news(facts) or everything]

    @property
    def _cases_passed(self) -> bool:
        return self._cases_at is None or self.run.time >= self._cases_at[0] + CASES_MS

    def _news(self, facts: CaseFacts) -> bool:
        """Whether to tell them: anything but the time has changed since, or that was a while ago."""
        said = self._cases.get(facts.process)
        if (
            said is not None
            and facts.time < said.time + CASES_ANYWAY_MS
            and facts == replace(said, time=facts.time)
        ):
            return False
        self._cases[facts.process] = facts
        return True

    def _to(self, judge: int, offset: int, *, everything: bool) -> Iterator[Partial]:
        run = self.run
        tables = [
            table
            for table in run.cells.values()
            if table.cube.judge % self.judges == judge and (everything or table.touched)
        ]
        state = self._state
        if not (
            tables or everything or state != self._said[judge] or run.time >= self._time[judge] + _EACH_MS
        ):
            return
        switched = everything or self._said[judge] is None or state[0] != self._said[judge][0]  # type: ignore[index]  # not None
        head = Partial(
            run.tenant, run.run, run.attempt, run.partition, offset,
            since=-1 if everything else self._since[judge] or 0,
            digest=run.program.digest if run.program else "",
            time=run.time,
            watermark=run.level,
            begin=self._since[judge] is None,
            complete=run.complete,
            catalogue=run.catalogue if switched and run.program else None,
            sources=run.watermark.sources(run.time),
            accounts=run.accounts.told(),
            counters=dict(run.counters),
        )  # fmt: skip
        self._since[judge], self._time[judge], self._said[judge] = offset, run.time, state
        pieces = [piece for table in tables for piece in table.changed(PIECE_BYTES, everything=everything)]
        parts = list(_parts(pieces))
        for number, part in enumerate(parts):
            yield _readable(head, part, run, more=number + 1 < len(parts))


def _parts(pieces: list[CubeCells]) -> Iterator[list[CubeCells]]:
    """Pieces of about ``PART_BYTES`` together; at least one part."""
    part: list[CubeCells] = []
    size = 0
    for piece in pieces:
        bytes_ = _size(piece)
        if part and size + bytes_ > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(piece)
        size += bytes_
    yield part


def _size(piece: CubeCells) -> int:
    entries = sum(sketch.cell.size for sketch in piece.sketches.values())
    return piece.pane.size * (12 + 8 * len(piece.columns)) + 16 * entries


def _readable(head: Partial, cubes: list[CubeCells], run: RunState, *, more: bool) -> Partial:
    """One part, with the strings that the scopes of ``cubes`` name, and codes into those."""
    strings, own = named(cubes, run.strings.texts)
    return replace(head, more=more, strings=strings, cubes=own)
