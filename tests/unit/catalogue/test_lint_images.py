"""Event types with rows before and after a change that cannot be as they say, and what is said of them."""

from __future__ import annotations

import pytest

from tests.unit.catalogue.test_lint import lint
from tests.unit.catalogue.wrong import kpi

ROWS = """
kind: EventType
apiVersion: sightline/v1
metadata: {name: order.row}
spec:
  fields:
    order: {type: string, required: true}
    amount: {type: decimal, unit: EUR}
    placed_at: {type: timestamp, required: true}
    noted_at: {type: timestamp}
    due_on: {type: date, required: true}
"""


def rows(images: str = "{time: placed_at}", *more: str) -> str:
    return ROWS + "".join(f"  {line}\n" for line in (f"images: {images}", *more))


def over(agg: str, **more: str) -> str:
    words = "".join(f"\n{name}: {value}" for name, value in more.items())
    return "---\n" + kpi(
        f"type: simple\nunit: EUR\nmeasure: {{agg: {agg}, event: order.row, field: amount}}{words}"
    )


PROCESS = """---
kind: Process
apiVersion: sightline/v1
metadata: {name: orders}
spec:
  object: order
  steps: [{name: placed, event: order.row}, {name: closed, event: order.closed}]
  opens: placed
  ends: [closed]
---
kind: EventType
apiVersion: sightline/v1
metadata: {name: order.closed}
spec: {fields: {order: {type: string}}, objects: {order: order}}
"""


def test_nothing_is_said_of_what_is_right() -> None:
    """By an instant or a date, and by when rows say that they were recorded."""
    assert lint(rows() + over("sum")) == []
    assert lint(rows("{time: due_on, timezone: Europe/Berlin}") + over("avg")) == []
    noted = rows("{time: placed_at}", "times: {recorded: placed_at}")
    assert lint(noted + over("sum", time="recorded")) == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            rows("{time: placed}"),
            "k.yaml:12: order.row: spec.images.time: there is no field 'placed' (did you mean 'placed_at'?)",
        ),
        (
            rows("{time: amount}"),
            "k.yaml:12: order.row: spec.images.time: 'amount' is a decimal: it cannot say when (name a field of type timestamp or date)",
        ),
        (
            rows("{time: noted_at}"),
            "k.yaml:12: order.row: spec.images.time: 'noted_at' may be absent, and then the row counts nowhere (write required: true at noted_at)",
        ),
        (
            rows("{time: due_on, timezone: Europe/Berlim}"),
            "k.yaml:12: order.row: spec.images.timezone: there is no time zone 'Europe/Berlim' (did you mean 'Europe/Berlin'?)",
        ),
        (
            rows("{time: placed_at, timezone: Europe/Berlin}"),
            "k.yaml:12: order.row: spec.images.timezone: 'placed_at' is an instant, in no time zone (leave it out: it belongs to a date)",
        ),
        (
            rows("{time: placed_at, before: row, after: row}"),
            "k.yaml:12: order.row: spec.images: before, after and op are 'row', 'row', 'op': the rows cannot be told apart (name three different members of data)",
        ),
        (
            rows("{time: placed_at}", "correctable: {key: order}"),
            "k.yaml:13: order.row: spec.correctable: an event that carries the row before a change takes that back, and nothing else (remove it, or images)",
        ),
        (
            rows("{time: placed_at}", "objects: {order: order}"),
            "k.yaml:13: order.row: spec.objects: rows that change make no cases: what a case has learnt of them could not be taken back (remove it, or declare correctable: {key, version} instead, and let a mapping send the row after each change)",
        ),
        (
            rows() + PROCESS,
            "k.yaml:19: orders: spec.steps[0].event: order.row carries rows before and after a change, which make no cases (declare correctable: {key, version} instead, and let a mapping send the row after each change)",
        ),
        (
            rows("{time: placed_at}", "times: {recorded: noted_at}"),
            "k.yaml:13: order.row: spec.times.recorded: 'noted_at' may be absent, and then the row before a change counts when that came (write required: true at noted_at)",
        ),
        (
            rows() + over("sum", time="recorded"),
            "k.yaml:21: k: spec.time: rows of order.row do not say when they were recorded: what is taken back would miss them (add times: {recorded: FIELD} to order.row)",
        ),
        *(
            (
                rows() + over(agg),
                f"k.yaml:20: k: spec.measure.agg: {agg} cannot be kept over order.row, whose rows may change: nothing subtracts from it (use {instead})",
            )
            for agg, instead in (
                ("min", "percentile with percentile: 0"),
                ("max", "percentile with percentile: 100"),
                ("last", "count, sum, avg, distinct or percentile"),
            )
        ),
    ],
)
def test_each_mistake_has_its_words(text: str, problem: str) -> None:
    """File, line, field, what is wrong and what to do."""
    assert lint(text) == [problem]
