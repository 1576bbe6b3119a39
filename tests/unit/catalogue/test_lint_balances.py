"""What lint says of balances, of the openings of processes, and of KPIs over both."""

from __future__ import annotations

import pytest

from services.catalogue.lint import check
from services.catalogue.read import read_text
from services.domain.catalogue import Balance, Opening

EVENT = """\
apiVersion: sightline/v1
kind: EventType
metadata: {name: moved}
spec:
  fields:
    key: {type: string}
    what: {type: string}
    pieces: {type: integer, unit: pieces}
    weight: {type: integer, unit: kg}
    site: {type: string}
  objects: {stock: key}
---
"""
PROCESS = """\
apiVersion: sightline/v1
kind: Process
metadata: {name: stock}
spec:
  object: stock
  steps:
    - {name: known, event: moved}
    - {name: in, event: moved, filter: what == "in"}
    - {name: counted, event: moved, filter: what == "count"}
  opens: known
  attributes: {site: known.site}
  quantities:
    received: {step: in, field: pieces}
    opened: {step: known, field: pieces}
    counted: {step: counted, field: pieces}
    weighed: {step: counted, field: weight}
  balances:
    on_hand: {changes: received, opening: opened, count: counted}
  opening: announced
---
"""
LEVEL = """\
apiVersion: sightline/v1
kind: Kpi
metadata: {name: on_hand, owner: a@b}
spec: {type: level, process: stock, balance: on_hand, dimensions: [site]}
---
"""
DIFFERENCE = """\
apiVersion: sightline/v1
kind: Kpi
metadata: {name: gap, owner: a@b}
spec:
  type: simple
  measure: {agg: sum, process: stock, balance: on_hand, field: difference}
  window: {rolling: 1d}
"""
ALL = EVENT + PROCESS + LEVEL + DIFFERENCE


def lint(text: str) -> list[str]:
    """The problems of one file, without its name and lines."""
    documents, problems = read_text(text, "c.yaml")
    return [str(problem).split(": ", 1)[1] for problem in [*problems, *check(documents)[1]]]


def test_a_balance_that_fits_has_no_problem() -> None:
    """Its unit is that of its quantities, and openings can be announced."""
    documents, _ = read_text(ALL, "c.yaml")
    catalogue, problems = check(documents)
    assert problems == []
    process = catalogue.processes["stock"]
    assert process.balances == {"on_hand": Balance({"received": 1}, "opened", "counted")}
    assert process.opening is Opening.ANNOUNCED
    assert [catalogue.kpis[name].unit for name in ("on_hand", "gap")] == ["pieces", "pieces"]
    assert "sightline.opening" in catalogue.events


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("count: counted}", "count: weighed}", "balances.on_hand.count: 'weighed' is in kg, the balance in pieces"),
        ("count: counted}", "count: countd}", "there is no quantity 'countd' (did you mean 'counted'?)"),
        ("changes: received,", "changes: received * 2,", "is no sum and difference of quantities"),
        ("changes: received,", "changes: counted,", "'counted' both changes the balance and says how much there is"),
        ("opening: opened, ", "opening: counted, ", "'counted' is both the opening and the count"),
        ("{changes: received, opening: opened, count: counted}", "{}", "'on_hand' is made of nothing"),
        ("  opening: announced\n", "", "'on_hand' has an opening, and nothing says that it is waited for"),
        ("on_hand: {changes", "received: {changes", "'received' is a quantity already"),
        ("  opens: known\n", "  opens: known\n  ends: [counted]\n", "what has a balance has no end"),
        (
            "  balances:\n",
            "  remainders: {left: received}\n  balances:\n",
            "'received' is a part of 'left': a balance keeps its quantities in sum",
        ),
        (
            "balances:\n    on_hand: {changes: received, opening: opened, count: counted}\n  opening: announced",
            "opening: each",
            "only balances are opened one by one",
        ),
        (
            "opening: opened, count: counted}\n  opening: announced",
            "horizon: 1d}\n  opening: each",
            "nothing ever opens 'on_hand'",
        ),
        ("  balances:\n    on_hand: {changes: received, opening: opened, count: counted}\n", "", "ends is missing"),
        ("level, process: stock, balance: on_hand", "level, process: stock, balance: on_han", "mean 'on_hand'?"),
        ("balance: on_hand, dim", "balance: on_hand, of: open, dim", "of is about cases, a balance is about how much"),
        ("balance: on_hand, dim", "balance: on_hand, price: site, dim", "'site' is a string: nothing can be mult"),
        ("field: difference", "field: diference", "a count has no 'diference' (did you mean 'difference'?)"),
        ("agg: sum, process", "agg: max, process", "max cannot be kept over cases"),
        (", field: difference}", "}", "sum needs a field (use field: difference)"),
        ("balance: on_hand, field", "balance: on_hand, step: in, field", "is about a step, a due time or a balance"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_a_remedy(before: str, after: str, problem: str) -> None:
    """Each mistake by itself."""
    assert before in ALL
    assert any(problem in one for one in lint(ALL.replace(before, after))), lint(ALL.replace(before, after))


def test_nothing_counts_a_balance_that_has_no_count() -> None:
    """A KPI that asks for its counts says so."""
    text = ALL.replace(", count: counted}", "}")
    assert lint(text) == [
        "gap: spec.measure.balance: nothing counts 'on_hand' (say in its count which quantity does)"
    ]
