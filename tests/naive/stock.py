"""Balances as plainly as they can be said: the entries of one key in order of time, gone through one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

NEVER = 2**62
ORDER = {"opening": 0, "count": 1, "receipt": 2, "issue": 2}


@dataclass(frozen=True)
class Entry:
    """``what`` happened to a key, and how much."""

    key: str
    time: int
    what: str
    pieces: int


class Step(NamedTuple):
    """By how much a key's balance changed, and when; ``difference`` where it was counted."""

    time: int
    change: int
    difference: int | None
    book: int


@dataclass(frozen=True)
class Key:
    """One key: when it was first heard of, from when on its balance is known, and how it went."""

    first: int
    known: int
    steps: Sequence[Step]

    def level(self, end: int) -> int:
        """The balance from what happened before ``end``."""
        return sum(step.change for step in self.steps if step.time < end)


def key_of(entries: Iterable[Entry], announced: int | None) -> Key:
    """``announced``: when the process was opened, ``NEVER`` if not yet; None where each key is opened by itself."""
    ordered = sorted(entries, key=lambda one: (one.time, ORDER[one.what]))
    openers = ("opening",) if announced is not None else ("opening", "count")
    opening = next((one for one in ordered if one.what in openers), None)
    since = opening.time if opening else NEVER if announced is None else announced
    steps, level = [], 0
    for entry in ordered:
        if entry.time < since or since == NEVER:
            continue
        book = level
        if entry.what in {"opening", "count"}:
            level = entry.pieces
        else:
            level += entry.pieces if entry.what == "receipt" else -entry.pieces
        counted = entry.what in {"opening", "count"} and entry is not opening
        steps.append(Step(entry.time, level - book, level - book if counted else None, book))
    return Key(ordered[0].time, max(since, announced or 0), steps)


def level(keys: Iterable[Key], end: int) -> float | None:
    """What keys come to by what happened before ``end``; None where one is not known, or nothing is of any."""
    heard = [key for key in keys if min(key.first, key.known) < end]
    if any(key.first < end and key.first < key.known and key.known >= end for key in heard):
        return None
    known = [key for key in heard if max(key.first, key.known) < end]
    return float(sum(key.level(end) for key in heard)) if known else None


def stocked(keys: Iterable[Key], end: int) -> int:
    """How many keys there is anything of, by what happened before ``end``."""
    return sum(1 for key in keys if key.level(end))
