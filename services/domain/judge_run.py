"""One attempt of one run as a partition of JUDGE sees it: sources, engine time, cells, values, slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.domain.completeness import closable, completeness, doubt, states_of
from services.domain.cube_tables import CubeTable
from services.domain.facts import (
    ClosedWindow,
    Completeness,
    Reason,
    Scope,
    SourceAccount,
    SourceFreshness,
    SourceState,
)
from services.domain.kpi_tables import CurrentTable, DerivedTable, WindowTable
from services.domain.needs import needed_sources
from services.domain.partials import Partial, decode, encode
from services.domain.program import BASE, LIVE, EventFeed, Program
from services.domain.readings import Reading, reading
from services.domain.rows import Strings
from services.domain.said import Told
from services.domain.slot_tables import SlotTable
from services.domain.snapshots import prefixed, under
from services.domain.source_accounts import account_of, account_words, joined
from services.domain.windows import Span

Load = Callable[[str], Program]

_UNHEARD_HOLD_MS = 60_000
_LEAST_SHARE = 50
_PLAIN = ("catalogue", "time", "first_time", "watermark", "gaps")


@dataclass(slots=True)
class Source:
    """What one source partition has said last. ``switches`` counts its changes of catalogue."""

    offset: int = -1
    time: int = 0
    watermark: int = BASE
    complete: bool = False
    digest: str = ""
    switches: int = 0
    freshness: tuple[SourceFreshness, ...] = ()
    accounts: tuple[SourceAccount, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)


class RunJudge:
    """The state of one (tenant, run, attempt) in one judge partition.

    Engine time is the highest that any source partition tells. The watermark is the minimum over the source
    partitions that have spoken; one that has spoken holds it back until it goes on. One that has not (if it is known
    how many there are) holds back an import, whose beginning goes to every partition, and a live run for a minute of
    engine time at most. It never goes back: what a straggler brings restates what had closed.
    """

    def __init__(self, tenant: str, run: str, attempt: int, partition: int, expected: int | None) -> None:
        self.tenant, self.run, self.attempt = tenant, run, attempt
        self.partition = partition
        self.catalogue = ""
        self.program: Program | None = None
        self.time = self.first_time = 0
        self.watermark = BASE
        self.gaps = 0
        self.sources: dict[int, Source] = {}
        self.strings = Strings()
        self._waiting: dict[int, list[Partial]] = {}
        self._expected = expected
        self._switches = 0
        self._cubes: dict[str, CubeTable] = {}
        self._tables: dict[str, CurrentTable] = {}
        self._windows: dict[str, WindowTable] = {}
        self._derived: dict[str, DerivedTable] = {}
        self._dependents: dict[str, list[DerivedTable]] = {}
        self._slots: dict[str, SlotTable] = {}
        self._needed: dict[str, frozenset[str]] = {}
        self._sourced: dict[str, frozenset[str]] = {}
        self._states: dict[str, SourceState] = {}
        self._removed: list[tuple[str, Scope]] = []
        self._freshness: list[SourceFreshness] | None = None

    @property
    def complete(self) -> bool:
        """Whether every source partition has ended."""
        heard = all(source.complete for source in self.sources.values())
        return heard and len(self.sources) >= (self._expected or 1)

    @property
    def digest(self) -> str:
        """The catalogue's."""
        return self.program.digest if self.program is not None else ""

    def take(self, partial: Partial, load: Load) -> None:
        """Fold a partial of this attempt; what is older than what its source has said changes nothing.

        A set in several parts is folded when it is complete: with half of one, that of a source which died, the
        state would be of no offset. Raises what ``load`` raises.
        """
        source = self.sources.setdefault(partial.partition, Source())
        if partial.offset < source.offset:
            return
        waiting = self._waiting.pop(partial.partition, [])
        parts = [*(part for part in waiting if part.offset == partial.offset), partial]
        if partial.more:
            self._waiting[partial.partition] = parts
            return
        for part in parts:
            self._take(part, source, load)
        if partial.since < 0 and partial.digest == self.digest:
            self._clear(parts)
        source.offset = partial.offset
        self._advance()

    def _take(self, partial: Partial, source: Source, load: Load) -> None:
        self.first_time = self.first_time or max(partial.time, 0)
        self.gaps += partial.since > source.offset
        self._switch(partial, source, load)
        for cells in partial.cubes:
            table = self._cubes.get(cells.cube)
            if table is not None:
                table.take(partial.partition, cells, partial.strings)
        source.time = max(source.time, partial.time)
        source.watermark = max(source.watermark, partial.watermark)
        source.complete |= partial.complete
        self._freshness = None
        source.freshness, source.counters = (
            partial.sources or source.freshness,
            partial.counters or source.counters,
        )
        source.accounts = partial.accounts or source.accounts
        self.time = max(self.time, partial.time)

    def _clear(self, parts: Sequence[Partial]) -> None:
        """A source has told everything: cells that it did not name hold nothing.

        One that was killed may have told of a cell that its successor, folding the same records in fewer steps, has
        never seen change: a case that was overdue in between.
        """
        last = parts[-1]
        level = last.time if last.complete else last.watermark
        for name, table in self._cubes.items():
            named = [(cells, part.strings) for part in parts for cells in part.cubes if cells.cube == name]
            table.clear(last.partition, named, level)

    def _advance(self) -> None:
        if self._waits and (self.run != LIVE or self.time - self.first_time < _UNHEARD_HOLD_MS):
            return
        self.watermark = max(self.watermark, min(source.watermark for source in self.sources.values()))

    @property
    def _waits(self) -> bool:
        """Whether some source partition has not spoken yet."""
        return self._expected is not None and len(self.sources) < self._expected

    def _switch(self, partial: Partial, source: Source, load: Load) -> None:
        """Change the catalogue when the first source partition does; the others follow and change nothing."""
        if partial.catalogue is None or partial.digest == source.digest:
            return
        if self.program is None or (partial.digest != self.digest and source.switches >= self._switches):
            self._use(load(partial.catalogue))
            self.catalogue = partial.catalogue
        source.digest = partial.digest
        source.switches += 1
        self._switches = max(self._switches, source.switches)

    def _use(self, program: Program) -> None:
        self._settle()
        old_cubes, old_slots, old_tables, old_versions = (
            self._cubes,
            self._slots,
            self._tables,
            self._versions(),
        )
        self.program = program
        self._cubes = self._tables_of(program)
        for name, table in self._cubes.items():
            if name in old_cubes:
                table.adopt(old_cubes[name])
        self._build(program)
        for name, slots in self._slots.items():
            if old_versions.get(name) == program.kpis[name].version:
                slots.load(*old_slots[name].snapshot())
            else:
                slots.seed()
        for name in old_tables.keys() - self._tables.keys():
            said = old_tables[name].said
            self._remove(Told(said, np.flatnonzero(said.known())))

    def _tables_of(self, program: Program) -> dict[str, CubeTable]:
        """Empty ones for the cubes of this judge partition."""
        own = (cube for cube in program.cubes if cube.judge == self.partition)
        return {cube.id: CubeTable(cube.of_run(self.run), self.strings) for cube in own}

    def _versions(self) -> dict[str, str]:
        kpis = self.program.kpis if self.program is not None else {}
        return {name: kpis[name].version for name in self._tables}

    def _build(self, program: Program) -> None:
        """Tables for the KPIs of this judge partition, those that others are derived from first."""
        own = {
            name: reading(program, name) for name, kpi in program.kpis.items() if kpi.judge == self.partition
        }
        self._tables, self._windows, self._derived, self._dependents, self._slots = {}, {}, {}, {}, {}
        for name, one in sorted(own.items(), key=lambda item: _depth(item[1])):
            if one.formula is None:
                self._tables[name] = self._windows[name] = WindowTable(one, self._cubes[one.parts[0].cube])
            else:
                inputs = {each: self._tables[each] for each in one.inputs}
                table = self._tables[name] = self._derived[name] = DerivedTable(
                    one, inputs, one.formula, self.strings
                )
                for each in one.inputs:
                    self._dependents.setdefault(each, []).append(table)
            cubes = {part.cube: self._cubes[part.cube] for part in one.parts}
            if SlotTable.keeps(one, cubes):
                self._slots[name] = SlotTable(one, cubes)
            self._needed[name] = _sources(program, one)
            self._sourced[name] = needed_sources(program, one)

    def _settle(self) -> None:
        """Bring what has changed in the cells to windows and slots."""
        for name, cube in self._cubes.items():
            deltas = cube.deltas()
            for slots in self._slots.values() if deltas else ():
                slots.add(name, deltas)
            for window in self._windows.values() if deltas else ():
                if window.cube == name:
                    window.add(deltas)

    def touch(self) -> None:
        """Let every value be computed again."""
        for table in self._tables.values():
            table.touch()

    def values(self, budget: int, *, wide: bool = True) -> list[Told]:
        """Values that have changed, about ``budget`` at most; the others wait for the next call. Those of wide
        groupings wait as well unless ``wide``, or where there is nothing else to say.
        """
        self._flow()
        told = self._tell(budget, wide=wide)
        return told if wide or told else self._tell(budget, wide=True)

    def _tell(self, budget: int, *, wide: bool) -> list[Told]:
        told: list[Told] = []
        for left, (name, table) in zip(range(len(self._tables), 0, -1), self._tables.items(), strict=True):
            fresh = table.tell(max(budget // left, _LEAST_SHARE), wide=wide)
            if fresh.rows.size:
                told.append(fresh)
                budget -= fresh.rows.size
                for dependent in self._dependents.get(name, ()):
                    dependent.follow(fresh)
        return told

    def _flow(self) -> None:
        """Changes of cells go into windows and slots, windows move to engine time."""
        self._settle()
        for window in self._windows.values():
            window.move(self.time)
        for derived in self._derived.values():
            derived.move(self.time)
        freshness = {source.source: source for source in self.freshness()}
        heard = {name: source.last_ingest for name, source in freshness.items()}
        self._states = self._look(freshness)
        for name, table in self._tables.items():
            span = Span(table.span.start, table.span.end + table.kpi.ripens_ms)
            held = doubt(self._needs(name), span, self.time)
            stale = self._stale(table.kpi.stale_ms, self._needed[name], heard)
            table.set_stale(stale=stale or held is Reason.STALE)
            table.set_incomplete(incomplete=held is Reason.INCOMPLETE_SOURCE)

    def _look(self, freshness: Mapping[str, SourceFreshness]) -> dict[str, SourceState]:
        """How the declared sources are doing; an import is complete by itself."""
        declared = self.program.catalogue.sources if self.program is not None and self.run == LIVE else {}
        if not declared:
            return {}
        accounts = [{one.source: one for one in source.accounts} for source in self.sources.values()]
        known = {name: joined(name, [each.get(name) for each in accounts]) for name in declared}
        return states_of(declared, known, freshness, now=self.time, begun=self.first_time)

    def _needs(self, kpi: str) -> list[SourceState]:
        """The declared sources that a KPI is computed from."""
        return [self._states[source] for source in self._sourced[kpi] if source in self._states]

    def states(self) -> list[SourceState]:
        """How the declared sources are doing, as of the last ``values``."""
        return list(self._states.values())

    def completeness(self) -> dict[str, Completeness]:
        """How far the KPIs are complete that need a declared source."""
        found = {name: completeness(self._needs(name)) for name in self._tables if self._states}
        return {name: one for name, one in found.items() if one is not None}

    def _stale(self, limit: int | None, needed: frozenset[str], heard: Mapping[str, int]) -> bool:
        """Whether a source that is expected, or where none is all that were heard, is silent for too long."""
        if limit is None or self.complete:
            return False
        last = [heard.get(source, self.first_time) for source in needed] if needed else [*heard.values()]
        if not last:
            return False
        return self.time - (min(last) if needed else max(last)) > limit

    @property
    def pending(self) -> bool:
        """Whether values wait that a bound kept back."""
        return any(table.pending for table in self._tables.values())

    def told(self) -> list[Told]:
        """Every value as last told."""
        every = (table.said for table in self._tables.values())
        return [Told(said, np.flatnonzero(said.known())) for said in every]

    def closed(self, version: int, budget: int | None) -> list[ClosedWindow]:
        """Slots that have closed or changed since; call it after ``values``."""
        found: list[ClosedWindow] = []
        for name, slots in self._slots.items():
            left = None if budget is None else max(budget - len(found), 0)
            limit = closable(self._needs(name), self.watermark, slots.kpi.lateness_ms)
            if slots.kpi.ripens_ms:  # which the end of a run does not do for them
                limit = min(limit, self.time + slots.kpi.lateness_ms)
            found += slots.close(limit, version, left)
        return found

    def evict(self) -> None:
        """Forget what is beyond the horizon; call it after ``closed``."""
        if self._waits:
            return
        time = min(self.time, *(source.watermark for source in self.sources.values()))
        for name, cube in self._cubes.items():
            if cube.evict(time):
                self._drop(name, cube)
        for slots in self._slots.values():
            slots.evict(time)

    def _drop(self, name: str, cube: CubeTable) -> None:
        alive = cube.live_scopes()
        for window in self._windows.values():
            if window.cube == name:
                self._remove(window.drop(alive))

    def _remove(self, gone: Told) -> None:
        """Note what is gone, and let what was derived from it go too."""
        name = gone.said.kpi.name
        self._removed += [(name, gone.said.scope(row)) for row in gone.rows.tolist()]
        for dependent in self._dependents.get(name, ()):
            self._remove(dependent.drop(gone))

    def removed(self) -> list[tuple[str, Scope]]:
        """Scopes that are gone since this was last asked."""
        gone, self._removed = self._removed, []
        return gone

    def freshness(self) -> list[SourceFreshness]:
        """Each source over all partitions."""
        if self._freshness is not None:
            return self._freshness
        found: dict[str, SourceFreshness] = {}
        for one in (one for source in self.sources.values() for one in source.freshness):
            known = found.get(one.source)
            found[one.source] = one if known is None else _both(known, one)
        self._freshness = [found[name] for name in sorted(found)]
        return self._freshness

    def counters(self) -> dict[str, int]:
        """Totals over all partitions, and ``missing_partials``: how often one came without the one before it."""
        totals = {"missing_partials": self.gaps} if self.gaps else {}
        for source in self.sources.values():
            for name, count in source.counters.items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def snapshot(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """A copy of the state as ``load`` takes it."""
        self._settle()
        meta: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        meta["switches"] = self._switches
        meta["sources"] = {str(number): _stored(source) for number, source in self.sources.items()}
        arrays: dict[str, NDArray[Any]] = {}
        meta["waiting"] = [part.partition for parts in self._waiting.values() for part in parts]
        for number, part in enumerate(part for parts in self._waiting.values() for part in parts):
            arrays[f"waiting/{number}"] = np.frombuffer(encode(part), np.uint8)
        tables: dict[str, CubeTable | SlotTable] = {**self._cubes, **self._slots}
        for name, table in tables.items():
            meta[f"table/{name}"], held = table.snapshot()
            arrays |= prefixed(f"table/{name}", held)
        return meta, arrays

    def load(self, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], load: Load) -> None:
        """Become what ``snapshot`` gave; everything is to be told again."""
        for name in _PLAIN:
            setattr(self, name, meta[name])
        self._switches = meta["switches"]
        self.sources = {int(number): _source(source) for number, source in meta["sources"].items()}
        self._freshness = None
        self._waiting = {}
        for number, source in enumerate(meta["waiting"]):
            self._waiting.setdefault(source, []).append(decode(arrays[f"waiting/{number}"].tobytes()))
        if not self.catalogue:
            return
        self.program = load(self.catalogue)
        self._cubes = self._tables_of(self.program)
        for name, cube in self._cubes.items():
            cube.load(meta[f"table/{name}"], under(f"table/{name}", arrays))
        self._build(self.program)
        for name, slots in self._slots.items():
            slots.load(meta[f"table/{name}"], under(f"table/{name}", arrays))


def _depth(one: Reading) -> int:
    return 1 + max((_depth(each) for each in one.inputs.values()), default=-1)


def _sources(program: Program, one: Reading) -> frozenset[str]:
    """The systems expected to send what a KPI is computed from."""
    catalogue = program.catalogue
    events: set[str] = set()
    for part in one.parts:
        feed = program.measure(part.measure).feed
        if isinstance(feed, EventFeed):
            events.add(feed.event)
        else:
            events |= set(catalogue.processes[feed.process].told_by)
    return frozenset(source for event in events for source in catalogue.events[event].sources)


def _both(one: SourceFreshness, other: SourceFreshness) -> SourceFreshness:
    return SourceFreshness(
        one.source,
        max(one.last_ingest, other.last_ingest),
        max(one.last_event, other.last_event),
        one.events + other.events,
        one.idle and other.idle,
    )


def _stored(source: Source) -> dict[str, Any]:
    return {**asdict(source), "accounts": [account_words(one) for one in source.accounts]}


def _source(stored: Mapping[str, Any]) -> Source:
    freshness = tuple(SourceFreshness(**one) for one in stored["freshness"])
    accounts = tuple(map(account_of, stored.get("accounts", ())))
    return Source(**{**stored, "freshness": freshness, "accounts": accounts})
