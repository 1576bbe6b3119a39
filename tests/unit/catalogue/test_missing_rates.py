"""A KPI over a converted amount is unknown exactly where a rate was missing, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.catalogue.rehearsal import InMemory, Observed, Sent
from services.domain.catalogue import Catalogue
from services.domain.facts import Reason, Status
from services.domain.lookups import EVER, FOREVER, LookupRow, LookupTable

START = 1_714_903_200_000
MINUTE = 60_000

EVENTS = """\
apiVersion: sightline/v1
kind: EventType
metadata: {name: sold}
spec:
  fields:
    order: {type: string, required: true}
    site: {type: string}
    amount: {type: decimal, currency: currency}
    currency: {type: string}
    eur: {type: decimal, convert: {field: amount, to: EUR, rates: fx}}
  objects: {order: order}
---
apiVersion: sightline/v1
kind: Lookup
metadata: {name: fx}
spec:
  source: api
  key: from
  columns: {rate: {type: decimal, scale: 4, unit: EUR}}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: order}
spec:
  object: order
  steps: [{name: sold, event: sold}, {name: never, event: sold, filter: amount < 0}]
  opens: sold
  ends: [never]
  attributes: {site: sold.site, eur: sold.eur, amount: sold.amount}
"""
KPIS = {
    "value": "type: simple\nmeasure: {agg: sum, event: sold, field: eur}",
    "large": "type: simple\nunit: orders\nmeasure: {agg: count, event: sold, filter: eur > 20.00}",
    "mean": "type: ratio\nunit: EUR\nnumerator: value\ndenominator: {agg: count, event: sold}",
    "half": "type: derived\nunit: EUR\nexpr: value / 2",
    "of_cases": "type: simple\nmeasure: {agg: sum, process: order, step: sold, field: eur}",
    "count": "type: simple\nunit: orders\nmeasure: {agg: count, event: sold}",
}


def kpi(name: str, spec: str) -> str:
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    head = f"---\napiVersion: sightline/v1\nkind: Kpi\nmetadata: {{name: {name}, owner: me}}\nspec:\n"
    return f"{head}{lines}  dimensions: [site]\n  window: {{rolling: 1h}}\n"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "all.yaml").write_text(EVENTS + "".join(kpi(*each) for each in KPIS.items()))
    return load_catalogue(Path(folder))


def observed(
    catalogue: Catalogue, sales: Sequence[tuple[str, int, str]], site: str | None
) -> dict[str, Observed]:
    """What each KPI says at a site (None: in total) after the sales (site, cents, currency), one a minute."""
    table = LookupTable(catalogue.lookups["fx"])
    table.put(LookupRow(("USD",), EVER, FOREVER, (9_000,)))
    events = [
        Sent(
            number,
            START + number * MINUTE,
            {
                "id": str(number), "source": "s", "type": "sold", "time": f"2024-05-05T10:{number:02d}:00Z",
                "data": {"order": f"o{number}", "site": at, "amount": f"{cents / 100:.2f}", "currency": currency},
            },
        )
        for number, (at, cents, currency) in enumerate(sales)
    ]  # fmt: skip
    rehearsal = InMemory(catalogue, to_text(catalogue), events, {"fx": table}, load_program)
    rehearsal.run_to(START + 30 * MINUTE)
    scope = frozenset() if site is None else frozenset({("site", site)})
    nothing = Observed(None, Status.UNKNOWN, Reason.NO_DATA, 0)
    return {name: rehearsal.values.get((name, scope), nothing) for name in KPIS}


SALES = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(1, 9_999), st.sampled_from(["EUR", "USD", "EUR", "JPY"])),
    min_size=1,
    max_size=6,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sales=SALES, site=st.sampled_from(["A", "B", None]))
def test_a_value_is_unknown_exactly_where_a_rate_is_missing(
    catalogue: Catalogue, sales: list[tuple[str, int, str]], site: str | None
) -> None:
    """At its site and in total; a KPI that reads no converted field goes on."""
    found = observed(catalogue, sales, site)
    here = [(cents, currency) for at, cents, currency in sales if site in {None, at}]
    missing = any(currency == "JPY" for _, currency in here)
    cents = sum(round(cents * (9 if currency == "USD" else 10) / 10) for cents, currency in here)
    for name, one in found.items():
        lost = missing and name != "count"
        assert (one.reason is Reason.MISSING_RATE) == lost, name
        if name != "large":  # of which nothing is told where no sale is
            assert (one.value is None) == (lost or not here), name
        assert one.status is Status.UNKNOWN or not lost, name
    if here and not missing:
        assert found["value"].value == pytest.approx(cents / 100, abs=0.011 * len(here))
        assert found["of_cases"].value == found["value"].value
        assert found["half"].value == pytest.approx((found["value"].value or 0) / 2)
    assert found["count"].samples == len(here)
