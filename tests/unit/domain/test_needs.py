"""Which sources a KPI needs: those that decide its number, not all that send something."""

from __future__ import annotations

import pytest

from services.catalogue.canonical import load_program, to_text
from services.catalogue.lint import check
from services.catalogue.read import read_text
from services.domain.needs import needed_sources
from services.domain.readings import reading

EVENT = """
---
apiVersion: sightline/v1
kind: EventType
metadata: {{name: {0}}}
spec:
  fields: {{id: {{type: string, required: true}}, site: {{type: string}}, by: {{type: timestamp}}}}
  objects: {{o: id}}
  sources: [{1}]
"""
PROCESS = """
---
apiVersion: sightline/v1
kind: Process
metadata: {name: o}
spec:
  object: o
  steps: [{name: placed, event: placed}, {name: picked, event: picked}, {name: sent, event: sent}]
  opens: placed
  ends: [sent]
  attributes: {site: picked.site}
  dues: [{name: promise, step: placed, field: by, until: sent}]
"""
KPI = """
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: k, owner: a@b}
spec: {%s}
"""
WINDOW = "window: {rolling: 1h}"
PLACED = "type: simple, measure: {agg: count, process: o, step: placed}"
MISSED = "type: simple, measure: {agg: count, process: o, due: promise, outcome: missed}"


@pytest.mark.parametrize(
    ("spec", "sources"),
    [
        (f"type: simple, measure: {{agg: count, event: picked}}, {WINDOW}", {"wms"}),
        (f"{PLACED}, {WINDOW}", {"shop"}),
        (f"{PLACED}, dimensions: [site], {WINDOW}", {"shop", "wms"}),
        (f"type: duration, process: o, from: placed, to: sent, unit: h, {WINDOW}", {"shop", "tms"}),
        (f"{MISSED}, {WINDOW}", {"shop", "tms"}),
        ("type: level, process: o, of: open", {"shop", "tms"}),
        ("type: level, process: o, of: waiting, step: placed", {"shop", "wms", "tms"}),
    ],
)  # fmt: skip
def test_a_kpi_needs_the_sources_of_what_it_is_made_of(spec: str, sources: set[str]) -> None:
    """A step needs no later one; a dimension needs the step that tells it."""
    events = "".join(EVENT.format(*one) for one in (("placed", "shop"), ("picked", "wms"), ("sent", "tms")))
    catalogue, problems = check(read_text(events + PROCESS + KPI % spec, "c.yaml")[0])
    assert problems == []
    program = load_program(to_text(catalogue))
    assert needed_sources(program, reading(program, "k")) == sources
