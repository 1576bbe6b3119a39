"""The container: what is packed comes back, and what is none is refused in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.columns import pack, peek, unpack, view

META = {"name": "Größe", "list": [1, None, True]}
WORDS = st.text(max_size=8)
DTYPES = st.sampled_from([np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float64])
ARRAYS = st.dictionaries(
    WORDS,
    st.tuples(st.lists(st.integers(0, 100), max_size=9), DTYPES).map(lambda it: np.array(*it)),
    max_size=6,
)


@given(ARRAYS)
def test_what_is_packed_comes_back(arrays: dict[str, np.ndarray]) -> None:
    """Names, order, dtypes and values; empty arrays too."""
    meta, found = unpack(pack(META, arrays))
    assert meta == peek(pack(META, arrays)) == META
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_a_slice_with_gaps_is_packed_as_what_it_shows() -> None:
    """Every other element, backwards."""
    _, found = unpack(pack({}, {"a": np.arange(10)[::-2]}))
    assert found["a"].tolist() == [9, 7, 5, 3, 1]


def test_arrays_are_made_when_asked_for_and_cannot_be_written_to() -> None:
    """A view of the bytes, by name; an unknown name is a ``KeyError``."""
    _, arrays = view(pack({}, {"a": np.arange(3), "b": np.arange(4)}))
    assert (len(arrays), list(arrays)) == (2, ["a", "b"])
    assert not arrays["b"].flags.writeable
    with pytest.raises(KeyError):
        arrays["c"]


@pytest.mark.parametrize("data", [b"", b"S", b"SL\x01\x00" + bytes(40), b'{"kind": "tick"}'])
def test_foreign_bytes_are_refused(data: bytes) -> None:
    """Nothing, an earlier format, JSON."""
    with pytest.raises(ValueError, match="not a Sightline container of format 2"):
        unpack(data)


def test_a_container_that_was_cut_off_is_refused() -> None:
    """Wherever it was cut."""
    whole = pack(META, {"a": np.arange(3), "b": np.arange(2)})
    for size in range(len(whole)):
        with pytest.raises(ValueError, match=r"."):
            unpack(whole[:size])
