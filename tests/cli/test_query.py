"""What ``sightline kpis`` writes of a target."""

from __future__ import annotations

import pytest

from sightline.cli.query import target_words


@pytest.mark.parametrize(
    ("direction", "words"),
    [("at_least", "at least 86"), ("at_most", "at most 86"), ("between", "between 80 and 92")],
)
def test_a_target_is_told_with_its_side_and_a_band_with_both_limits(direction: str, words: str) -> None:
    """A value is on plan from the one limit to the other, both of them included."""
    assert target_words({"value": 86.0, "band": 6.0, "direction": direction}) == words
