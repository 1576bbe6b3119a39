"""What is missing skips, and fails where it is required."""

from __future__ import annotations

import pytest

from tests.requirements import HINTS, Requirement, missing


@pytest.mark.parametrize("requirement", list(Requirement))
def test_what_is_missing_skips_and_says_how_to_get_it(
    requirement: Requirement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is the remedy."""
    monkeypatch.delenv("SIGHTLINE_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing there") as skipped:
        missing(requirement, "nothing there")
    assert HINTS[requirement] in str(skipped.value)


@pytest.mark.parametrize("words", ["kafka", "postgres,kafka", "kafka browser"])
def test_what_is_required_fails(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out in silence where everything was provided."""
    monkeypatch.setenv("SIGHTLINE_TEST_REQUIRE", words)
    with pytest.raises(pytest.fail.Exception, match="kafka is missing"):
        missing(Requirement.KAFKA, "nothing there")


def test_an_unknown_requirement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake would let everything skip."""
    monkeypatch.setenv("SIGHTLINE_TEST_REQUIRE", "kafak")
    with pytest.raises(ValueError, match="kafak"):
        missing(Requirement.KAFKA, "nothing there")
