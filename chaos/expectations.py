"""What must arrive, and that nothing else does: what Sightline says against what the oracle says, cell by cell."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from chaos.events import MINUTE, Event, Stream
from chaos.oracle import LEVELS, Case, Number, Oracle, Scope
from chaos.said import Said

Place = TypeVar("Place", bound=tuple[Any, ...])
TOLERANCE = 1e-9
"""Of values, which are floats; what they are computed from is exact."""
REFUSED_BY_ENGINE = frozenset(
    {"future", "late", "undecodable", "unfoldable", "unreadable_partial", "unfoldable_partial"}
)
"""Codes of dead letters that do not come from the intake."""


@dataclass(frozen=True)
class Expected:
    """``late`` (from, to), ``again``, ``quarantined``: how many; None where the row cannot know (what was sent twice
    because its answer was lost, what an outage made late). ``letters`` are payloads that the intake must have refused,
    ``undecodable`` the records of each internal topic that are none. KPIs ``apart`` are compared elsewhere.
    """

    oracle: Oracle
    events: int
    letters: Counter[bytes] = field(default_factory=Counter)
    late: tuple[int, int] | None = (0, 0)
    again: int | None = 0
    quarantined: int = 0
    undecodable: int = 0
    apart: frozenset[str] = frozenset()

    @classmethod
    def of(cls, stream: Stream, closing: Sequence[Event]) -> Expected:
        """Of a stream that came as it was sent, and of the pulses after it."""
        events = [*stream.events, *closing]
        return cls(
            Oracle(events),
            len(events),
            Counter(stream.malformed),
            (stream.many("late"), stream.many("late")),
            stream.many("again"),
            stream.many("future"),
        )

    def unsure(self) -> Expected:
        """The same, where it cannot be known what came twice, or too late."""
        return replace(self, late=None, again=None)


@dataclass(frozen=True)
class Judgement:
    """``wrong`` names each difference; ``lost`` and ``twice`` count events. ``cells`` were compared."""

    cells: int
    wrong: tuple[str, ...]
    lost: int
    twice: int

    @property
    def holds(self) -> bool:
        """Nothing is wrong."""
        return not self.wrong and not self.lost and not self.twice


def judge(expected: Expected, said: Said, stream: Mapping[tuple[str, Scope], float | None]) -> Judgement:
    """Compare everything; ``stream`` is what a listener to the live stream has come to."""
    oracle = expected.oracle
    current = _without(expected.apart, oracle.current(said.time))
    history = _without(expected.apart, oracle.history())
    told = replace(said, current=_without(expected.apart, said.current))
    wrong = [
        *_current(current, told),
        *_streamed(said, stream),
        *_history(oracle, history, _without(expected.apart, said.history)),
        *_versions(expected, said),
        *_cases(oracle, said),
        *_letters(expected, said),
        *_counters(expected, said),
    ]
    more = said.counters.get("events", 0) - expected.events
    cells = len(current.keys() | told.current.keys()) + len(history.keys() | said.history.keys())
    return Judgement(cells, tuple(wrong), max(0, -more), max(0, more))


def _without(kpis: frozenset[str], numbers: Mapping[Place, Number]) -> dict[Place, Number]:
    return {place: number for place, number in numbers.items() if place[0] not in kpis}


def _current(current: Mapping[tuple[str, Scope], Number], said: Said) -> Iterator[str]:
    for place in sorted(current.keys() | said.current.keys()):
        expected, found = current.get(place), said.current.get(place)
        if not _agree(expected, found):
            yield f"now {place}: {_shown(found)} instead of {_shown(expected)}"


def _streamed(said: Said, stream: Mapping[tuple[str, Scope], float | None]) -> Iterator[str]:
    """A listener has the same values."""
    for place in sorted(said.current.keys() | stream.keys()):
        asked = said.current.get(place)
        if (asked.value if asked else None) != stream.get(place):
            yield f"live stream {place}: {stream.get(place)} where the API says {_shown(asked)}"


def _history(oracle: Oracle, history: Mapping[tuple[str, Scope, int], Number], said: Said) -> Iterator[str]:
    for place in sorted(history.keys() | said.keys()):
        expected, found = history.get(place), said.get(place)
        if place[0] in LEVELS:
            kpi, scope, start = place
            expected = oracle.level(kpi, scope, start)
            if found is None and expected == oracle.level(kpi, scope, start - MINUTE):
                continue  # a slot without a change says nothing: the one before it still holds
        if not _agree(expected, found):
            yield f"history {place}: {_shown(found)} instead of {_shown(expected)}"


def _versions(expected: Expected, said: Said) -> Iterator[str]:
    for kpi, versions in said.versions.items():
        if len(versions) > 1 and kpi not in expected.apart:
            yield f"history {kpi}: {len(versions)} versions of a KPI that did not change"


def _cases(oracle: Oracle, said: Said) -> Iterator[str]:
    opened = [case for case in oracle.cases.values() if case.is_open]
    counts = Counter(case.step for case in opened)
    overdue = {case.order for case in opened if case.overdue()}
    expected = {"open": len(opened), "overdue": len(overdue)}
    expected |= {step: counts[step] for step in ("placed", "shipped", "delivered")}
    for name, count in expected.items():
        if said.counts[name] != count:
            yield f"cases {name}: {said.counts[name]} instead of {count}"
    missing = overdue - said.cases.keys()
    yield from (f"case {order}: overdue, and not told" for order in sorted(missing))
    for order, told in said.cases.items():
        case = oracle.cases.get(order)
        found = {name: told[name] for name in ("step", "opened", "closed", "attributes", "steps")}
        known = None if case is None else _case(case)
        if found != known:
            yield f"case {order}: {found} instead of {known}"
        elif ("overdue" in told["flags"]) != (order in overdue):
            yield f"case {order}: {told['flags']}"


def _case(case: Case) -> dict[str, object]:
    return {
        "step": case.step,
        "opened": case.placed.time if case.placed else None,
        "closed": case.delivered.time if case.delivered else None,
        "attributes": {name: value for name, value in case.scope("site", "channel") if value},
        "steps": {name: event.time for name, event in case.events() if event is not None},
    }


def _letters(expected: Expected, said: Said) -> Iterator[str]:
    texts = {
        payload.decode("utf-8", "replace").strip()[: 128 << 10]: n for payload, n in expected.letters.items()
    }
    found = Counter(letter["payload"] for letter in said.letters if letter["code"] not in REFUSED_BY_ENGINE)
    for payload in texts.keys() | found.keys():
        if texts.get(payload, 0) != found[payload]:
            shown = payload if len(payload) < 200 else f"{payload[:200]}…"
            yield f"dead letters of {shown!r}: {found[payload]} instead of {texts.get(payload, 0)}"
    for code in ("undecodable", "unreadable_partial"):
        count = sum(letter["code"] == code for letter in said.letters)
        if count != expected.undecodable:
            yield f"dead letters {code}: {count} instead of {expected.undecodable}"


def _counters(expected: Expected, said: Said) -> Iterator[str]:
    known = {
        "duplicates": expected.again,
        "quarantined": expected.quarantined,
        "undecodable": expected.undecodable,
        "late_dropped": 0,
        "unfoldable": 0,
        "filter_errors": 0,
    }
    late = said.counters.get("late", 0)
    if expected.late is not None and not expected.late[0] <= late <= expected.late[1]:
        yield f"counter late: {late} instead of {expected.late}"
    for name, count in known.items():
        if count is not None and said.counters.get(name, 0) != count:
            yield f"counter {name}: {said.counters.get(name, 0)} instead of {count}"


def _agree(expected: Number | None, found: Number | None) -> bool:
    if expected is None or found is None:
        return _nothing(expected) and _nothing(found)
    if expected.samples != found.samples:
        return False
    if expected.value is None or found.value is None:
        return expected.value is found.value
    return math.isclose(expected.value, found.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _nothing(number: Number | None) -> bool:
    """A place where nothing counts may be told as zero, as nothing, or not at all."""
    return number is None or (not number.value and number.samples == 0)


def _shown(number: Number | None) -> str:
    return "nothing" if number is None else f"{number.value} of {number.samples}"
