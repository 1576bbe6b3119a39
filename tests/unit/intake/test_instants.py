"""Many instants at once read as each by itself."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.amounts import EPOCH, LATEST, milliseconds, rfc3339
from services.intake.instants import NO_INSTANT, instants, one_by_one

FORMS = st.sampled_from(["Z", "+00:00", "+01:30", ""])
TEXTS = (
    st.integers(0, LATEST - 1).map(rfc3339)
    | st.builds(
        lambda at, spec, zone: at.isoformat(timespec=spec) + zone,
        st.datetimes(datetime.fromisoformat("1969-12-31"), datetime.fromisoformat("2200-01-02")),
        st.sampled_from(["seconds", "milliseconds", "microseconds", "minutes"]),
        FORMS,
    )
    | st.sampled_from(
        [
            "",
            "soon",
            "2026-02-30T12:00:00Z",
            "2026-03-01 12:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T12:00:60Z",
        ]
    )
    | st.text(max_size=24)
)


@given(st.lists(TEXTS, max_size=200), st.integers(1, 40))
def test_together_or_one_by_one_is_the_same(texts: list[str], times: int) -> None:
    """Whatever forms are mixed, and whatever is no instant among them."""
    assert instants(texts * times) == one_by_one(texts) * times


@pytest.mark.parametrize("count", [1, 100])
def test_the_usual_forms(count: int) -> None:
    """With and without fractions, by Z or +00:00; rounded down to the millisecond."""
    at = datetime.fromisoformat("2026-03-01T12:00:00.123999+00:00")
    for text in (
        "2026-03-01T12:00:00.123999Z",
        "2026-03-01T12:00:00.123999+00:00",
        "2026-03-01T12:00:00.123Z",
    ):
        assert instants([text] * count) == [milliseconds(at)] * count
    assert instants(["1970-01-01T00:00:00Z"] * count) == [milliseconds(EPOCH)] * count
    assert instants([rfc3339(LATEST - 1)] * count) == [LATEST - 1] * count


@pytest.mark.parametrize(
    "text",
    [
        "2200-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00-01Z",
        "2026-03-01T12:00:00.-1Z",
    ],
)
def test_one_that_is_none_leaves_the_others_alone(text: str) -> None:
    """Among a hundred good ones, each alike in length."""
    good = "2026-03-01T12:00:00Z"
    found = instants([good] * 50 + [text] + [good] * 50)
    assert found == [*instants([good] * 50), NO_INSTANT, *instants([good] * 50)]
