"""A mapping tried on files: the events that it makes, what it rejects, and which of them find their case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import msgspec

from services.domain.catalogue import Catalogue
from services.domain.filters import Evaluator
from services.importing.documents import FileSpec, ImportDocument
from services.importing.mapping import CannotMap, Context, columns_of
from services.importing.run import Refusal, mapped_rows
from services.importing.tables import Table, find, read_lookup
from services.intake.events import Event, Validator
from services.intake.explain import Rejection

Knows = Callable[[str, str], Awaitable[bool]]
"""Whether a running Sightline knows the case of (process, id)."""


@dataclass(slots=True)
class Share:
    """Of a process's events that open no case, how many found one: opened in the same files, or known elsewhere
    (``asked``: of how many cases that was asked).
    """

    events: int = 0
    found: int = 0
    opened: int = 0
    asked: int = 0
    strays: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float | None:
        """None where there is no such event."""
        return 100 * self.found / self.events if self.events else None


@dataclass(slots=True)
class Trial:
    """What came of it; ``events`` and ``refused`` are the first ``limit``, everything is counted."""

    limit: int
    rows: int = 0
    made: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    events: list[Any] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
    cases: dict[str, Share] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "rows": self.rows,
            "made": self.made,
            "rejected": self.codes.total(),
            "by_type": dict(self.by_type),
            "codes": {str(code): count for code, count in self.codes.items()},
            "events": self.events,
            "refused": [msgspec.to_builtins(one) for one in self.refused],
            "cases": {
                name: {**msgspec.to_builtins(share), "percent": share.percent}
                for name, share in self.cases.items()
            },
        }


@dataclass(slots=True)
class _Seen:
    """Cases of one process: those opened, and the events of the others."""

    opened: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)


async def try_mapping(
    mapping: ImportDocument,
    paths: Sequence[Path],
    catalogue: Catalogue,
    evaluator: Evaluator,
    *,
    limit: int,
    knows: Knows | None = None,
    ask: int = 200,
) -> Trial:
    """Map and validate the files under ``paths``; nothing is written. Memory grows with the cases, not the events.

    ``knows`` is asked about at most ``ask`` cases per process that no event of the files opens. Raises
    ``InvalidInput`` for files that do not fit the mapping.
    """
    trial = Trial(limit)
    seen: dict[str, _Seen] = {}
    openers = {
        name: {step.event for step in process.steps if step.name == process.opens}
        for name, process in catalogue.processes.items()
    }
    validate = Validator(catalogue, max_event_bytes=1 << 20).validate
    for place, made in _made(mapping, paths, catalogue, evaluator, trial):
        if isinstance(made, CannotMap):
            _refuse(trial, Refusal(place, None, made.field, made.value, made.code, made.message))
            continue
        outcome = validate(made)
        if isinstance(outcome, Rejection):
            wrong = outcome
            _refuse(trial, Refusal(place, wrong.id, wrong.field, wrong.value, wrong.code, wrong.message))
            continue
        _take(trial, outcome)
        for process, case in outcome.copies:
            known = seen.setdefault(process, _Seen())
            if outcome.type in openers[process]:
                known.opened.add(case)
            else:
                known.others[case] += 1
    trial.cases = {process: await _share(process, known, knows, ask) for process, known in seen.items()}
    return trial


def _made(
    mapping: ImportDocument, paths: Sequence[Path], catalogue: Catalogue, evaluator: Evaluator, trial: Trial
) -> Iterator[tuple[str, bytes | CannotMap]]:
    """Where it stands, and an event (JSON) or why there is none."""
    spec, empty = mapping.spec, frozenset(mapping.spec.empty)
    lookups = {name: read_lookup(lookup, paths, empty) for name, lookup in spec.lookups.items()}
    context = Context(spec, lookups, catalogue, evaluator)
    for file, path in _files(spec.files, paths):
        with Table(path, file, empty, columns_of(file)) as table:
            for line, found in mapped_rows(table, file, context):
                trial.rows += 1
                for one in found:
                    yield f"{path.name}:{line}", one if isinstance(one, CannotMap) else one.payload


def _files(files: Iterable[FileSpec], paths: Sequence[Path]) -> list[tuple[FileSpec, Path]]:
    """Those of the mapping's files that are there; where it has one, a single file is it, whatever its name."""
    known = list(files)
    if all(path.is_file() for path in paths):
        named = [(file, path) for file in known for path in paths if fnmatch(path.name, file.file)]
        if named or len(known) == len(paths) == 1:
            return named or [(known[0], paths[0])]
    return [(file, path) for file in known for path in find(file.file, paths)]


def _take(trial: Trial, event: Event) -> None:
    trial.made += 1
    trial.by_type[event.type] += 1
    if len(trial.events) < trial.limit:
        trial.events.append(msgspec.json.decode(event.cold))


def _refuse(trial: Trial, refusal: Refusal) -> None:
    trial.codes[refusal.code] += 1
    if len(trial.refused) < trial.limit:
        trial.refused.append(refusal)


async def _share(process: str, seen: _Seen, knows: Knows | None, ask: int) -> Share:
    share = Share(opened=len(seen.opened), events=seen.others.total())
    for case, events in seen.others.items():
        found = case in seen.opened
        if not found and knows is not None and share.asked < ask:
            share.asked += 1
            found = await knows(process, case)
        share.found += events if found else 0
        if not found and len(share.strays) < 10:
            share.strays.append(case)
    return share
