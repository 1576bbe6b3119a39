"""What a source may say of its own events."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.domain.catalogue import Catalogue, EventType, Field, FieldType, Source
from services.errors import InvalidInput, NotFound
from services.sources import Sources
from services.totals import Total
from tests.unit.intake.given import StoppedClock

NOON = 1_767_182_400_000
"""2025-12-31 12:00 UTC."""
DAY = 86_400_000
CATALOGUE = Catalogue(
    {
        "order.placed": EventType(
            "order.placed",
            "",
            {"amount": Field("amount", FieldType.DECIMAL), "site": Field("site", FieldType.STRING)},
            {},
            sources=("shop",),
        )
    },
    {},
    {},
    sources={"shop": Source("shop", "", "me@example.com", timezone="UTC")},
)


class Known:
    """The catalogue of every run."""

    async def of(self, tenant: str, run: str) -> Catalogue:  # the port has them
        return CATALOGUE


def sources() -> Sources:
    known: Any = Known()
    nothing: Any = None
    return Sources(nothing, known, StoppedClock(NOON))


@pytest.mark.parametrize(
    ("until", "records", "field"), [(NOON + DAY, 3, "complete_until"), (NOON - DAY, -1, "records")]
)
async def test_an_end_of_batch_that_cannot_be_is_refused_by_its_field(
    until: int, records: int, field: str
) -> None:
    """What is still to come has not come completely, and there are no fewer records than none."""
    with pytest.raises(InvalidInput) as refused:
        await sources().batch_event("default", "shop", until, records)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("total", "field"),
    [
        (Total("order.placed", count=-4), "count"),
        (Total("order.placed", field="amout", sum="4"), "field"),
        (Total("order.placed", field="site", sum="4"), "field"),
    ],
)
async def test_a_total_that_cannot_be_is_refused_by_its_field(total: Total, field: str) -> None:
    """A misspelt field would be compared with nothing, and nobody would know."""
    with pytest.raises(InvalidInput) as refused:
        await sources().totals_event("default", "shop", date(2025, 12, 30), total)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("type_", "field", "wrong", "remedy"),
    [
        ("order.placd", "id", "type", "did you mean 'order.placed'?"),
        ("order.placed", "amuont", "field", "did you mean 'amount'?"),
        (None, "siet", "field", "did you mean 'site'?"),
    ],
)
async def test_a_misspelt_list_of_ids_is_refused(
    type_: str | None, field: str, wrong: str, remedy: str
) -> None:
    """Else everything would be missing."""
    with pytest.raises((InvalidInput, NotFound)) as refused:
        await sources().check_ids("default", type_, field)
    assert (refused.value.field, refused.value.remedy) == (wrong, remedy)


@pytest.mark.parametrize(("type_", "field"), [(None, "id"), ("order.placed", "id"), (None, "site")])
async def test_ids_are_listed_of_what_there_is(type_: str | None, field: str) -> None:
    """Every event has an id, and the fields of its type."""
    await sources().check_ids("default", type_, field)
