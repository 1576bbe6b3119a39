"""Which cases are worth telling, and how many there are of each kind.

Told are: overdue cases (the longest overdue first) and stuck ones up to a cap, those that have waited longest at each
step, and the last ones closed. Everything else is a count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.domain.case_columns import LONG_AGO, NEVER, Captured
from services.domain.cases import CaseTable
from services.domain.catalogue import FieldType
from services.domain.contributions import promises
from services.domain.facts import CaseFact, CaseFacts
from services.domain.rows import NULL, Codes, Mask, Numbers

NOTABLE = 500
WAITING = 20
CLOSED = 100
ITEMS = 50
_BLOCK = 65_536

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
        until = table.times(items.due.until, case[at])
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
    for column, step in enumerate(process.steps):
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
        [
            case_fact(
                table,
                row,
                {
                    "overdue": bool(overdue[row]),
                    "stuck": bool(stuck[row]),
                    "waiting": row in longest,
                },
            )
            for row in dict.fromkeys(rows)
        ],
    )


def case_fact(table: CaseTable, row: int, flags: dict[str, bool] | None = None) -> CaseFact:
    """All that is known of one case; ``flags`` beside open and closed."""
    cases = table.cases(np.array([row], np.int32))
    opened, ended = int(cases.opened[0]), int(cases.ended[0])
    times = {step: int(cases.time(step)[0]) for step in table.layout.step}
    steps = {step: time for step, time in times.items() if time != NEVER}
    dues = {
        name: (int(cases.due(due)[0]), steps.get(due.until)) for name, due in table.layout.case_dues.items()
    }
    for name, items in table.items.items():
        all_due, _ = items.due_times()
        of_case = items.of(np.array([row], np.int32))
        for item in of_case[np.argsort(all_due[of_case], kind="stable")][:ITEMS].tolist():
            dues[f"{name}/{items.label(item)}"] = (int(all_due[item]), steps.get(items.due.until))
    attributes = {
        name: text
        for name, capture in table.layout.attributes.items()
        if (text := _text(table, name, capture, cases.narrow[:, 0], cases.wide[:, 0])) is not None
    }
    state = {"open": opened != NEVER and ended == NEVER, "closed": ended != NEVER, **(flags or {})}
    return CaseFact(
        table.case_id(row),
        next(reversed(steps), None),
        None if opened == NEVER else opened,
        None if ended == NEVER else ended,
        int(cases.last[0]),
        attributes,
        steps,
        {name: due for name, due in dues.items() if due[0] != NEVER},
        [name for name, holds in state.items() if holds],
    )


def _stand(table: CaseTable, block: slice, found: Standing) -> None:
    cases = table.cases(block)
    found.ended[block], found.last[block] = cases.ended, cases.last
    there = (cases.opened != NEVER) & (cases.ended == NEVER) & (cases.last != LONG_AGO)
    found.open[block] = there
    for column in range(len(table.layout.step)):
        reached = cases.wide[column] != NEVER
        found.step[block][reached] = column
        found.since[block][reached] = cases.wide[column][reached]
    for due in table.layout.case_dues.values():
        at = promises(cases, due, table.now)
        passed = there & at.missed & (at.stop == NEVER)
        found.overdue[block] = np.minimum(found.overdue[block], np.where(passed, at.due, NEVER))


def _least(rows: Rows, by: Numbers, count: int) -> list[int]:
    """The ``count`` rows where ``by`` is least, least first."""
    if count <= 0:
        return []
    if rows.size > count:
        rows = rows[np.argpartition(by[rows], count - 1)[:count]]
    chosen: list[int] = rows[np.argsort(by[rows], kind="stable")].tolist()
    return chosen


def _text(table: CaseTable, name: str, capture: Captured, narrow: Codes, wide: Numbers) -> str | None:
    """An attribute as it is shown; None where it is not known."""
    value = int((narrow if capture.narrow else wide)[capture.column])
    if value == (NULL if not capture.narrow else -1):
        return None
    match capture.type:
        case FieldType.STRING:
            return table.strings.texts[value]
        case FieldType.BOOLEAN:
            return "true" if value else "false"
        case FieldType.TIMESTAMP:
            return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
        case _:
            scale = table.layout.fields[name].scale
            digits = f"{abs(value):0{scale + 1}d}"
            sign = "-" if value < 0 else ""
            return (
                f"{sign}{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}"
                if scale
                else str(value)
            )
