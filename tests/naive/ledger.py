"""What a ledger must say, as plainly as it can be said: one word after the other, by key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.naive.model import Event


class Word(NamedTuple):
    """What ``event`` says of ``key``: a higher ``version`` replaces a lower one; it came at ``came``."""

    key: str
    version: int
    withdrawn: bool
    event: Event
    came: int


@dataclass
class Entry:
    """``late``: the key was first heard of after the horizon."""

    late: bool
    word: Word
    touched: int


@dataclass
class Ledger:
    """``counted``: when what stands counts, where that is not when it happened."""

    horizon: int
    entries: dict[str, Entry] = field(default_factory=dict)
    forgotten: list[Word] = field(default_factory=list)
    counted: dict[int, int] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)

    def leave(self, now: int) -> None:
        """What was not spoken of for the horizon stays as it is for ever."""
        gone = [key for key, entry in self.entries.items() if entry.touched + self.horizon <= now]
        self.forgotten += [self.entries.pop(key).word for key in gone]

    def hear(self, word: Word) -> None:
        old = word.event.time < word.came - self.horizon
        known = self.entries.get(word.key)
        if known is None:
            known = self.entries[word.key] = Entry(old, word, word.came)
            self.named += [word.event.id] if old else []
        elif word.version > known.word.version:
            known.word = word
        known.touched = max(known.touched, word.came)
        if known.word is word and known.late and old:
            self.counted[word.event.identity] = word.came

    def standing(self) -> list[Event]:
        """All that stands, forgotten or not."""
        words = [*self.forgotten, *(entry.word for entry in self.entries.values())]
        return [word.event for word in words if not word.withdrawn]
