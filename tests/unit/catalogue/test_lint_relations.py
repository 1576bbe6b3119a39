"""Processes that cannot be related as they say, steps that cannot hear of what they name, and what is said of them."""

from __future__ import annotations

import pytest

from tests.unit.catalogue.test_lint import lint
from tests.unit.catalogue.wrong import kpi

LEVELS = """
apiVersion: sightline/v1
kind: EventType
metadata: {name: line.ordered}
spec:
  fields: {line_id: {type: string}, order_id: {type: string}, quantity: {type: integer}, site: {type: string}}
  objects: {line: line_id, order: order_id}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: line.added}
spec:
  fields: {line_id: {type: string}, order_id: {type: string}, quantity: {type: decimal}}
  objects: {line: line_id, order: order_id}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: line.done}
spec:
  fields: {line_id: {type: string}}
  objects: {line: line_id}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: line}
spec:
  object: line
  relations: {RELATIONS}
  steps:
    - {name: ordered, event: line.ordered}
    - {name: placed, STEP}
    - {name: done, event: line.done}
  opens: ordered
  ends: [done]
  attributes: {site: placed.site}
"""


def levels(
    relations: str = "order: {event: line.ordered}", step: str = "event: order.placed, via: order"
) -> str:
    return LEVELS.replace("RELATIONS", relations).replace("STEP", step)


def test_nothing_is_said_of_what_is_right() -> None:
    """An event of the order reaches the line, with the relation's field; its attributes are dimensions."""
    assert lint(levels()) == []
    assert lint(levels("order: {event: [line.ordered], ends: line.added, fields: [quantity]}")) == []
    asked = kpi("type: level\nprocess: line\nof: open\ndimensions: [site]", name="open_lines")
    assert lint(f"{levels()}---\n{asked}") == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("relations", "step", "problem"),
    [
        (
            "ordr: {event: line.ordered}",
            "event: line.ordered",
            "line: spec.relations.ordr: there is no process 'ordr' (did you mean 'order'?)",
        ),
        (
            "line: {event: line.ordered}",
            "event: line.ordered",
            "line: spec.relations.line: 'line' is about the object 'line' as well: what names it reaches both (remove the relation)",
        ),
        (
            "order: {event: line.orderd}",
            "event: line.ordered",
            "line: spec.relations.order.event: there is no event type 'line.orderd' (did you mean 'line.ordered'?)",
        ),
        (
            "order: {event: line.ordered, ends: line.done}",
            "event: line.ordered",
            "line: spec.relations.order.ends: line.done does not concern the object 'order', so it cannot relate it (add 'order' to the objects of line.done, or name an event that concerns both)",
        ),
        (
            "order: {event: line.ordered, ends: line.ordered}",
            "event: line.ordered",
            "line: spec.relations.order.ends: line.ordered both begins and ends the relation (let another event type end it)",
        ),
        (
            "order: {event: line.ordered, fields: [quantty]}",
            "event: line.ordered",
            "line: spec.relations.order.fields[0]: there is no field of line.ordered called 'quantty' (did you mean 'quantity'?)",
        ),
        (
            "order: {event: [line.ordered, line.added], fields: [quantity]}",
            "event: line.ordered",
            "line: spec.relations.order.fields[0]: 'quantity' is another type in line.added than in line.ordered (give it the same type and scale in both)",
        ),
        (
            "order: {event: line.ordered, fields: [site]}",
            "event: order.placed, via: order",
            "line: spec.steps[1].via: 'site' is a field of order.placed as well as of the relation line to order (give it another name in one of the event types)",
        ),
        (
            "order: {event: line.ordered}",
            "event: order.placed, via: ordr",
            "line: spec.steps[1].via: 'line' has no relation to 'ordr' (did you mean 'order'?)",
        ),
        (
            "order: {event: line.ordered}",
            "event: order.placed, via: [order, line]",
            "line: spec.steps[1].via: 'order' has no relation to 'line' (say in relations of order what relates them)",
        ),
        (
            "order: {event: line.ordered}",
            "event: line.ordered, via: order",
            "line: spec.steps[1].via: line.ordered concerns the object 'line' itself (leave via out)",
        ),
        (
            "order: {event: line.ordered}",
            "event: order.plced, via: order",
            "line: spec.steps[1].event: there is no event type 'order.plced' (did you mean 'order.placed'?)",
        ),
        (
            "order: {event: line.ordered}",
            "event: truck.seen, via: order",
            "line: spec.steps[1].via: truck.seen does not concern the object 'order', so nothing can hear of it via 'order' (end the path with a process whose object it concerns)",
        ),
        (
            "order: {event: line.ordered}",
            'event: "order.placed via order to line"',
            "line: spec.steps[1].event: there is no event type 'order.placed via order to line' (known: order.placed, order.delivered, truck.seen, line.ordered, line.added, line.done)",
        ),
    ],
)
def test_what_is_wrong_is_said_with_a_remedy(relations: str, step: str, problem: str) -> None:
    """Each mistake is found where it stands, and named."""
    assert problem in [one.partition(": ")[2] for one in lint(levels(relations, step))]


def test_items_are_not_told_via_another_process() -> None:
    """What is passed on can be taken back, which items cannot."""
    due = "  dues: [{name: due, step: placed, field: promised_at, item: site, until: done}]\n"
    [problem] = lint(levels() + due)
    assert "order.placed via order to line can be taken back, and items of a due time cannot" in problem


def test_nobody_asks_for_copies_that_are_passed_on() -> None:
    """They are no events of a KPI: the event itself is counted where it was sent."""
    text = kpi('type: simple\nmeasure: {agg: count, event: "order.placed via order to line"}')
    assert any("there is no event type" in one for one in lint(f"{levels()}---\n{text}"))
