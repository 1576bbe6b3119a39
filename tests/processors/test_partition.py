"""What a partition makes of the snapshots that are found for it, and when it is worth a call."""

from __future__ import annotations

from services.domain.observe import Observer
from services.domain.program import Program
from services.domain.snapshots import FORMAT
from services.snapshots import Snapshot
from stream_processors.partition import Partition
from tests.processors.tally import Tally, event


def no_catalogue(text: str) -> Program:
    raise ValueError(text)


def test_a_snapshot_that_cannot_be_read_is_left_and_the_log_folded_instead() -> None:
    """As after an update that changed its format: the state stays empty, and the snapshot becomes garbage."""
    partition = Partition(0, Tally(0))
    foreign = Snapshot(41, [b"of another version"], frozenset({b"chunk", b"manifest"}))
    partition.restore({b"chunk": b"", b"manifest": b""}, foreign, lambda: Tally(0))
    assert partition.state.applied == -1
    assert partition.garbage >= {b"chunk", b"manifest"}
    assert partition.unreadable is not None


def test_a_snapshot_of_another_format_is_named() -> None:
    """What is said of it tells which format it has and which this version reads."""
    (chunk,) = Observer(0, no_catalogue).chunks()
    later = chunk.replace(b'"format": %d' % FORMAT, b'"format": 9')
    partition = Partition(0, Observer(0, no_catalogue))
    partition.restore({}, Snapshot(41, [later], frozenset()), lambda: Observer(0, no_catalogue))
    assert partition.state.applied == -1
    assert partition.unreadable == (
        f"the snapshot at offset 41 cannot be read: it has format 9, this version reads format {FORMAT}"
    )


def test_the_best_snapshot_is_taken_over() -> None:
    """The state goes on after it."""
    before = Tally(0)
    before.fold([(0, event("a", 5)), (1, event("b", 7))])
    partition = Partition(0, Tally(0))
    partition.restore(
        {b"one": b""}, Snapshot(1, list(before.chunks()), frozenset({b"one"})), lambda: Tally(0)
    )
    assert partition.state.applied == 1
    assert partition.garbage == set()


def test_a_partition_is_folded_when_a_call_is_worth_it() -> None:
    """Three quarters of a call wait, or the last one is a while ago, or nothing more would find room."""
    partition = Partition(0, Tally(0))
    assert not partition.ready(400, 1.0, crowded=True)
    partition.offer(0, bytes(200))
    partition.fold_due = 2.0
    assert not partition.ready(400, 1.0)
    assert partition.ready(400, 1.0, crowded=True)
    assert partition.ready(400, 2.0)
    partition.offer(1, bytes(100))
    assert partition.ready(400, 1.0)


def test_everything_is_told_at_once_and_again_when_all_has_been_folded_anew() -> None:
    """A reader keeps what it was told of later offsets until then."""
    partition = Partition(0, Tally(0))
    partition.again = 2
    assert partition.whole()
    partition.fold([(0, event("key", 1))], 1.0)
    assert not partition.whole()
    partition.fold([(1, event("key", 1))], 2.0)
    assert partition.whole()
    assert not partition.whole()
