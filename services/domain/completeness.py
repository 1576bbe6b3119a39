"""How complete a declared source is at an instant of engine time, and what that means for a KPI's window. Pure.

A batch is complete as its markers say, a stream until now, unless numbers are missing (until the event before them)
or it is silent beyond its rhythm (until it was last heard).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from services.domain.catalogue import Source
from services.domain.facts import (
    Completeness,
    Reason,
    SourceAccount,
    SourceFreshness,
    SourceState,
    SourceWord,
)
from services.domain.rhythm import batch_due, next_batch, silent, stream_due
from services.domain.windows import Span

_BEHIND = frozenset({SourceWord.SILENT, SourceWord.OVERDUE, SourceWord.GAP})
NEVER = 0
"""Complete until then: a source of which nothing is known."""


def state_of(
    source: Source, account: SourceAccount, heard: SourceFreshness | None, *, now: int, begun: int
) -> SourceState:
    """A source at engine time ``now``, in a run that began at ``begun``."""
    last = None if heard is None else heard.last_ingest
    found = _of_batches(source, account, now) if source.batched else _of_stream(source, last, now, begun)
    word, until, expected = found
    gap = _holding_gap(source, account, now)
    if gap is not None and gap < until:
        word, until = SourceWord.GAP, gap
    return SourceState(source.name, word, until, last, expected, account)


def completeness(states: Collection[SourceState]) -> Completeness | None:
    """That of a KPI which needs these sources; None where it needs none."""
    least = min(states, key=lambda state: (state.until, state.source), default=None)
    return None if least is None else Completeness(least.until, least.source)


def doubt(states: Collection[SourceState], window: Span, now: int) -> Reason | None:
    """Why a window cannot be judged at ``now``, if so.

    It needs its sources up to its end, or up to now. A batch that is as far as it can be is enough for a window that
    began before: that one is judged up to there.
    """
    needed = min(window.end, now)
    held = [
        state
        for state in states
        if state.until < needed and (state.word in _BEHIND or state.until <= window.start)
    ]
    if any(state.word is SourceWord.SILENT for state in held):
        return Reason.STALE
    return Reason.INCOMPLETE_SOURCE if held else None


def closable(states: Collection[SourceState], watermark: int, lateness: int) -> int:
    """The watermark that slots of history close by, where ``lateness`` is allowed behind it: what a source says of
    itself needs none. A silent source holds nothing back, as an idle one does not.
    """
    holding = [state.until + lateness for state in states if state.word is not SourceWord.SILENT]
    return min([watermark, *holding])


def states_of(
    sources: Mapping[str, Source],
    accounts: Mapping[str, SourceAccount],
    heard: Mapping[str, SourceFreshness],
    *,
    now: int,
    begun: int,
) -> dict[str, SourceState]:
    """Every declared source."""
    return {
        name: state_of(source, accounts[name], heard.get(name), now=now, begun=begun)
        for name, source in sources.items()
    }


def _of_batches(source: Source, account: SourceAccount, now: int) -> tuple[SourceWord, int, int | None]:
    rhythm = source.rhythm
    if rhythm is None:
        raise ValueError("a batch without a rhythm")
    until = NEVER if account.until is None else account.until
    due = batch_due(rhythm, source.timezone, now)
    if until < due.start:
        return SourceWord.OVERDUE, until, due.end
    return SourceWord.COMPLETE, until, next_batch(rhythm, source.timezone, now)


def _of_stream(source: Source, last: int | None, now: int, begun: int) -> tuple[SourceWord, int, int | None]:
    since = begun if last is None else last
    word = SourceWord.NEVER_HEARD if last is None else SourceWord.COMPLETE
    if source.rhythm is None:
        return word, now, None
    expected = stream_due(source.rhythm, source.timezone, since)
    if silent(source.rhythm, source.timezone, since, now):
        return SourceWord.SILENT, since, expected
    return word, now, expected


def _holding_gap(source: Source, account: SourceAccount, now: int) -> int | None:
    """The event time before the lowest gap that counts and still holds."""
    numbering = source.sequence
    if numbering is None:
        return None
    return min(
        (
            gap.after
            for gap in account.gaps
            if gap.since + numbering.tolerance_ms <= now < gap.since + numbering.hold_ms
        ),
        default=None,
    )
