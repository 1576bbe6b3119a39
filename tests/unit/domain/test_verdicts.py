"""Verdicts: tables of what is said of a value, and that the form for many agrees with the form for one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.catalogue import Direction, Target
from services.domain.facts import REASONS, Reason, Status
from services.domain.verdicts import gaps, judge, judge_many

AT_LEAST = Target(95, 2, Direction.AT_LEAST)
AT_MOST = Target(10, 5, Direction.AT_MOST)
BETWEEN = Target(20, 3, Direction.BETWEEN)


@pytest.mark.parametrize(
    ("target", "value", "status", "reason", "gap"),
    [
        (AT_LEAST, 97.0, Status.ON_PLAN, Reason.WITHIN_TARGET, 2.0),
        (AT_LEAST, 95.0, Status.ON_PLAN, Reason.WITHIN_TARGET, 0.0),
        (AT_LEAST, 93.0, Status.WATCH, Reason.WITHIN_BAND, -2.0),
        (AT_LEAST, 92.5, Status.OFF_PLAN, Reason.BEYOND_BAND, -2.5),
        (AT_MOST, 3.0, Status.ON_PLAN, Reason.WITHIN_TARGET, -7.0),
        (AT_MOST, 15.0, Status.WATCH, Reason.WITHIN_BAND, 5.0),
        (AT_MOST, 15.5, Status.OFF_PLAN, Reason.BEYOND_BAND, 5.5),
        (BETWEEN, 17.0, Status.ON_PLAN, Reason.WITHIN_TARGET, -3.0),
        (BETWEEN, 26.0, Status.WATCH, Reason.WITHIN_BAND, 6.0),
        (BETWEEN, 13.5, Status.OFF_PLAN, Reason.BEYOND_BAND, -6.5),
        (None, 3.0, Status.ON_PLAN, Reason.NO_TARGET, None),
    ],
)
def test_a_known_value_is_held_against_its_target(
    target: Target | None, value: float, status: Status, reason: Reason, gap: float | None
) -> None:
    """On the good side it is on plan, within the band to be watched, beyond it off plan; edges belong inside."""
    assert judge(target, value, 30, 20) == (status, reason, gap)


@pytest.mark.parametrize(
    ("value", "samples", "stale", "reason"),
    [
        (None, 0, False, Reason.NO_DATA),
        (97.0, 19, False, Reason.TOO_FEW_SAMPLES),
        (None, 19, False, Reason.TOO_FEW_SAMPLES),
        (None, 20, False, Reason.DIVISION_BY_ZERO),
        (97.0, 20, True, Reason.STALE),
        (None, 0, True, Reason.STALE),
    ],
)
def test_what_cannot_be_known_is_said_to_be_unknown(
    value: float | None, samples: int, *, stale: bool, reason: Reason
) -> None:
    """Silence, no data, too few samples and a division by zero are unknown, whatever the number says."""
    verdict = judge(AT_LEAST, value, samples, 20, stale=stale)
    assert verdict[:2] == (Status.UNKNOWN, reason)


numbers = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([93.0, 95.0, 10.0, 15.0, 17.0, 26.0]))
targets = st.one_of(
    st.none(),
    st.sampled_from([AT_LEAST, AT_MOST, BETWEEN]),
    st.builds(Target, st.floats(-1e3, 1e3), st.floats(0, 100), st.sampled_from(Direction)),
)


@given(
    target=targets,
    cases=st.lists(st.tuples(numbers, st.integers(0, 40))),
    minimum=st.integers(0, 30),
    stale=st.booleans(),
)
def test_many_values_are_judged_as_each(
    target: Target | None, cases: list[tuple[float | None, int]], minimum: int, *, stale: bool
) -> None:
    """The vectorised form agrees with the single one."""
    values = np.array([np.nan if value is None else value for value, _ in cases], np.float64)
    samples = np.array([n for _, n in cases], np.int64)
    expected = [judge(target, value, n, minimum, stale=stale) for value, n in cases]
    codes = judge_many(target, values, samples, minimum, stale=stale)
    known = [None if np.isnan(gap) else gap for gap in gaps(target, values).tolist()]
    assert [REASONS[code] for code in codes.tolist()] == [verdict.reason for verdict in expected]
    assert known == [verdict.gap for verdict in expected]


@given(st.sampled_from([AT_LEAST, AT_MOST]), st.floats(-200, 200), st.floats(0, 50))
def test_a_worse_value_is_never_judged_better(target: Target, value: float, step: float) -> None:
    """Moving to the bad side never improves the status."""
    rank = [Status.ON_PLAN, Status.WATCH, Status.OFF_PLAN]
    worse = value - step if target.direction is Direction.AT_LEAST else value + step
    before, after = (rank.index(judge(target, each, 1, 1).status) for each in (value, worse))
    assert before <= after


@given(st.lists(st.tuples(numbers, st.integers(0, 40), st.booleans())), st.integers(0, 30))
def test_only_what_has_no_data_is_immature(cases: list[tuple[float | None, int, bool]], minimum: int) -> None:
    """And only where something waits for its time; the vectorised form says the same."""
    values = np.array([np.nan if value is None else value for value, _, _ in cases], np.float64)
    samples = np.array([n for _, n, _ in cases], np.int64)
    waits = np.array([waiting for _, _, waiting in cases], np.bool_)
    each = [judge(AT_LEAST, value, n, minimum, immature=waiting) for value, n, waiting in cases]
    codes = judge_many(AT_LEAST, values, samples, minimum, immature=waits)
    assert [REASONS[code] for code in codes] == [verdict.reason for verdict in each]
    for verdict, (value, n, waiting) in zip(each, cases, strict=True):
        assert (verdict.reason is Reason.IMMATURE) == (value is None and n == 0 and waiting)
        assert (verdict.reason is Reason.NO_DATA) == (value is None and n == 0 and not waiting)


@given(
    cases=st.lists(st.tuples(numbers, st.integers(0, 40), st.booleans())),
    minimum=st.integers(0, 30),
    stale=st.booleans(),
)
def test_a_missing_rate_goes_before_all_but_a_silent_source(
    cases: list[tuple[float | None, int, bool]], minimum: int, *, stale: bool
) -> None:
    """Whatever number there is, something is not in it; the vectorised form says the same."""
    values = np.array([np.nan if value is None else value for value, _, _ in cases], np.float64)
    samples = np.array([n for _, n, _ in cases], np.int64)
    missing = np.array([lacking for _, _, lacking in cases], np.bool_)
    each = [judge(AT_LEAST, value, n, minimum, stale=stale, missing=lacking) for value, n, lacking in cases]
    codes = judge_many(AT_LEAST, values, samples, minimum, stale=stale, missing=missing)
    assert [REASONS[code] for code in codes] == [verdict.reason for verdict in each]
    for verdict, (_, _, lacking) in zip(each, cases, strict=True):
        assert (verdict.reason is Reason.MISSING_RATE) == (lacking and not stale)
