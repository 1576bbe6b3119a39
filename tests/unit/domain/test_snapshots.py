"""Snapshots name their format, and what a format holds is written down beside this test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.catalogue.canonical import load_program
from services.domain import snapshots
from services.domain.judge import Judge
from services.domain.observe import Observer
from services.domain.snapshots import FORMAT, SnapshotError, cut, join
from services.domain.state import State
from tests.unit.domain.test_observe_demo import records

LAYOUT = Path(__file__).with_name("snapshot_layout.txt")


def layout_of(name: str, state: State) -> list[str]:
    """What stands in the state's snapshot, without what the catalogue's names add."""
    meta, arrays = join(list(state.chunks()))
    head = meta["runs"][0]
    head = head.get("head", head)
    columns = {
        f"{key.rpartition('/')[2].rpartition('|')[2]} {array.dtype}"
        for key, array in arrays.items()
        if not key.rpartition("/")[2].isdecimal()
    }
    return sorted({f"{name}: {each}" for each in (*meta, *head, *columns) if "/" not in each})


def test_a_format_holds_what_is_written_down_of_it() -> None:
    """Whoever changes what a state writes raises ``FORMAT`` and writes the new layout down.

    Where this fails: raise ``services.domain.snapshots.FORMAT``, and copy the text that is shown into the file.
    """
    observer, judge = Observer(0, load_program), Judge(0, load_program, 1)
    observer.fold(list(enumerate(records())))
    told = [
        one.value for one in observer.emit(everything=True) if (one.topic, one.partition) == ("judging", 0)
    ]
    judge.fold([(offset, value) for offset, value in enumerate(told) if isinstance(value, bytes)])
    judge.emit()
    text = "\n".join([f"format {FORMAT}", *layout_of("observe", observer), *layout_of("judge", judge), ""])
    assert text == LAYOUT.read_text()


def test_another_format_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any of its arrays is looked at."""
    chunks = list(cut({"applied": 7}, {"keys": np.arange(3)}))
    assert join(chunks)[0] == {"applied": 7}
    monkeypatch.setattr(snapshots, "FORMAT", FORMAT + 1)
    with pytest.raises(
        SnapshotError, match=f"it has format {FORMAT}, this version reads format {FORMAT + 1}"
    ):
        join(chunks)
