"""The latest values in columns: what is laid over them, what is gone, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.domain.facts import KpiValue, Reason, ValueColumns
from services.domain.live_values import LiveValues, ValueKey, value_key

numbers = st.one_of(st.none(), st.sampled_from([0.0, 1.5, -2.0]))
scopes = st.dictionaries(st.sampled_from(["site", "carrier"]), st.sampled_from(["A", "B", ""]), max_size=2)


@st.composite
def some_values(draw: st.DrawFn) -> KpiValue:
    number = draw(numbers)
    reason = draw(st.sampled_from(list(Reason)))
    start = draw(st.integers(0, 2))
    gap = None if number is None else draw(numbers)
    kpi = draw(st.sampled_from("ab"))
    return KpiValue(
        kpi, draw(scopes), number, reason.status, reason, gap, draw(st.integers(0, 3)), start, 9, 9
    )


def key(value: KpiValue) -> ValueKey:
    return value_key(value.kpi, value.scope)


@given(st.lists(st.tuples(st.lists(some_values(), max_size=6), st.booleans()), max_size=8))
def test_values_are_those_of_a_dict(rounds: list[tuple[list[KpiValue], bool]]) -> None:
    """Whatever is laid over what, and however scopes name their dimensions; changed is what is another value."""
    live, expected = LiveValues(), dict[ValueKey, KpiValue]()
    for values, drop in rounds:
        latest = {key(value): value for value in values}
        _, changed = live.lay(ValueColumns.of(latest.values()))
        assert {live.names.keys[row] for row in changed.tolist()} == {
            one for one, value in latest.items() if expected.get(one) != value
        }
        expected |= latest
        if drop and expected:
            gone = min(expected)
            live.drop(live.rows_of([gone]))
            del expected[gone]
        assert dict(live.pick(live.all())) == expected
        assert all(live.get(one) == value for one, value in expected.items())


def site(number: int) -> KpiValue:
    reason = Reason.NO_TARGET
    return KpiValue("a", {"site": str(number)}, float(number), reason.status, reason, None, 1, 0, 9, 9)


def test_a_later_look_at_the_same_value_is_no_change() -> None:
    """What only holds longer is the same value."""
    live = LiveValues()
    live.lay(ValueColumns.of([site(1)]))
    _, changed = live.lay(ValueColumns.of([replace(site(1), as_of=10)]))
    assert (changed.size, live.get(key(site(1)))) == (0, replace(site(1), as_of=10))


def test_what_is_gone_for_good_takes_no_room() -> None:
    """Rows close ranks; the names that were given out before go on to be those of then."""
    live = LiveValues()
    rows, _ = live.lay(ValueColumns.of(site(number) for number in range(3_000)))
    names = live.names
    live.drop(rows[:2_500])
    live.tidy()
    assert (len(live), len(live.names.keys), len(names.keys)) == (500, 500, 3_000)
    live.lay(ValueColumns.of([site(7), site(2_999)]))
    assert [live.get(key(site(number))) for number in (7, 8, 2_999)] == [site(7), None, site(2_999)]
    assert np.array_equal(live.names.widths[:501], np.ones(501))
