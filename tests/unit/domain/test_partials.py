"""Partials on the wire."""

from __future__ import annotations

import numpy as np
import pytest

from services.domain.facts import SourceFreshness
from services.domain.partials import CubeCells, Partial, SketchCells, decode, encode
from services.domain.program import BASE


def test_a_partial_comes_back_as_it_was() -> None:
    """Head, scopes, cells and sketches survive the wire, also for a cube without dimensions."""
    cells = CubeCells(
        "cube@1",
        np.array([[0, 1], [2, 1]], np.int32),
        np.array([0, 1, 1], np.int32),
        np.array([BASE, 0, 60_000]),
        {("m@1", "n"): np.array([1, 2, 0]), ("m@1", "sum"): np.array([-7, 2**50, 0])},
        {"p@1": SketchCells(np.array([1], np.int32), np.array([4096], np.int32), np.array([3]))},
    )
    total = CubeCells("total@1", np.empty((1, 0), np.int32), np.zeros(1, np.int32), np.zeros(1, np.int64), {})
    partial = Partial(
        "default", "live", 0, 3, 17, 12, "abc", 1_000, 900, True, True, False, "{}",
        (SourceFreshness("wms", 1, 2, 3, False),), {"events": 5}, ("W01", "", "W02"), (cells, total),
    )  # fmt: skip
    back = decode(encode(partial))
    assert repr(back) == repr(partial)
    assert back.cubes[0].scopes.tolist() == [[0, 1], [2, 1]]
    assert back.cubes[1].scopes.shape == (1, 0)


def test_foreign_bytes_are_refused() -> None:
    """What is no partial raises ValueError."""
    with pytest.raises(ValueError, match="container"):
        decode(b"no such thing as a partial")
