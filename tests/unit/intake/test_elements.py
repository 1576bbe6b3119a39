"""Where the elements of an array begin and end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.elements import split

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, max_size=6), st.sampled_from([None, 1]))
def test_elements_are_those_that_were_put_together(content: list[object], indent: int | None) -> None:
    """NaN and infinities included, which are no JSON; whatever stands in strings."""
    given_ = [
        json.dumps(each, ensure_ascii=False, indent=indent).encode(errors="surrogatepass") for each in content
    ]
    assert split(b"[" + b" ,\n".join(given_) + b" ]\n") == given_


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1, 2", b'["a]', b"[1]]", b"[1] 2", b'[{"a": 1], 2]', b"[" * 100_000, b'["\\"]']
)
def test_what_has_no_boundaries_is_not_taken_apart(body: bytes) -> None:
    """Brackets and strings that are not closed, or closed by others; more than the array."""
    assert split(body) is None
