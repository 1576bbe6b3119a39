"""What the embedded log may forget, against a naive model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from services.adapters.log.retention import expired, superseded, worth_compacting
from services.adapters.log.store import KeyRow

HORIZON = 100

rows = st.lists(
    st.tuples(st.sampled_from([None, b"a", b"b", b"c"]), st.booleans(), st.integers(0, 200)), max_size=40
).map(
    lambda found: [
        KeyRow(offset, time, key, tombstone and key is not None)
        for offset, ((key, tombstone, _), time) in enumerate(
            zip(found, sorted(time for _, _, time in found), strict=True)
        )
    ]
)


def newest(kept: list[KeyRow]) -> dict[bytes, tuple[int, bool]]:
    return {row.key: (row.offset, row.tombstone) for row in kept if row.key is not None}


@given(rows)
def test_compaction_keeps_what_a_reader_of_all_would_know(log: list[KeyRow]) -> None:
    """Live keys keep exactly their newest record; young tombstones, keyless records and the end stay."""
    doomed = set(superseded(log, HORIZON))
    kept = [row for row in log if row.offset not in doomed]
    live = {key: at for key, at in newest(log).items() if not at[1]}
    assert {key: at for key, at in newest(kept).items() if not at[1]} == live
    assert len([row for row in kept if row.key is not None]) == len(newest(kept))
    assert [row for row in log if row.key is None] == [row for row in kept if row.key is None]
    assert kept[-1:] == log[-1:]
    for key, (offset, tombstone) in newest(log).items():
        if tombstone and log[offset].time >= HORIZON:
            assert newest(kept)[key] == (offset, True)


@given(rows)
def test_compacting_again_changes_nothing(log: list[KeyRow]) -> None:
    """One pass is enough."""
    doomed = set(superseded(log, HORIZON))
    assert superseded([row for row in log if row.offset not in doomed], HORIZON) == []


def test_only_what_is_older_than_the_horizon_expires() -> None:
    """A record of the horizon's own millisecond stays."""
    assert expired([], 100) == 0
    assert expired([98, 99, 99, 100, 101], 100) == 3
    assert expired([100, 101], 100) == 0


def test_compaction_waits_for_its_share_of_new_records() -> None:
    """No new records, no work; otherwise the topic's ratio decides."""
    assert not worth_compacting(100, 0, 0.0)
    assert not worth_compacting(100, 99, 0.5)
    assert worth_compacting(100, 100, 0.5)
    assert worth_compacting(0, 1, 1.0)


def test_the_embedded_log_loads_no_kafka_client() -> None:
    """Who runs on the embedded log does not pay for aiokafka."""
    code = (
        "import sys; from services.adapters.log import open_log; open_log('embedded://x');"
        "sys.exit('aiokafka' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0
