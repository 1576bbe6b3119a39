"""One partition as the driver sees it: what waits, what was applied, what the log did not deliver. No I/O."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from services.domain.snapshots import SnapshotError
from services.domain.state import State
from services.snapshots import Snapshot

FIRST_SEEK_WAIT = 0.5
UNKNOWN = 2**62


class Offer(StrEnum):
    """What became of a record that was delivered."""

    TAKEN = "taken"
    REPLAY = "replay"
    GAP = "gap"


class Copy(NamedTuple):
    """A state as of one moment: its first chunk is taken at once, the others are packed when asked for."""

    applied: int
    chunks: Iterator[bytes]

    @classmethod
    def of(cls, state: State) -> Copy:
        """Take the copy now, before anything is folded."""
        rest = state.chunks()
        return cls(state.applied, itertools.chain(list(itertools.islice(rest, 1)), rest))


@dataclass(slots=True)
class Partition:
    """The state of one partition and what surrounds it. Times are seconds of a monotonic clock.

    ``floor`` is where the log begins when it has lost what the state needs and the processor can do without.
    ``suspects`` are the offsets of a batch that could not be folded: they are folded again one by one. ``refused``
    are those that are to blame, with the error: they are passed over. ``again`` is the end of the log when the state
    was restored: what was said before of records up to there is replaced once they have been folded anew
    (``UNKNOWN``: where it ends is still to be asked). ``unreadable`` says why a snapshot that was
    found could not be used, ``snapshot_time`` when (epoch ms) the one in force was taken.
    """

    number: int
    state: State
    queue: deque[tuple[int, bytes]] = field(default_factory=deque)
    queued: int = 0
    dirty: bool = False
    everything: bool = True
    again: int | None = None
    flush_due: float = 0.0
    fold_due: float = 0.0
    progress_at: float | None = None
    watched_from: float = 0.0
    end: int = 0
    folded: int = 0
    records: int = 0
    replayed: int = 0
    gap: bool = False
    seeks: int = 0
    seek_due: float = 0.0
    seek_wait: float = FIRST_SEEK_WAIT
    lost: str | None = None
    floor: int = 0
    snapshot: int = -1
    snapshot_at: float | None = None
    snapshot_time: int | None = None
    unreadable: str | None = None
    snapshot_bytes: int = 0
    current: frozenset[bytes] = frozenset()
    garbage: set[bytes] = field(default_factory=set)
    suspects: range = range(0)
    refused: dict[int, str] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """The only offset that may be taken next: all that was folded or waits, plus one."""
        return self.queue[-1][0] + 1 if self.queue else max(self.state.applied + 1, self.floor)

    def offer(self, offset: int, value: bytes) -> Offer:
        """Take the record if it is the next one; below is a replay, above is a gap that a seek must heal."""
        expected = self.expected
        if offset < expected:
            self.replayed += 1
            return Offer.REPLAY
        if offset > expected:
            self.gap = True
            return Offer.GAP
        self.gap = False
        self.seek_wait = FIRST_SEEK_WAIT
        self.queue.append((offset, value))
        self.queued += len(value)
        return Offer.TAKEN

    def ready(self, budget: int, now: float, *, crowded: bool = False) -> bool:
        """Whether to fold: when a call's worth waits, or when the last call is a while ago. A call costs much
        however little it folds. ``crowded``: so much waits in all that there is no room for more to come.
        """
        return bool(self.queue) and (crowded or now >= self.fold_due or self.queued * 4 >= budget * 3)

    def slice(self, budget: int) -> list[tuple[int, bytes]]:
        """The next records to fold together: at least one, then up to ``budget`` bytes."""
        batch: list[tuple[int, bytes]] = []
        size = 0
        while self.queue and (not batch or size + len(self.queue[0][1]) <= budget):
            alone = self.queue[0][0] in self.suspects or self.queue[0][0] in self.refused
            if batch and alone:
                break
            record = self.queue.popleft()
            size += len(record[1])
            batch.append(record)
            if alone:
                break
        self.queued -= size
        return batch

    def fold(self, batch: list[tuple[int, bytes]], now: float) -> None:
        """Fold what ``slice`` gave. Where it raises, the state is void: ``suspect``, then ``restore``."""
        (offset, value), *_ = batch
        if offset in self.refused:
            self.state.refuse(offset, value, self.refused[offset])
        else:
            self.state.fold(batch)
        self.folded += sum(len(value) for _, value in batch)
        self.records += len(batch)
        self.progress_at = self.watched_from = now
        self.dirty = True

    def suspect(self, batch: list[tuple[int, bytes]], error: Exception) -> None:
        """Note who may be to blame for ``error``. One that was passed over already has no second chance: it raises."""
        first, last = batch[0][0], batch[-1][0]
        if first in self.refused:
            raise error
        if first == last:
            self.refused[first] = f"{type(error).__name__}: {error}"
        self.suspects = range(first, last + 1) if first < last else self.suspects

    def stalled(self, now: float) -> float:
        """For how long (s) records have waited in the log, none having come; 0 when all is as it should be."""
        waits = self.end > self.expected and not self.queue and self.lost is None
        return now - self.watched_from if waits else 0.0

    def whole(self) -> bool:
        """Whether everything is to be told now: after a restart, and again when what was folded before it has been
        folded anew. A reader goes by the offset, and what it was told of a later one stands until then.
        """
        whole, self.everything = self.everything, False
        if self.again is not None and self.state.applied + 1 >= self.again:
            whole, self.again = True, None
        return whole

    def forget_queue(self) -> None:
        """Drop what waits; the log delivers it again from ``expected`` on."""
        self.queue.clear()
        self.queued = 0
        self.gap = False

    def restore(self, records: dict[bytes, bytes], best: Snapshot | None, fresh: Callable[[], State]) -> None:
        """Take the best snapshot found if it reaches further than the state does; the rest is garbage.

        One that cannot be read, as after a change of its format, is garbage too: a snapshot only saves work, and
        what it held is folded again from the log.
        """
        keys = set(records)
        self.unreadable = None
        if best is not None and best.applied > self.state.applied:
            self._take_over(best, fresh())
        self.garbage |= keys - self.current
        self.everything = self.dirty = True
        self.forget_queue()

    def _take_over(self, best: Snapshot, state: State) -> None:
        try:
            state.restore(best.chunks)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            why = error if isinstance(error, SnapshotError) else repr(error)
            self.unreadable = f"the snapshot at offset {best.applied} cannot be read: {why}"
            return
        self.state = state
        self.garbage |= self.current
        self.current = best.keys
        self.snapshot, self.snapshot_time = best.applied, best.taken
        self.snapshot_bytes = sum(map(len, best.chunks))
