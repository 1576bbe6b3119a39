"""A small catalogue in which nothing is wrong, and ways to spoil it."""

from __future__ import annotations

EVENTS = """\
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.placed}
spec:
  fields:
    order_id: {type: string, required: true}
    site: {type: string}
    amount: {type: decimal, unit: EUR}
    lines: {type: integer}
    express: {type: boolean}
    promised_at: {type: timestamp}
  objects: {order: order_id}
  dimensions: [site]
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: order.delivered}
spec:
  fields:
    order_id: {type: string}
    carrier: {type: string}
  objects: {order: order_id}
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: truck.seen}
spec:
  fields: {plate: {type: string}}
"""

PROCESS = """\
apiVersion: sightline/v1
kind: Process
metadata: {name: order}
spec:
  object: order
  steps:
    - {name: placed, event: order.placed, filter: amount > 0}
    - {name: delivered, event: order.delivered}
  opens: placed
  ends: [delivered]
  attributes: {site: placed.site, amount: placed.amount}
  dues:
    - {name: promised, step: placed, field: promised_at, until: delivered}
"""

ORDERS = """\
apiVersion: sightline/v1
kind: Kpi
metadata: {name: orders, owner: sales@example.com}
spec:
  type: simple
  measure: {agg: count, event: order.placed}
  dimensions: [site]
  window: {rolling: 1h}
"""


def kpi(spec: str, name: str = "k", owner: str = "me@example.com", window: str = "{rolling: 1h}") -> str:
    """A KPI's document; line 5 is the first of ``spec``, line 4 its window."""
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    head = f"apiVersion: sightline/v1\nkind: Kpi\nmetadata: {{name: {name}, owner: {owner}}}\n"
    return f"{head}spec:\n{lines}  window: {window}\n"
