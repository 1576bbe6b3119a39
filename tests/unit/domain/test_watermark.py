"""How far event time has come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.watermark import IDLE_MS, START, Watermark

heard = st.lists(
    st.tuples(
        st.integers(0, 40_000),
        st.dictionaries(st.sampled_from(["erp", "wms", "crm"]), st.integers(0, 500_000), max_size=3),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None)
@given(heard, st.sets(st.sampled_from(["erp", "wms"])))
def test_it_is_the_minimum_over_sources_that_are_heard_and_never_goes_back(
    told: list[tuple[int, dict[str, int]]], expected: set[str]
) -> None:
    """Against a model that looks at the whole past each time."""
    watermark, now, past, level = Watermark(expected), 0, list[tuple[int, str, int]](), START
    for later, highest in told:
        now += later
        past += [(now, source, time) for source, time in highest.items()]
        live = {source for at, source, _ in past if now - at <= IDLE_MS}
        live &= expected or live
        tops = [max(time for _, one, time in past if one == source) for source in live]
        level = max(level, min(tops, default=now - IDLE_MS))
        assert watermark.hear(now, {source: (time, 1) for source, time in highest.items()}) == level
        copy = Watermark(expected)
        copy.load(*watermark.state())
        assert copy.sources(now) == watermark.sources(now)
        watermark = copy


def test_a_source_that_falls_silent_holds_nothing_back() -> None:
    """A minute of engine time after its last event the others decide; its freshness says so."""
    watermark = Watermark()
    watermark.hear(0, {"erp": (0, 1), "wms": (0, 2)})
    assert watermark.hear(60_000, {"erp": (60_000, 1)}) == 0
    assert watermark.hear(60_001, {"erp": (60_001, 1)}) == 60_001
    assert [(s.source, s.idle, s.events) for s in watermark.sources(60_001)] == [
        ("erp", False, 3),
        ("wms", True, 2),
    ]
    assert watermark.hear(200_000, {}) == 140_000


def test_sources_that_nobody_expects_neither_hold_nor_advance() -> None:
    """With a catalogue that names its sources, a stranger's time counts for nothing."""
    watermark = Watermark({"erp"})
    assert watermark.hear(100_000, {"stranger": (99_000, 1)}) == 40_000
    assert watermark.hear(100_001, {"erp": (90_000, 1), "stranger": (10, 1)}) == 90_000
