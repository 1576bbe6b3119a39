"""What a case adds to the measures of its process: a pure function of its row and of the engine's time.

Each feed is one or two *lines*: a sign and, per case, the event time at which it counts (``NEVER``: it does not). An
update tells minus the old lines and plus the new ones where they differ, so the sum of all that was told is what the
final rows say, in whatever order events came.

Levels (open, waiting, overdue) count cases that have been opened: an event whose opener never comes, or comes after
its case has left, would otherwise stand in them for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

import numpy as np

from services.domain.calendars import worked_by
from services.domain.case_columns import LONG_AGO, NEVER, Cases, Layout
from services.domain.catalogue import Due
from services.domain.program import (
    QUANTITY,
    CohortFeed,
    ConversionFeed,
    DueFeed,
    DurationFeed,
    Feed,
    OpenFeed,
    OpeningFeed,
    OverdueFeed,
    QuantityFeed,
    StepFeed,
    WaitingFeed,
    WorkedFeed,
)
from services.domain.rows import NULL, Mask, Numbers, Places, Strings

Line = tuple[Numbers, Numbers | None]

KEPT = frozenset({"due", "kept"})
"""Outcomes that a case which has ended may still come to, when its due time passes."""
AT_THE_DUE_TIME = KEPT | {"missed", "unknown"}
"""Outcomes that count at the due time; the others count when the step comes."""


class Promises(NamedTuple):
    """Due times of cases or of items, and what decides about them; arrays of equal length.

    ``until`` is the step that meets it, ``stop`` the earlier of it and the end of the case, ``now`` engine time.
    ``unsure``: the case has ended nobody knows when, so that the end proves nothing (None: of none). What was due
    before ``since`` passed before anybody watched: nothing counts that.
    """

    due: Numbers
    until: Numbers
    stop: Numbers
    opened: Numbers
    now: Numbers | int
    unsure: Mask | None
    since: int = LONG_AGO

    def seen(self, counts: Mask) -> Mask:
        """Those that somebody watched when they passed."""
        return counts if self.since == LONG_AGO else counts & (self.due >= self.since)

    @property
    def passed(self) -> Mask:
        """It has passed before its step came and before the case is known to have ended."""
        return (self.due <= self.now) & (self.stop > self.due)

    @property
    def doubtful(self) -> Mask:
        """It has passed so, but the case may have ended before."""
        if self.unsure is None:
            return np.zeros(self.due.size, np.bool_)
        doubtful: Mask = self.passed & self.unsure & (self.until == NEVER)
        return doubtful

    @property
    def missed(self) -> Mask:
        """It has passed before its step came and before the case ended."""
        return self.passed if self.unsure is None else self.passed & ~self.doubtful

    @property
    def kept(self) -> Mask:
        """It has passed, and its step had come."""
        return (self.due <= self.now) & (self.until <= self.due)


class Telling(Protocol):
    """A feed whose lines are compared: a sign per line, and the name of its number."""

    @property
    def feed(self) -> Feed:
        """Which."""
        ...

    @property
    def signs(self) -> tuple[int, ...]:
        """One per line."""
        ...

    @property
    def number(self) -> str | None:
        """What its number is called, where it has one."""
        ...


class Story(NamedTuple):
    """How one feed reads rows: a sign per line, the name of its number, and the lines themselves."""

    feed: Feed
    signs: tuple[int, ...]
    number: str | None
    lines: Callable[[Cases, Numbers | int], Sequence[Line]]


class PromiseStory(NamedTuple):
    """The same for due times, of cases and items alike."""

    feed: DueFeed | OverdueFeed
    signs: tuple[int, ...]
    number: str | None
    lines: Callable[[Promises], Sequence[Line]]


class Moves(NamedTuple):
    """Movements, what they leave of each remainder and move of each quantity that is asked for (``left``); ``case`` is
    the position of each one's case.
    """

    cases: Cases
    case: Places
    time: Numbers
    left: Mapping[str, Numbers]


class QuantityStory(NamedTuple):
    """The same for what is left of a remainder, or moved of a quantity, movement by movement."""

    feed: QuantityFeed | CohortFeed
    signs: tuple[int, ...]
    number: str
    lines: Callable[[Moves, Numbers | int], Sequence[Line]]


class OpeningStory(NamedTuple):
    """The same for when the levels of cases become known."""

    feed: OpeningFeed

    @property
    def signs(self) -> tuple[int, ...]:
        """See ``Story``."""
        return (1,) if self.feed.known else (1, -1)

    @property
    def number(self) -> str | None:
        """See ``Story``."""
        return None


def opening_lines(feed: OpeningFeed, first: Numbers, opened: Numbers) -> Sequence[Line]:
    """Cases that were first heard of, and opened, at these times (``NEVER``: not yet)."""
    if feed.known:
        known = (first != NEVER) & (opened != NEVER)
        return [(np.where(known, np.maximum(first, opened), NEVER), None)]
    unknown = first < opened
    return [(np.where(unknown, first, NEVER), None), (np.where(unknown, opened, NEVER), None)]


def promises(cases: Cases, due: Due, now: Numbers | int, promise: str = "first") -> Promises:
    """The promises of a due without items."""
    until = cases.time(due.until)
    stop = np.minimum(until, cases.ended)
    return Promises(cases.due(due, promise), until, stop, cases.opened, now, cases.unsure, cases.layout.since)


def promise_story(feed: DueFeed | OverdueFeed) -> PromiseStory:
    """The lines of a due's feed."""
    if isinstance(feed, OverdueFeed):
        return PromiseStory(feed, (1, -1), None, _overdue)
    number = None if feed.outcome in AT_THE_DUE_TIME else "lateness"
    return PromiseStory(feed, (1,), number, _OUTCOMES[feed.outcome])


def quantity_story(layout: Layout, feed: QuantityFeed, strings: Strings) -> QuantityStory:
    """What is left of a remainder in a level of cases: each movement counts while its case does."""
    level = story(layout, feed.level, strings)

    def lines(at: Moves, now: Numbers | int) -> Sequence[Line]:
        (since, _), (until, _) = level.lines(at.cases, now)
        left = at.left[feed.remainder]
        worth = valued(layout, feed.price, at.cases, at.case, left)
        comes, goes = np.maximum(at.time, since[at.case]), until[at.case]
        counts = (left != 0) & (comes < goes)
        changes = in_and_out(_running(at.case, worth), worth)
        return [
            (np.where(counts & chosen, time, NEVER), number)
            for time in (comes, goes)
            for chosen, number in changes
        ]

    return QuantityStory(feed, (1, -1, -1, 1), QUANTITY, lines)


def valued(layout: Layout, price: str | None, cases: Cases, case: Places, amounts: Numbers) -> Numbers:
    """Amounts times the attribute ``price`` of each one's ``case``, where there is one; nothing where it is unknown."""
    if price is None:
        return amounts
    prices = cases.wide[layout.attributes[price].column][case]
    return amounts * np.where(prices == NULL, 0, prices)


def in_and_out(after: Numbers, change: Numbers) -> tuple[tuple[Mask, Numbers], tuple[Mask, Numbers]]:
    """Changes of amounts that are ``after`` them so much, as what is added and what is taken back: which, and with what
    number. So the weights of a case come to 1 while there is an amount of it and to 0 else, and its numbers to the
    amount. What changes nothing is added and taken back.
    """
    still = change == 0
    stands = (after != 0) | still
    return (stands, change), ((after != change) | still, np.where(stands, 0, -change))


def _running(case: Places, change: Numbers) -> Numbers:
    """What the changes of each case, which stand together, have come to by each of them."""
    total = np.cumsum(change)
    begins = np.searchsorted(case, case)
    running: Numbers = total - (total[begins] - change[begins])
    return running


def cohort_story(feed: CohortFeed) -> QuantityStory:
    """What has moved of a quantity in time: at the step that the cohort is of, whenever it becomes known."""

    def lines(at: Moves, _: Numbers | int) -> Sequence[Line]:
        since, moved = at.cases.time(feed.start)[at.case], at.left[feed.quantity]
        counts = (moved != 0) & (since != NEVER) & (at.time - since <= feed.within_ms)
        return [(np.where(counts, since, NEVER), moved)]

    return QuantityStory(feed, (1,), QUANTITY, lines)


def story(layout: Layout, feed: Feed, strings: Strings) -> Story:
    """The lines of a feed over cases, whose codes are of ``strings``. Raises ``KeyError`` where the process has no such
    step or due.
    """
    match feed:
        case StepFeed(_, step):
            column = layout.step[step]
            return Story(feed, (1,), None, lambda cases, _: [(cases.wide[column], None)])
        case DurationFeed():
            return Story(feed, (1,), "duration", lambda cases, _: [_taken(cases, feed, strings)])
        case ConversionFeed(_, start, end, within):
            return Story(
                feed,
                (1,),
                "converted",
                lambda cases, _: [_converted(cases.time(start), cases.time(end), within)],
            )
        case OpeningFeed():
            return Story(feed, OpeningStory(feed).signs, None, lambda cases, _: _opening(feed, cases))
        case OpenFeed() | WaitingFeed():
            return Story(feed, (1, -1), None, _standing(layout, feed))
        case DueFeed() | OverdueFeed():
            due, told = layout.case_dues[feed.due], promise_story(feed)
            return Story(
                feed,
                told.signs,
                told.number,
                lambda cases, now: told.lines(promises(cases, due, now, feed.promise)),
            )
        case _:
            raise KeyError(feed)


def _opening(feed: OpeningFeed, cases: Cases) -> Sequence[Line]:
    return opening_lines(feed, cases.opened, np.full(cases.opened.size, cases.layout.since))


def _standing(
    layout: Layout, feed: OpenFeed | WaitingFeed
) -> Callable[[Cases, Numbers | int], Sequence[Line]]:
    if isinstance(feed, WaitingFeed):
        return _waiting(layout, feed.step)
    return lambda cases, _: _level(cases.opened, cases.ended)


def _taken(cases: Cases, feed: DurationFeed, strings: Strings) -> Line:
    start, end = cases.time(feed.start), cases.time(feed.end)
    if isinstance(feed, WorkedFeed):
        return np.maximum(start, end), _worked(cases, feed, strings)
    return np.maximum(start, end), end - start


def _worked(cases: Cases, feed: WorkedFeed, strings: Strings) -> Numbers:
    """Working time, 0 of those that have not got so far."""
    start, end = cases.time(feed.start), cases.time(feed.end)
    counts = ((start != NEVER) & (end != NEVER)).nonzero()[0]
    schedules, which = [feed.usual], np.zeros(counts.size, np.intp)
    if feed.by is not None:
        own = dict(feed.each)
        codes, which = np.unique(
            cases.narrow[cases.layout.attributes[feed.by].column][counts], return_inverse=True
        )
        texts = [strings.texts[code] if code >= 0 else "" for code in codes.tolist()]
        schedules = [own.get(text, feed.usual) for text in texts]
    taken = np.zeros(start.size, np.int64)
    taken[counts] = worked_by(schedules, which, start[counts], end[counts])
    return taken


def _converted(start: Numbers, end: Numbers, within: int) -> Line:
    taken = end - start
    return start, ((taken >= 0) & (taken <= within) & (end != NEVER)).astype(np.int64)


def _level(since: Numbers, until: Numbers) -> Sequence[Line]:
    """+1 at ``since``, -1 at ``until`` but never before; nothing where both are one moment."""
    left = np.maximum(since, until)
    stood = left != since
    return [(np.where(stood, since, NEVER), None), (np.where(stood, left, NEVER), None)]


def _waiting(layout: Layout, step: str) -> Callable[[Cases, Numbers | int], Sequence[Line]]:
    column, later = layout.step[step], (*layout.later(step), *layout.ends)

    def lines(cases: Cases, _: Numbers | int) -> Sequence[Line]:
        since = np.where(cases.opened == NEVER, NEVER, cases.wide[column])
        return _level(since, cases.earliest(later))

    return lines


def _met(at: Promises) -> Sequence[Line]:
    return [(np.where(at.due == NEVER, NEVER, at.until), at.until - at.due)]


def _on_time(at: Promises) -> Sequence[Line]:
    return [(np.where((at.due != NEVER) & (at.until <= at.due), at.until, NEVER), at.until - at.due)]


def _late(at: Promises) -> Sequence[Line]:
    return [(np.where(at.until > at.due, at.until, NEVER), at.until - at.due)]


def _due(at: Promises) -> Sequence[Line]:
    return [(np.where(at.seen(at.missed | at.kept), at.due, NEVER), None)]


def _kept(at: Promises) -> Sequence[Line]:
    return [(np.where(at.seen(at.kept), at.due, NEVER), None)]


def _missed(at: Promises) -> Sequence[Line]:
    return [(np.where(at.seen(at.missed), at.due, NEVER), None)]


def _unknown(at: Promises) -> Sequence[Line]:
    return [(np.where(at.seen(at.doubtful), at.due, NEVER), None)]


def _overdue(at: Promises) -> Sequence[Line]:
    counts = at.passed & (at.opened != NEVER)
    return [(np.where(counts, at.due, NEVER), None), (np.where(counts, at.stop, NEVER), None)]


_OUTCOMES: dict[str, Callable[[Promises], Sequence[Line]]] = {
    "met": _met,
    "on_time": _on_time,
    "late": _late,
    "due": _due,
    "kept": _kept,
    "missed": _missed,
    "unknown": _unknown,
}


class Told(NamedTuple):
    """What is to be told of one feed: a part of the ``Differences``, with the feed's own number by name."""

    feed: Feed
    part: slice
    numbers: dict[str, Numbers]


class Differences(NamedTuple):
    """What is to be told: ``at`` are positions among the 2n old and new rows (old ones first), feed by feed."""

    at: Places
    time: Numbers
    weight: Numbers
    told: list[Told]


def differences(stories: Sequence[Telling], lines: Sequence[Line], restate: Mask | None) -> Differences:
    """Tell what differs between the first half of each line (old rows) and the second (the same rows, new).

    ``lines`` are those of ``stories``, in order. ``restate`` marks rows of which everything is told anew, because
    what they carry along has changed.
    """
    times = np.concatenate([time for time, _ in lines]).reshape(len(lines), -1)
    n = times.shape[1] // 2
    changed = times[:, :n] != times[:, n:]
    for index, (_, number) in enumerate(lines):
        if number is not None:
            changed[index] |= number[:n] != number[n:]
    if restate is not None:
        changed |= restate
    tell = times != NEVER
    tell[:, :n] &= changed
    tell[:, n:] &= changed
    flat = tell.ravel().nonzero()[0]
    signs = [sign for told in stories for sign in told.signs]
    firsts = list(accumulate((len(told.signs) for told in stories), initial=0))
    bounds = np.searchsorted(flat, np.arange(len(lines) + 1) * (2 * n)).tolist()
    sizes = [end - start for start, end in pairwise(bounds)]
    at = flat - np.repeat(np.arange(len(lines)) * (2 * n), sizes)
    weight = np.repeat(signs, sizes)
    np.negative(weight, out=weight, where=at < n)
    told = []
    for story, first, last in zip(stories, firsts, firsts[1:], strict=False):
        part = slice(bounds[first], bounds[last])
        if part.stop > part.start:
            own = [at[bounds[line] : bounds[line + 1]] for line in range(first, last)]
            told.append(Told(story.feed, part, _numbers(story, lines[first:last], own)))
    return Differences(at, times.ravel()[flat], weight, told)


def _numbers(story: Telling, lines: Sequence[Line], at: Sequence[Places]) -> dict[str, Numbers]:
    """The number of a feed, line by line."""
    found = [number[own] for (_, number), own in zip(lines, at, strict=True) if number is not None]
    return {} if story.number is None or not found else {story.number: np.concatenate(found)}
