"""States in chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.snapshots import CHUNK_BYTES, cut, join, pack_texts, prefixed, under, unpack_texts

sizes = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 150_000), max_size=8)


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_arrays_of_any_size_come_back_from_chunks_that_fit(given_sizes: dict[str, int]) -> None:
    """Also empty ones; no chunk is above its limit."""
    arrays = {f"x/{name}": np.arange(size) for name, size in given_sizes.items()}
    chunks = list(cut({"n": len(arrays)}, arrays))
    assert max(map(len, chunks)) <= CHUNK_BYTES
    meta, back = join(chunks)
    assert meta == {"n": len(arrays)}
    assert {name: array.tolist() for name, array in back.items()} == {
        name: array.tolist() for name, array in arrays.items()
    }
    assert under("x", prefixed("x", {"a": np.zeros(1)})).keys() == {"a"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=5), max_size=20))
def test_texts_come_back(texts: list[str]) -> None:
    """Whatever is in them."""
    assert unpack_texts(pack_texts(texts)) == texts
