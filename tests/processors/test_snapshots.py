"""Which snapshot a state is restored from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.snapshots import Key, choose, digest, manifest, partition_of

OLD, NEW = b"a" * 16, b"b" * 16


def written(applied: int, generation: bytes, chunks: list[bytes]) -> dict[bytes, bytes]:
    records = {Key(3, generation, index).pack(): chunk for index, chunk in enumerate(chunks)}
    records[Key.manifest(3, generation).pack()] = manifest(
        applied, 1_000 + applied, [digest(chunk) for chunk in chunks]
    )
    return records


def test_a_key_names_its_partition() -> None:
    """The partition of a record follows from its key alone."""
    assert partition_of(Key(11, NEW, 4).pack()) == 11


def test_the_snapshot_that_reaches_furthest_wins() -> None:
    """A zombie's late snapshot, written last but reaching less far, does not replace newer state."""
    records = written(5_908, NEW, [b"new"]) | written(4_681, OLD, [b"zombie"])
    best = choose(records)
    assert best is not None
    assert (best.applied, list(best.chunks), best.taken) == (5_908, [b"new"], 6_908)


def test_a_snapshot_without_a_manifest_does_not_count() -> None:
    """A writer that died half-way leaves the one before in force."""
    records = written(10, OLD, [b"one", b"two"]) | written(20, NEW, [b"three", b"four"])
    del records[Key.manifest(3, NEW).pack()]
    best = choose(records)
    assert best is not None
    assert best.applied == 10


def test_nothing_is_chosen_from_nothing() -> None:
    """A new partition begins with an empty state."""
    assert choose({}) is None


@given(
    old=st.lists(st.binary(max_size=20), max_size=4),
    new=st.lists(st.binary(max_size=20), min_size=1, max_size=4),
    missing=st.integers(min_value=0, max_value=3),
)
def test_a_snapshot_counts_only_with_all_its_chunks(old: list[bytes], new: list[bytes], missing: int) -> None:
    """Whatever chunk is lost or damaged, the older complete snapshot is taken, whole."""
    records = written(1, OLD, old) | written(2, NEW, new)
    name = Key(3, NEW, missing % len(new)).pack()
    for damage in (None, records[name] + b"!"):
        broken = dict(records)
        if damage is None:
            del broken[name]
        else:
            broken[name] = damage
        best = choose(broken)
        assert best is not None
        assert (best.applied, list(best.chunks)) == (1, old)
        assert best.keys == frozenset(written(1, OLD, old))
