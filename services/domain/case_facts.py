"""Which cases are worth telling, and how many there are of each kind.

Told are: overdue cases (the longest overdue first) and stuck ones up to a cap, those that have waited longest at each
step, and the last ones closed. Everything else is a count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.domain.balances import Balances
from services.domain.case_columns import LONG_AGO, NEVER, Captured, Cases
from services.domain.cases import CaseTable
from services.domain.catalogue import Due, FieldType
from services.domain.contributions import promises
from services.domain.facts import CaseFact, CaseFacts
from services.domain.rows import NULL, Codes, Mask, Numbers
from services.domain.trails import Trails

NOTABLE = 500
WAITING = 20
CLOSED = 100
ITEMS = 50
_BLOCK = 65_536

MOMENT_UNKNOWN = "moment_unknown"
"""The flag of a case that is closed, nobody knows since when."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Standing:
    """How all cases of a table stand, one element per row.

    ``step`` is the column of the last step reached (in catalogue order; -1: none), ``since`` when it was reached,
    ``overdue`` the earliest due time that has passed unmet (``NEVER``: none).
    """

    open: Mask
    step: Codes
    since: Numbers
    ended: Numbers
    last: Numbers
    overdue: Numbers

    def stuck(self, now: int, stuck_ms: int | None) -> Mask:
        """Open cases without an event for so long."""
        if stuck_ms is None:
            return np.zeros_like(self.open)
        return self.open & (self.last + stuck_ms <= now)


def standing(table: CaseTable) -> Standing:
    """How all cases stand at the table's time."""
    n = len(table)
    found = Standing(
        np.zeros(n, np.bool_),
        np.full(n, -1, np.int32),
        *(np.full(n, NEVER) for _ in range(4)),
    )
    for start in range(0, n, _BLOCK):
        _stand(table, slice(start, min(start + _BLOCK, n)), found)
    for items in table.items.values():
        due, case = items.due_times()
        at = np.flatnonzero((due <= table.now) & (case >= 0))
        at = at[found.open[case[at]]]
        until = table.times(items.due.until, case[at].astype(np.intp))
        at = at[until == NEVER]
        np.minimum.at(found.overdue, case[at], due[at])
    return found


def notable(table: CaseTable, *, tenant: str, run: str, attempt: int, partition: int) -> CaseFacts:
    """What is told of a table's cases at its time."""
    found = standing(table)
    process, now = table.process, table.now
    stuck = found.stuck(now, process.stuck_ms)
    overdue = found.overdue != NEVER
    rows = [*_least(np.flatnonzero(overdue), found.overdue, NOTABLE)]
    rows += _least(np.flatnonzero(stuck & ~overdue), found.last, NOTABLE - len(rows))
    waiting, longest = {}, set[int]()
    for column, step in enumerate(
        process.steps if not process.balances else ()
    ):  # what goes on does not wait
        here = np.flatnonzero(found.open & (found.step == column))
        waiting[step.name] = int(here.size)
        longest |= set(_least(here, found.since, WAITING))
    rows += sorted(longest)
    rows += _least(np.flatnonzero(found.ended != NEVER), -found.ended, CLOSED)
    return CaseFacts(
        tenant,
        run,
        attempt,
        partition,
        process.name,
        now,
        int(np.count_nonzero(found.open)),
        int(np.count_nonzero(overdue)),
        int(np.count_nonzero(stuck)),
        waiting,
        case_facts(
            table,
            list(dict.fromkeys(rows)),
            {"overdue": overdue, "stuck": stuck, "waiting": _marked(len(table), longest)},
        ),
    )


def case_fact(table: CaseTable, row: int) -> CaseFact:
    """All that is known of one case at the table's time."""
    return facts_of(table, [row])[0]


def facts_of(table: CaseTable, rows: Sequence[int]) -> list[CaseFact]:
    """All that is known of some cases at the table's time."""
    found = standing(table)
    stuck = found.stuck(table.now, table.process.stuck_ms)
    return case_facts(table, rows, {"overdue": found.overdue != NEVER, "stuck": stuck})


def case_facts(table: CaseTable, rows: Sequence[int], flags: Mapping[str, Mask]) -> list[CaseFact]:
    """All that is known of some cases; ``flags`` beside open and closed, with an element per row of the table."""
    if not rows:
        return []
    at = np.array(rows, np.intp)
    cases = table.cases(at)
    opened, ended, last = cases.opened.tolist(), cases.ended.tolist(), cases.last.tolist()
    closed = cases.earliest(table.layout.timed_ends).tolist()
    times = {step: cases.time(step).tolist() for step in table.layout.step}
    dues = [
        (shown, cases.due(due, promise).tolist(), times[due.until]) for shown, due, promise in _dues(table)
    ]
    items = _item_dues(table, at)
    attributes = [
        (name, _texts(table, name, capture, cases)) for name, capture in table.layout.attributes.items()
    ]
    marks = [(name, holds[at].tolist()) for name, holds in flags.items()]
    amounts = _amounts(table, at)
    unsure = np.zeros(at.size, np.bool_) if cases.unsure is None else cases.unsure
    known = [step.name for step in table.process.steps if not step.timeless]
    facts = []
    for i, row in enumerate(rows):
        steps = {step: time[i] for step, time in times.items() if time[i] != NEVER}
        due_times = {
            name: (due[i], None if until[i] == NEVER else until[i])
            for name, due, until in dues
            if due[i] != NEVER
        }
        due_times |= {name: (due, steps.get(until)) for name, due, until in items.get(row, ())}
        state = [] if opened[i] == NEVER else ["open"] if ended[i] == NEVER else []
        state += [] if ended[i] == NEVER else ["closed", MOMENT_UNKNOWN] if unsure[i] else ["closed"]
        facts.append(
            CaseFact(
                table.case_id(row),
                next(reversed(steps), None),
                None if opened[i] == NEVER else opened[i],
                None if ended[i] == NEVER or unsure[i] else closed[i],
                last[i],
                {name: text for name, values in attributes if (text := values[i]) is not None},
                {step: time for step, time in steps.items() if step in known},
                due_times,
                state + [name for name, holds in marks if holds[i]],
                {name: text for name, texts in amounts.items() if (text := texts[i]) is not None},
            )
        )
    return facts


def _dues(table: CaseTable) -> list[tuple[str, Due, str]]:
    """What due times of cases are shown as; of those that were promised anew, both promises."""
    layout = table.layout
    first = [(name, due, "first") for name, due in layout.case_dues.items()]
    return first + [(f"{name}/current", layout.case_dues[name], "current") for name in layout.current]


def _amounts(table: CaseTable, rows: Rows) -> dict[str, list[str | None]]:
    """Quantities, remainders and balances of some cases, as text; None where one is not known."""
    order = np.argsort(rows)
    back = np.argsort(order)
    kept: list[Trails | Balances] = [*table.balances.values()]
    if table.trails is not None and table.process.movements:
        kept.insert(0, table.trails)
    return {
        name: [None if value == NULL else write(value) for value in values[back].tolist()]
        for each in kept
        for write in (_digits(each.scale),)
        for name, values in each.sums(rows[order]).items()
    }


def _item_dues(table: CaseTable, rows: Rows) -> dict[int, list[tuple[str, int, str]]]:
    """By case the name, due time and step of its items, the first ``ITEMS`` of each due."""
    found: dict[int, list[tuple[str, int, str]]] = {}
    for name, items in table.items.items():
        due, case = items.due_times()
        own = items.of(rows)
        own = own[due[own] != NEVER]
        own = own[np.argsort(due[own], kind="stable")]
        left = Counter[int]()
        for item, row, time in zip(own.tolist(), case[own].tolist(), due[own].tolist(), strict=True):
            left[row] += 1
            if left[row] <= ITEMS:
                found.setdefault(row, []).append((f"{name}/{items.label(item)}", time, items.due.until))
    return found


def _marked(n: int, rows: Iterable[int]) -> Mask:
    marked = np.zeros(n, np.bool_)
    marked[list(rows)] = True
    return marked


def _stand(table: CaseTable, block: slice, found: Standing) -> None:
    cases = table.cases(block)
    found.ended[block], found.last[block] = cases.ended, cases.last
    there = (cases.opened != NEVER) & (cases.ended == NEVER) & (cases.last != LONG_AGO)
    found.open[block] = there
    for column in range(len(table.layout.step)):
        reached = cases.wide[column] != NEVER
        found.step[block][reached] = column
        found.since[block][reached] = cases.wide[column][reached]
    for _, due, promise in _dues(table):
        at = promises(cases, due, table.now, promise)
        passed = there & at.passed & (at.stop == NEVER)
        found.overdue[block] = np.minimum(found.overdue[block], np.where(passed, at.due, NEVER))


def _least(rows: Rows, by: Numbers, count: int) -> list[int]:
    """The ``count`` rows where ``by`` is least, least first."""
    if count <= 0:
        return []
    if rows.size > count:
        rows = rows[np.argpartition(by[rows], count - 1)[:count]]
    chosen: list[int] = rows[np.argsort(by[rows], kind="stable")].tolist()
    return chosen


def _texts(table: CaseTable, name: str, capture: Captured, cases: Cases) -> list[str | None]:
    """An attribute of each case as it is shown; None where it is not known."""
    values = (cases.narrow if capture.narrow else cases.wide)[capture.column].tolist()
    absent = -1 if capture.narrow else NULL
    shown = _SHOWN.get(capture.type) or _digits(table.layout.fields[name].scale)
    if capture.type is FieldType.STRING:
        shown = table.strings.texts.__getitem__
    return [None if value == absent else shown(value) for value in values]


def _digits(scale: int) -> Callable[[int], str]:
    """How a fixed-point number is written."""
    if not scale:
        return str

    def shown(value: int) -> str:
        digits = f"{abs(value):0{scale + 1}d}"
        return f"{'-' if value < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"

    return shown


def _moment(value: int) -> str:
    return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")


_SHOWN: Mapping[FieldType, Callable[[int], str]] = {
    FieldType.BOOLEAN: lambda value: "true" if value else "false",
    FieldType.TIMESTAMP: _moment,
    FieldType.DATE: lambda value: _moment(value)[:10],
}
