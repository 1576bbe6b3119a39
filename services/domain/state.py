"""What a processor keeps of one partition: a function of the log, and of nothing else.

OBSERVE (``observe.Observer``) and JUDGE (``judge.Judge``) both satisfy ``State``; the Faust agents in
``stream_processors`` only read, call ``fold``, send what ``emit`` returns and store what ``chunks`` yields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from services.domain.facts import Amendments, CaseFacts, ClosedWindows, DeadLetter, KpiValues


class Emission(NamedTuple):
    """One record to send. ``topic`` is a property of ``services.topics.Topics``: ``judging``, ``kpis``,
    ``history``, ``cases``, ``dead_letters``; or ``events``, which OBSERVE itself reads. Bulk comes packed, facts as
    records.
    """

    topic: str
    partition: int
    value: bytes | KpiValues | ClosedWindows | Amendments | CaseFacts | DeadLetter


class State(Protocol):
    """The state of one partition."""

    @property
    def applied(self) -> int:
        """The offset up to which the state is complete; -1 before the first record."""
        ...

    def fold(self, records: Sequence[tuple[int, bytes]]) -> None:
        """Fold records, (offset, value) with offsets ``applied + 1`` and on, without a gap; the caller sees to that.

        A record that cannot be read is counted and told as a dead letter by the next ``emit``; it raises nothing
        for a reason that lies in the input. Where it raises all the same, the state is void: the caller restores
        one from before, and has the record passed over by ``refuse``.
        """
        ...

    def refuse(self, offset: int, value: bytes, error: str) -> None:
        """Pass over the record at ``applied + 1``, which cannot be folded for the reason ``error``; it is told as a
        dead letter by the next ``emit``.
        """
        ...

    def emit(self, *, everything: bool = False) -> list[Emission]:
        """What has changed since the last call; ``everything`` after an assignment, so that others heal."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """A consistent copy as of this call, packed lazily into chunks of at most 400 KiB; what ``emit`` would say now
        is no part of it, and is to be said before.

        Between two chunks the caller may fold on; taking the copy costs a few milliseconds.
        """
        ...

    def restore(self, chunks: Sequence[bytes]) -> None:
        """Become what ``chunks`` was taken from (an empty state before)."""
        ...
