"""Whatever a file holds, lint explains it; and what it passes compiles."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.adapters.cel import CelEvaluator
from services.catalogue.lint import check
from services.catalogue.read import read_text
from services.domain.compile import compile_catalogue
from services.domain.filters import FilterCompiler
from tests.unit.catalogue.wrong import EVENTS, ORDERS, PROCESS, kpi

EVALUATOR = CelEvaluator()
KPIS = [
    "type: ratio\nnumerator: orders\ndenominator: {agg: count, process: order, due: promised}\nunit: percent",
    "type: derived\nexpr: orders / 2\nunit: EUR\ndimensions: [site]",
    "type: conversion\nprocess: order\nfrom: placed\nto: delivered\nwithin: 2h",
    "type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h\nagg: percentile\npercentile: 90",
    "type: level\nprocess: order\nof: overdue\ndue: promised\nfilter: amount > 3",
    "type: level\nnumerator: orders\ndenominator: {agg: sum, event: order.placed, field: amount}",
    "type: cumulative\nmeasure: {agg: avg, process: order, due: promised, field: lateness}\nunit: min",
    "type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h\ncalendar: days",
    "type: conversion\nprocess: order\nfrom: placed\nto: delivered\nwithin: 2h\nmature: true",
]
LINES = """\
apiVersion: sightline/v1
kind: EventType
metadata: {name: line.told}
spec:
  fields:
    line: {type: string, required: true}
    carrier: {type: string}
    site: {type: string}
    amount: {type: decimal, unit: EUR}
    lines: {type: integer}
    day: {type: date}
    shift: {type: string, calendar: {name: days}}
    leaves: {type: string, cutOffs: {times: ["1:00"], timezone: UTC, by: carrier, each: {x: ["2:00"]}}}
  objects: {line: line}
---
apiVersion: sightline/v1
kind: Calendar
metadata: {name: days}
spec:
  timezone: UTC
  days: [mon]
  hours: "06:00-05:00"
  closed: [2024-01-01]
  shifts: {early: "06:00-14:00"}
  by: site
  each: {x: {timezone: Europe/Berlin, shifts: {night: "22:00-06:00"}}}
---
apiVersion: sightline/v1
kind: Process
metadata: {name: line}
spec:
  object: line
  steps:
    - {name: placed, event: line.told}
    - {name: gone, event: line.told, filter: lines > 1, time: unknown}
    - {name: done, done: rest}
  opens: placed
  ends: [gone, done]
  attributes: {carrier: placed.carrier, amount: placed.amount}
  quantities:
    asked: {step: placed, field: lines}
    given: {step: gone, field: lines}
  remainders: {rest: asked - given}
  dues:
    - {name: promised, step: placed, field: day, timezone: Europe/Berlin, renewedBy: [placed, gone], until: done}
    - {name: within, step: placed, within: 1h, precision: day, timezone: UTC, until: done}
    - name: leaves
      step: placed
      cutOffs: {times: ["1:00"], weekdays: [mon], timezone: UTC, closed: [2024-01-01], by: carrier, each: {x: ["2:00"]}}
      until: done
"""
OF_LINES = [
    "type: level\nprocess: line\nof: overdue\ndue: promised\npromise: current\nquantity: rest\nprice: amount",
    "type: simple\nmeasure: {agg: count, process: line, due: promised, promise: current, outcome: kept}",
    "type: conversion\nprocess: line\nfrom: placed\nquantity: given\nper: asked\nwithin: 2h\nmature: true",
    (
        "type: ratio\nnumerator: {agg: count, process: line, due: leaves, outcome: missed}\n"
        "denominator: {agg: count, process: line, due: leaves, outcome: due}"
    ),
]
KPIS += OF_LINES
RIGHT = [
    document
    for text in (EVENTS, LINES, PROCESS, ORDERS, *(kpi(spec, f"k{index}") for index, spec in enumerate(KPIS)))
    for document in yaml.safe_load_all(text)
]
_TEXT = (
    "order|placed|delivered|site|amount|orders|k0|k1|count|sum|percentile|promised|order.placed|amount > |"
    'site == "x"|1h||'
    "done|rest|rest - asked|day|gone|line|kept|current|16:00|UTC|mon|"
    "level|derived|ratio|lateness|met|Ä b"
)
WORDS = st.sampled_from(_TEXT.split("|"))
VALUES: st.SearchStrategy[Any] = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-3, 200),
    st.floats(allow_nan=True),
    st.lists(WORDS, max_size=2),
    st.dictionaries(WORDS, WORDS, max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def spoiled(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """``value`` with ``new`` at ``path``; ``KeyError`` as the new value removes what is there."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is KeyError:
        del copy[path[0]]
    else:
        copy[path[0]] = spoiled(value[path[0]], path[1:], new)
    return copy


PLACES = [(index, path) for index, document in enumerate(RIGHT) for path in places(document) if path]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.just(KeyError) | VALUES), max_size=3))
def test_lint_never_raises_and_what_it_passes_compiles(
    spoils: list[tuple[tuple[int, tuple[Any, ...]], Any]],
) -> None:
    """Any value anywhere, or nothing where something should be."""
    documents = list(RIGHT)
    for (index, path), new in spoils:
        try:
            documents[index] = spoiled(documents[index], path, new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier one has taken that place away
    text = yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False)
    read, unreadable = read_text(text, "all.yaml")
    catalogue, problems = check(read, EVALUATOR)
    assert all(str(problem) for problem in problems)
    if not problems and not unreadable:
        compile_catalogue(catalogue, FilterCompiler(EVALUATOR))
