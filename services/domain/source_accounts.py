"""What one partition of a run knows of its sources beyond when they were heard: batches and missing numbers.

Both come as marks: records without events. The end of a batch is marked in every partition, behind the events of the
batch, so that each can say how many of them came; numbers are marked in one partition alone, the source's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from services.domain.facts import BatchFact, SourceAccount
from services.domain.rows import Rows
from services.domain.sequences import Gap, Sequences

KEPT = 10
"""Batches that are remembered."""
NAMED = 50
"""Gaps that are named, those noticed last; all are counted."""


@dataclass(slots=True)
class _Account:
    """``since`` counts the events after the last marker."""

    since: int = 0
    until: int | None = None
    batches: list[BatchFact] = field(default_factory=list)
    numbers: Sequences = field(default_factory=Sequences)

    def end(self, until: int, records: int | None, time: int) -> None:
        """A batch has ended. Said again (corrected, or after what was missing has come), it is the same batch."""
        before = next((batch for batch in self.batches if batch.until == until), None)
        counted = self.since + (0 if before is None else before.counted)
        self.batches = [batch for batch in self.batches if batch is not before]
        self.batches = [*self.batches, BatchFact(until, records, counted, time)][-KEPT:]
        self.until = until if self.until is None else max(self.until, until)
        self.since = 0


class Accounts:
    """The accounts of the sources that marks came of, and of those whose events are ``counted``, since any may end a
    batch.
    """

    def __init__(self) -> None:
        self.counted: frozenset[str] = frozenset()
        self._accounts: dict[str, _Account] = {}

    def bind(self, batched: Collection[str]) -> None:
        """Count the events of these sources from now on."""
        self.counted = frozenset(batched)

    def count(self, events: Mapping[str, int]) -> None:
        """Take how many primary events came of sources, each once."""
        for source in events.keys() & self.counted:
            self._account(source).since += events[source]

    def leave_out(self, rows: Rows) -> None:
        """What a source says of itself is none of its records, though it was counted among them."""
        codes = rows.code("source")
        counts = np.bincount(codes[codes >= 0])
        self.count({rows.strings.texts[code]: -int(counts[code]) for code in np.flatnonzero(counts).tolist()})

    def hear(self, source: str, mark: Mapping[str, Any], time: int) -> None:
        """Take a mark (see ``marks.py`` of the intake) at engine time ``time``."""
        account = self._account(source)
        for first, last, at in mark.get("numbers", ()):
            account.numbers.hear(first, last, at, time)
        for until, records in mark.get("batches", ()):
            account.end(until, records, time)

    def until(self, source: str) -> int | None:
        """Up to which event time the batches of a source are complete; None before the first."""
        account = self._accounts.get(source)
        return None if account is None else account.until

    def told(self) -> tuple[SourceAccount, ...]:
        """Each account, by source."""
        return tuple(_told(source, self._accounts[source]) for source in sorted(self._accounts))

    def state(self) -> dict[str, Any]:
        """A copy, in JSON values."""
        return {
            source: {
                "since": one.since,
                "until": one.until,
                "batches": [asdict(batch) for batch in one.batches],
                "numbers": one.numbers.state(),
            }
            for source, one in self._accounts.items()
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Become what ``state()`` gave."""
        self._accounts = {
            source: _Account(
                one["since"],
                one["until"],
                [BatchFact(**batch) for batch in one["batches"]],
                Sequences.of(one["numbers"]),
            )
            for source, one in state.items()
        }

    def _account(self, source: str) -> _Account:
        return self._accounts.setdefault(source, _Account())


def _told(source: str, account: _Account) -> SourceAccount:
    gaps = account.numbers.gaps()
    return SourceAccount(
        source,
        account.until,
        tuple(account.batches),
        tuple(sorted(sorted(gaps, key=lambda gap: gap.since)[-NAMED:])),
        sum(gap.last - gap.first + 1 for gap in gaps),
        account.numbers.given_up,
        account.numbers.highest,
    )


def joined(source: str, accounts: Collection[SourceAccount | None]) -> SourceAccount:
    """The accounts of all partitions as one (None: of one that knows nothing of the source).

    A batch has ended when every partition has come to its marker: until then, what was counted is not known.
    """
    known = [one for one in accounts if one is not None]
    numbers = next((one for one in known if one.highest is not None), SourceAccount(source))
    if not known or len(known) < len(accounts):
        return SourceAccount(
            source, None, (), numbers.gaps, numbers.missing, numbers.given_up, numbers.highest
        )
    untils = [one.until for one in known if one.until is not None]
    return SourceAccount(
        source,
        min(untils) if len(untils) == len(known) else None,
        _batches(known),
        numbers.gaps,
        numbers.missing,
        numbers.given_up,
        numbers.highest,
    )


def _batches(accounts: Collection[SourceAccount]) -> tuple[BatchFact, ...]:
    found: dict[int, list[BatchFact]] = {}
    for one in accounts:
        for batch in one.batches:
            found.setdefault(batch.until, []).append(batch)
    return tuple(
        BatchFact(same[0].until, same[0].records, sum(one.counted for one in same), same[0].at)
        for same in found.values()
        if len(same) == len(accounts)
    )


def account_words(account: SourceAccount) -> list[Any]:
    """An account in JSON values, for partials."""
    return [
        account.source, account.until, [list(asdict(batch).values()) for batch in account.batches],
        [list(gap) for gap in account.gaps], account.missing, account.given_up, account.highest,
    ]  # fmt: skip


def account_of(words: Any) -> SourceAccount:
    """The inverse of ``account_words``."""
    source, until, batches, gaps, missing, given_up, highest = words
    return SourceAccount(
        source,
        until,
        tuple(BatchFact(*batch) for batch in batches),
        tuple(Gap(*gap) for gap in gaps),
        missing,
        given_up,
        highest,
    )
