"""Links into source systems."""

from __future__ import annotations

import pytest

from services.domain.links import filled, names_in

LINK = "https://erp.example.com/orders/{order_id}?site={site}"


def test_a_link_is_filled_in_with_values_escaped() -> None:
    """Whatever a sender wrote stays within its place."""
    values = {"order_id": "SO/1 ?&#", "site": "Köln", "more": "x"}
    assert filled(LINK, values) == "https://erp.example.com/orders/SO%2F1%20%3F%26%23?site=K%C3%B6ln"
    assert names_in(LINK) == ["order_id", "site"]


@pytest.mark.parametrize(
    "values", [{"order_id": "1"}, {"order_id": "1", "site": None}, {"order_id": "", "site": "W"}]
)
def test_a_link_that_would_lead_nowhere_is_none(values: dict[str, object]) -> None:
    """Where something to be filled in is not known."""
    assert filled(LINK, values) is None


def test_without_a_template_there_is_no_link() -> None:
    """As with every catalogue that names none."""
    assert filled("", {"case": "1"}) is None
