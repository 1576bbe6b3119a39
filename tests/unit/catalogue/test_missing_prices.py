"""What things are worth is unknown where a price is: of open lines, and of stock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from services.catalogue.canonical import load_program, to_text
from services.catalogue.load import load_catalogue
from services.catalogue.rehearsal import InMemory, Observed, Sent
from services.domain.catalogue import Catalogue
from services.domain.compile import missing_prices
from services.domain.facts import Reason

START = 1_714_903_200_000
MINUTE = 60_000
CATALOGUE = """\
apiVersion: sightline/v1
kind: EventType
metadata: {name: moved}
spec:
  fields:
    key: {type: string, required: true}
    site: {type: string}
    what: {type: string, required: true}
    pieces: {type: integer, unit: pieces}
    cost: {type: decimal, scale: 2, unit: EUR}
  objects: {stock: key, line: key}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: stock}
spec:
  object: stock
  steps:
    - {name: known, event: moved}
    - {name: priced, event: moved, filter: what == "price"}
    - {name: came, event: moved, filter: what == "came"}
    - {name: went, event: moved, filter: what == "went"}
    - {name: counted, event: moved, filter: what == "count"}
  opens: known
  attributes: {site: known.site, cost: priced.cost}
  quantities:
    came: {step: came, field: pieces}
    went: {step: went, field: pieces}
    counted: {step: counted, field: pieces}
  balances: {on_hand: {changes: came - went, count: counted}}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: line}
spec:
  object: line
  steps:
    - {name: known, event: moved}
    - {name: priced, event: moved, filter: what == "price"}
    - {name: came, event: moved, filter: what == "came"}
    - {name: went, event: moved, filter: what == "went"}
    - {name: closed, event: moved, filter: what == "closed"}
  opens: known
  ends: [closed]
  attributes: {site: known.site, cost: priced.cost}
  quantities:
    came: {step: came, field: pieces}
    went: {step: went, field: pieces}
  remainders: {left: came - went}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: left_value, owner: me}
spec: {type: level, process: line, of: open, quantity: left, price: cost, dimensions: [site]}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: stock_value, owner: me}
spec: {type: level, process: stock, balance: on_hand, price: cost, dimensions: [site]}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: half, owner: me}
spec: {type: derived, expr: stock_value / 2, unit: EUR, dimensions: [site], window: {allTime: true}}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: difference, owner: me}
spec:
  type: simple
  measure: {agg: sum, process: stock, balance: on_hand, field: difference}
  dimensions: [site]
  window: {rolling: 1h}
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: moves, owner: me}
spec:
  type: simple
  measure: {agg: count, process: stock, step: known}
  dimensions: [site]
  window: {rolling: 1h}
"""
Move = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "all.yaml").write_text(CATALOGUE)
    return load_catalogue(Path(folder))


def observed(catalogue: Catalogue, moves: Sequence[Move], kpi: str, site: str | None = None) -> Observed:
    """What a KPI says at a site (None: in total) after moves (key, what, more), one a minute."""
    events = [
        Sent(
            number,
            START + number * MINUTE,
            {
                "id": str(number), "source": "s", "type": "moved", "time": f"2024-05-05T10:{number:02d}:00Z",
                "data": {"key": key, "site": key[0], "what": what, **more},
            },
        )
        for number, (key, what, more) in enumerate(moves)
    ]  # fmt: skip
    rehearsal = InMemory(catalogue, to_text(catalogue), events, {}, load_program)
    rehearsal.run_to(START + 30 * MINUTE)
    return rehearsal.values[kpi, frozenset() if site is None else frozenset({("site", site)})]


PRICED: Sequence[Move] = (("A1", "price", {"cost": "2.50"}), ("A1", "came", {"pieces": 4}))
UNPRICED: Move = ("B1", "came", {"pieces": 7})


@pytest.mark.parametrize("kpi", ["left_value", "stock_value"])
def test_without_a_price_the_worth_is_unknown_and_only_there(catalogue: Catalogue, kpi: str) -> None:
    """At its site and in total; never a smaller sum, or nothing, that is on plan."""
    for site in ("B", None):
        told = observed(catalogue, [*PRICED, UNPRICED], kpi, site)
        assert (told.value, told.reason) == (None, Reason.MISSING_RATE), site
    told = observed(catalogue, [*PRICED, UNPRICED], kpi, "A")
    assert (told.value, told.samples) == (10, 1)


@pytest.mark.parametrize("kpi", ["left_value", "stock_value"])
def test_a_price_that_comes_later_heals_the_worth(catalogue: Catalogue, kpi: str) -> None:
    """And so does that nothing is left of what has none."""
    learnt = observed(catalogue, [*PRICED, UNPRICED, ("B1", "price", {"cost": "1.00"})], kpi)
    assert (learnt.value, learnt.samples) == (17, 2)
    gone = observed(catalogue, [*PRICED, UNPRICED, ("B1", "went", {"pieces": 7})], kpi)
    assert (gone.value, gone.samples) == (10, 1)


def test_what_is_derived_from_a_worth_is_unknown_with_it(catalogue: Catalogue) -> None:
    """For the same reason, of which the price is named."""
    assert observed(catalogue, [UNPRICED], "half").reason is Reason.MISSING_RATE


@pytest.mark.parametrize("kpi", ["stock_value", "half"])
def test_the_missing_price_is_named(catalogue: Catalogue, kpi: str) -> None:
    """It has no look-up that would know which rows it lacks: the attribute is what must be filled."""
    assert missing_prices(catalogue, catalogue.kpis[kpi]) == ["cost of stock"]


def test_where_nothing_was_counted_there_is_no_difference(catalogue: Catalogue) -> None:
    """Not a difference of 0: only scopes with a count have a value."""
    moves: list[Move] = [*PRICED, UNPRICED]
    told = observed(catalogue, moves, "difference")
    assert (told.value, told.reason) == (None, Reason.NO_DATA)
    counted: list[Move] = [*moves, ("A1", "count", {"pieces": 4})]
    assert observed(catalogue, counted, "difference").value == 0
    assert observed(catalogue, counted, "difference", "A").value == 0
    told = observed(catalogue, counted, "difference", "B")
    assert (told.value, told.reason) == (None, Reason.NO_DATA)
