"""Wrong catalogues, and exactly what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.cel import CelEvaluator
from services.catalogue.lint import check
from services.catalogue.load import lint_folder, load_catalogue
from services.catalogue.read import read_text
from services.errors import CatalogueError
from tests.unit.catalogue.wrong import EVENTS, ORDERS, PROCESS, kpi

M = "type: simple\nmeasure: "


def lint(text: str = "", process: str = PROCESS, events: str = EVENTS) -> list[str]:
    """What lint says of the small catalogue with ``text`` as one more file."""
    files = {"events.yaml": events, "process.yaml": process, "orders.yaml": ORDERS, "k.yaml": text}
    read = [read_text(content, name) for name, content in files.items()]
    documents = [document for found, _ in read for document in found]
    unreadable = [problem for _, problems in read for problem in problems]
    return [str(problem) for problem in sorted([*unreadable, *check(documents, CelEvaluator())[1]])]


def test_nothing_is_said_of_a_catalogue_that_is_right() -> None:
    """The base of all the wrong ones, and what belongs to others: an import's mapping, say."""
    assert lint() == []
    assert lint("kind: Import\nfoo: 1\n") == []
    assert lint("columns: {a: b}\n") == []


# Messages are compared as they are read: long lines are the point.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            kpi(M + "{agg: count, event: order.placd}"),
            [
                "k.yaml:6: k: spec.measure.event: there is no event type 'order.placd' (did you mean 'order.placed'?)"
            ],
        ),
        (
            kpi(M + "{agg: count, process: order, due: promised, promise: current}"),
            [
                "k.yaml:6: k: spec.measure.promise: 'promised' is never promised anew (say in renewedBy of 'promised' which steps do, or remove promise)"
            ],
        ),
        (
            kpi(M + "{agg: count, process: order, step: placed, promise: first}"),
            [
                "k.yaml:6: k: spec.measure.promise: promise belongs to a due time (name the due time, or remove it)"
            ],
        ),
        (
            kpi(
                "type: ratio\nnumerator: {agg: count, process: order, due: promised, outcome: missed}\n"
                "denominator: {agg: count, process: order, due: promised}"
            ),
            [
                "k.yaml:7: k: spec.denominator: missed counts when its due time passes, met when its step comes: the two are not of the same cases (divide on_time or late by met, kept or missed by due)"
            ],
        ),
        (
            kpi("type: level\nprocess: order\nof: open\nquantity: to_ship\nprice: site\nunit: EUR"),
            [
                "k.yaml:8: k: spec.quantity: there is no remainder 'to_ship'",
                "k.yaml:9: k: spec.price: 'site' is a string: nothing can be multiplied by it (name an integer or a decimal)",
            ],
        ),
        (
            kpi("type: level\nprocess: order\nof: open\nprice: amount"),
            [
                "k.yaml:8: k: spec.price: price belongs to a quantity (name the remainder in quantity, or remove it)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\ntime: posted"),
            [
                "k.yaml:7: k: spec.time: nothing says when order.placed was posted (add times: {posted: FIELD} to order.placed)"
            ],
        ),
        (
            kpi(M + "{agg: count, process: order, step: placed}\ntime: recorded"),
            [
                "k.yaml:7: k: spec.time: cases are known by when their events occurred, not by when those were recorded (leave it out, or measure an event)"
            ],
        ),
        (
            kpi(M + "{agg: sum, event: order.placed, field: amout}"),
            [
                "k.yaml:6: k: spec.measure.field: there is no field of order.placed called 'amout' (did you mean 'amount'?)"
            ],
        ),
        (
            kpi(M + "{agg: sum, event: order.placed}"),
            ["k.yaml:6: k: spec.measure: sum needs a field (name the field to aggregate)"],
        ),
        (
            kpi(M + "{agg: sum, event: order.placed, field: site}"),
            [
                "k.yaml:4: k: spec: unit is missing (add a unit to the KPI, or to the field 'site')",
                "k.yaml:6: k: spec.measure.field: sum needs a number, 'site' is a string (use agg: distinct to count different values)",
            ],
        ),
        (
            kpi(M + "{agg: sum, event: order.placed, field: lines}"),
            ["k.yaml:4: k: spec: unit is missing (add a unit to the KPI, or to the field 'lines')"],
        ),
        (
            kpi(M + "{agg: sum, event: order.placed, field: amount}\nunit: USD"),
            [
                "k.yaml:7: k: spec.unit: 'amount' is in EUR, the KPI says 'USD' (write unit: EUR, or say by which scale to convert)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed, field: amount}"),
            [
                "k.yaml:6: k: spec.measure.field: count takes no field (remove field, or use agg: distinct to count different values)"
            ],
        ),
        (
            kpi(M + "{agg: median, event: order.placed, field: amount}"),
            [
                "k.yaml:6: k: spec.measure.agg: 'median' is not possible here (use agg: percentile with percentile: 50)"
            ],
        ),
        (
            kpi(M + "{agg: percentile, event: order.placed, field: amount}"),
            ["k.yaml:6: k: spec.measure: which percentile? (add percentile: 90, say)"],
        ),
        (
            kpi(M + "{agg: percentile, event: order.placed, field: amount, percentile: 120}"),
            ["k.yaml:6: k: spec.measure.percentile: this should be less than or equal to 100"],
        ),
        (
            kpi(M + "{agg: avg, event: order.placed, field: amount, percentile: 50}"),
            [
                "k.yaml:6: k: spec.measure.percentile: avg takes no percentile (use agg: percentile, or remove it)"
            ],
        ),
        (
            kpi(M + "{agg: count}"),
            [
                "k.yaml:6: k: spec.measure: a measure is over either an event or a process (name one of the two)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed, step: placed}"),
            ["k.yaml:6: k: spec.measure.step: step belongs to a process, this is over events (remove it)"],
        ),
        (
            kpi(M + "{agg: count, process: order}"),
            [
                "k.yaml:6: k: spec.measure: over a process, a measure is about a step, a due time or a balance (name one of the three)"
            ],
        ),
        (
            kpi(M + "{agg: count, process: ordr, step: placed}"),
            ["k.yaml:6: k: spec.measure.process: there is no process 'ordr' (did you mean 'order'?)"],
        ),
        (
            kpi(M + "{agg: count, process: order, step: place}"),
            ["k.yaml:6: k: spec.measure.step: there is no step 'place' (did you mean 'placed'?)"],
        ),
        (
            kpi(M + "{agg: count, process: order, due: promise}"),
            ["k.yaml:6: k: spec.measure.due: there is no due time 'promise' (did you mean 'promised'?)"],
        ),
        (
            kpi(M + "{agg: count, process: order, due: promised, outcome: ontime}"),
            ["k.yaml:6: k: spec.measure.outcome: 'ontime' is not possible here (did you mean 'on_time'?)"],
        ),
        (
            kpi(M + "{agg: max, process: order, due: promised, field: lateness}\nunit: h"),
            [
                "k.yaml:6: k: spec.measure.agg: max cannot be kept over cases, whose numbers may still change (use percentile with percentile: 100)"
            ],
        ),
        (
            kpi(M + "{agg: avg, process: order, due: promised, outcome: missed, field: lateness}\nunit: h"),
            [
                "k.yaml:6: k: spec.measure.field: what is missed has no lateness yet (use outcome: late, or count them)"
            ],
        ),
        (
            kpi(M + "{agg: avg, process: order, due: promised, field: lateness}\nunit: EUR"),
            ["k.yaml:7: k: spec.unit: a time cannot be shown in 'EUR' (write one of ms, s, min, h, d)"],
        ),
        (
            kpi(M + "{agg: distinct, process: order, step: placed, field: site}"),
            [
                "k.yaml:6: k: spec.measure.agg: distinct cannot be kept over cases, whose numbers may still change (use count, sum, avg or percentile)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed, filter: 'sit == \"W\"'}"),
            [
                "k.yaml:6: k: spec.measure.filter: there is no field 'sit', at character 1 (did you mean 'site'?)"
            ],
        ),
        (
            kpi(M + '{agg: count, event: order.placed, filter: amount > "3"}'),
            [
                "k.yaml:6: k: spec.measure.filter: 'amount' is a decimal, this is a string, at character 10 (compare with a number, without quotes)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed, filter: 'amount >'}"),
            ["k.yaml:6: k: spec.measure.filter: unexpected end of expression, at character 9"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\ndimensions: [site, site, lines, carrier]"),
            [
                "k.yaml:7: k: spec.dimensions[1]: the dimension 'site' stands here twice (remove one of the two)",
                "k.yaml:7: k: spec.dimensions[2]: 'lines' is an integer: only strings can be dimensions (make it a string)",
                "k.yaml:7: k: spec.dimensions[3]: there is no dimension 'carrier' (its order knows: add carrier: delivered.carrier to its attributes and measure over process: order, step: placed)",
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{rolling: 1 hour}"),
            ["k.yaml:7: k: spec.window.rolling: write a duration such as 90s, 15m, 4h, 3d or 1h30m"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{rolling: 60}"),
            ["k.yaml:7: k: spec.window.rolling: write a duration such as 90s, 15m, 4h, 3d or 1h30m"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{rolling: 1h, calendar: day}"),
            [
                "k.yaml:7: k: spec.window: a window is exactly one of rolling, calendar, toDate, previous and allTime"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{calendar: fortnight}"),
            [
                "k.yaml:7: k: spec.window.calendar: 'fortnight' is not possible here (known: hour, day, week, month, quarter, year)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{toDate: month, timezone: Europe/Berln}"),
            [
                "k.yaml:7: k: spec.window.timezone: there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{to_date: month}"),
            ["k.yaml:7: k: spec.window.to_date: there is no key 'to_date' here (did you mean 'toDate'?)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", window="{rolling: 1s}"),
            ["k.yaml:7: k: spec.window.rolling: a window this short is never full (make it 10s or longer)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\ngrain: 2h"),
            ["k.yaml:7: k: spec.grain: '2h' is not possible here (known: 1m, 5m, 15m, 1h, 1d, 1w, 1mo)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\nminimumSample: 3"),
            [
                "k.yaml:7: k: spec.minimumSample: there is no key 'minimumSample' here (did you mean 'minimumSamples'?)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\ntarget: {value: 3, direction: atleast}"),
            ["k.yaml:7: k: spec.target.direction: 'atleast' is not possible here (did you mean 'at_least'?)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\ntarget: {value: three, direction: at_least}"),
            ["k.yaml:7: k: spec.target.value: this should be a number (write it without quotes)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\nexpr: a"),
            [
                "k.yaml:7: k: spec.expr: there is no key 'expr' here (known: unit, scale, dimensions, window, time, grain, filter, target, minimumSamples, allowedLateness, reopen, staleAfter, …)"
            ],
        ),
        (
            kpi("type: simpel"),
            ["k.yaml:5: k: spec.type: 'simpel' is no type of KPI (did you mean 'simple'?)"],
        ),
        (
            kpi("measure: {agg: count, event: order.placed}"),
            [
                "k.yaml:4: k: spec.type: the type of KPI is missing (write one of simple, ratio, derived, cumulative, conversion, duration, level, reconciliation)"
            ],
        ),
        (
            kpi("type: simple"),
            ["k.yaml:4: k: spec.measure: measure is missing"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}").replace(", owner: me@example.com", ""),
            [
                "k.yaml:3: k: metadata.owner: a KPI without an owner is refused (add owner to metadata: who answers for this number)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}").replace(", owner: me@example.com", ", ownr: me"),
            [
                "k.yaml:3: k: metadata.owner: a KPI without an owner is refused (add owner to metadata: who answers for this number)",
                "k.yaml:3: k: metadata.ownr: there is no key 'ownr' here (did you mean 'owner'?)",
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", owner="''"),
            ["k.yaml:3: k: metadata.owner: owner is empty (say whose it is)"],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", name="Orders-Total"),
            [
                "k.yaml:3: Orders-Total: metadata.name: 'Orders-Total' cannot be the name of a KPI (use small letters, digits and _, a letter first)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", name="orders"),
            [
                "k.yaml:3: orders: metadata.name: this Kpi stands in orders.yaml:3 as well (rename or remove one of the two)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\nunit: parcels", name="orders_count")
            + "---\n"
            + kpi(M + "{agg: count, event: order.placed}\nunit: count parcels", name="orders"),
            [
                "k.yaml:12: orders: metadata.name: this Kpi stands in orders.yaml:3 as well (rename or remove one of the two)"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}", name="orders_count"),
            [
                "k.yaml:3: orders_count: metadata.name: its metric sightline_kpi_orders_count is that of 'orders', too (rename one of the two)"
            ],
        ),
        (
            kpi("type: ratio\nnumerator: ordrs\ndenominator: {agg: count, event: order.placed}"),
            ["k.yaml:6: k: spec.numerator: there is no KPI 'ordrs' (did you mean 'orders'?)"],
        ),
        (
            kpi(
                "type: ratio\nnumerator: orders\ndenominator: {agg: count, event: order.placed}\ndimensions: [source]"
            ),
            [
                "k.yaml:8: k: spec.dimensions[0]: 'orders' is not split by 'source' (add it to the dimensions of 'orders', or leave it out here)"
            ],
        ),
        (
            kpi(
                "type: ratio\nnumerator: orders\ndenominator: {agg: count, event: order.placed}\nscale: 10\nunit: percent"
            ),
            [
                "k.yaml:8: k: spec.scale: percent is a share times 100, scale says 10 (write scale: 100, or leave it out)"
            ],
        ),
        (
            kpi(
                "type: ratio\nnumerator: orders\ndenominator: {agg: count, event: order.placed}\nunit: percent\ntarget: {value: 0.95, direction: at_least}"
            ),
            [
                "k.yaml:9: k: spec.target.value: a target of 0.95 percent is less than one in a hundred (write 95 for 95 percent)"
            ],
        ),
        (
            kpi("type: ratio\nnumerator: orders\ndenominator: k"),
            [
                "k.yaml:7: k: spec.denominator: 'k' is a ratio: it has no single measure to lend (name a simple KPI, or write the measure here, or make this a derived KPI)"
            ],
        ),
        (
            kpi("type: derived\nexpr: orders / k2\nunit: EUR"),
            ["k.yaml:6: k: spec.expr: there is no KPI 'k2' (known: orders, k)"],
        ),
        (
            kpi("type: derived\nexpr: orders / k\nunit: EUR"),
            ["k.yaml:6: k: spec.expr: 'k' is derived from itself: k → k (break the circle)"],
        ),
        (
            kpi("type: derived\nexpr: k2 + 1\nunit: EUR")
            + "---\n"
            + kpi("type: derived\nexpr: k + 1\nunit: USD", name="k2"),
            [
                "k.yaml:6: k: spec.expr: 'k' is derived from itself: k → k2 → k (break the circle)",
                "k.yaml:15: k2: spec.expr: 'k2' is derived from itself: k2 → k → k2 (break the circle)",
            ],
        ),
        (
            kpi("type: derived\nexpr: orders ** 2\nunit: EUR"),
            [
                "k.yaml:6: k: spec.expr: only names, numbers, + - * /, min(), max() and abs() are known, at character 1"
            ],
        ),
        (
            kpi("type: derived\nexpr: orders * 2\ndimensions: [carrier]\nfilter: a > 1"),
            [
                "k.yaml:4: k: spec: unit is missing (add a unit to the KPI)",
                "k.yaml:7: k: spec.dimensions[0]: 'orders' is not split by 'carrier' (add it to the dimensions of 'orders', or leave it out here)",
                "k.yaml:8: k: spec.filter: a derived KPI has nothing to filter (put it into the KPIs that expr names)",
            ],
        ),
        (
            kpi("type: conversion\nprocess: order\nfrom: placed\nto: deliverd\nwithin: 2h"),
            ["k.yaml:8: k: spec.to: there is no step 'deliverd' (did you mean 'delivered'?)"],
        ),
        (
            kpi("type: conversion\nprocess: order\nfrom: placed\nto: placed\nwithin: 2h"),
            ["k.yaml:8: k: spec.to: from and to are the same step (name two steps)"],
        ),
        (
            kpi("type: conversion\nprocess: order\nfrom: placed\nto: delivered"),
            ["k.yaml:4: k: spec.within: within is missing"],
        ),
        (
            kpi("type: duration\nprocess: order\nfrom: placed\nto: delivered"),
            ["k.yaml:4: k: spec: unit is missing (write one of ms, s, min, h, d)"],
        ),
        (
            kpi("type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: fortnights"),
            [
                "k.yaml:9: k: spec.unit: a time cannot be shown in 'fortnights' (write one of ms, s, min, h, d)"
            ],
        ),
        (
            kpi("type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h\nagg: max"),
            [
                "k.yaml:10: k: spec.agg: max cannot be kept over cases, whose numbers may still change (use percentile with percentile: 100)"
            ],
        ),
        (
            kpi(
                "type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h\nagg: min\ndimensions: [carrier]"
            ),
            [
                "k.yaml:10: k: spec.agg: min cannot be kept over cases, whose numbers may still change (use percentile with percentile: 0)",
                "k.yaml:11: k: spec.dimensions[0]: there is no dimension 'carrier' (known: site)",
            ],
        ),
        (
            kpi("type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h\nagg: percentile"),
            ["k.yaml:4: k: spec: which percentile? (add percentile: 90, say)"],
        ),
        (
            kpi("type: level\nprocess: order\nof: overdue"),
            ["k.yaml:4: k: spec: of: overdue needs a due (known: promised)"],
        ),
        (
            kpi("type: level\nprocess: order\nof: waiting\nstep: packed"),
            ["k.yaml:8: k: spec.step: there is no step 'packed' (did you mean 'placed'?)"],
        ),
        (
            kpi("type: level\nprocess: order\nof: open\ndue: promised"),
            ["k.yaml:8: k: spec.due: due belongs to of: overdue (remove it)"],
        ),
        (
            kpi("type: level\nprocess: order"),
            ["k.yaml:4: k: spec: of is missing (of is one of open, overdue, waiting)"],
        ),
        (
            kpi("type: level\nnumerator: orders"),
            [
                "k.yaml:4: k: spec: denominator is missing (numerator is what comes in, denominator what goes out)"
            ],
        ),
        (
            kpi(
                "type: level\nnumerator: orders\ndenominator: {agg: avg, event: order.placed, field: amount}"
            ),
            ["k.yaml:7: k: spec.denominator.agg: a level cannot be made of avg (use count or sum)"],
        ),
        (
            kpi("type: level"),
            [
                "k.yaml:4: k: spec: a level is either of a process, or what comes in minus what goes out (name process and of, or numerator (in) and denominator (out))"
            ],
        ),
        (
            kpi(M + "{agg: count, event: order.placed}\nunit: a\nunit: b"),
            ["k.yaml:8: spec.unit: this key stands here twice (remove one of the two)"],
        ),
        (
            "apiVersion: sightline/v1\nkind: KPI\nmetadata: {name: x}\nspec: {}\n",
            ["k.yaml:2: x: kind: 'KPI' is no kind of document (did you mean 'Kpi'?)"],
        ),
        (
            "apiVersion: sightline/v2\nkind: Process\nmetadata: {name: x}\nspec: {object: order, steps: [{name: a, event: order.placed}], opens: a, ends: [b]}\n",
            ["k.yaml:1: x: apiVersion: this format is sightline/v1 (write sightline/v1)"],
        ),
        (
            "metadata: {name: x}\n",
            [
                "k.yaml:1: x: kind: the kind is missing (write one of EventType, Process, Kpi, Source, Lookup, Calendar)"
            ],
        ),
        (
            "- a\n",
            ["k.yaml:1: a document is a mapping (begin with apiVersion, kind, metadata, spec)"],
        ),
        (
            "a: [b\n",
            ["k.yaml:2: this is no YAML: did not find expected ',' or ']' (check indentation and quotes)"],
        ),
    ],
)
def test_each_problem_of_a_kpi_is_named_with_its_place_and_remedy(text: str, problems: list[str]) -> None:
    """File, line, document, field, what is wrong, what to do."""
    assert lint(text) == problems


@pytest.mark.parametrize(
    ("right", "wrong", "problems"),
    [
        (
            "object: order",
            "object: ordr",
            [
                "process.yaml:5: order: spec.object: no event type concerns the object 'ordr' (did you mean 'order'?)"
            ],
        ),
        (
            "event: order.delivered",
            "event: order.done",
            [
                "process.yaml:8: order: spec.steps[1].event: there is no event type 'order.done' (known: order.placed, order.delivered, truck.seen)"
            ],
        ),
        (
            "filter: amount > 0",
            "filter: amout > 0",
            [
                "process.yaml:7: order: spec.steps[0].filter: there is no field 'amout', at character 1 (did you mean 'amount'?)"
            ],
        ),
        (
            "opens: placed",
            "opens: place",
            ["process.yaml:9: order: spec.opens: there is no step 'place' (did you mean 'placed'?)"],
        ),
        (
            "ends: [delivered]",
            "ends: [done, placed]",
            [
                "process.yaml:10: order: spec.ends[0]: there is no step 'done' (known: delivered, placed)",
                "process.yaml:10: order: spec.ends[1]: 'placed' both opens and ends a case (let another step end it)",
            ],
        ),
        (
            "site: placed.site",
            "Site: placed.sites",
            [
                "process.yaml:11: order: spec.attributes.Site: 'Site' cannot be the name of an attribute (use small letters, digits and _, a letter first)",
                "process.yaml:11: order: spec.attributes.Site: there is no field of order.placed called 'sites' (did you mean 'site'?)",
            ],
        ),
        (
            "site: placed.site",
            "site: site",
            ["process.yaml:11: order: spec.attributes.site: an attribute is written as step.field"],
        ),
        (
            "site: placed.site",
            "site: plced.site",
            [
                "process.yaml:11: order: spec.attributes.site: there is no step 'plced' (did you mean 'placed'?)"
            ],
        ),
        (
            "field: promised_at",
            "field: amount",
            [
                "process.yaml:13: order: spec.dues[0].field: 'amount' is a decimal, not a timestamp or date (name a field of type timestamp or date)"
            ],
        ),
        (
            "field: promised_at",
            "field: promised",
            [
                "process.yaml:13: order: spec.dues[0].field: there is no field of order.placed called 'promised' (did you mean 'promised_at'?)"
            ],
        ),
        (
            "field: promised_at, ",
            "",
            [
                "process.yaml:13: order: spec.dues[0]: a due time comes from one of field, within and cutOffs (say which field of the step's event holds it, or how long after the step it is)"
            ],
        ),
        (
            "field: promised_at",
            "field: promised_at, within: 4h",
            [
                "process.yaml:13: order: spec.dues[0]: a due time comes from one of field, within and cutOffs (say which field of the step's event holds it, or how long after the step it is)"
            ],
        ),
        (
            "until: delivered",
            "until: done, item: line_id",
            [
                "process.yaml:13: order: spec.dues[0].item: there is no field of order.placed called 'line_id' (known: order_id, site, amount, lines, express, promised_at, source)",
                "process.yaml:13: order: spec.dues[0].until: there is no step 'done' (known: delivered, placed)",
            ],
        ),
        (
            "{name: delivered,",
            "{name: placed,",
            [
                "process.yaml:8: order: spec.steps[1].name: there are two steps 'placed' (give one of them another name)",
                "process.yaml:10: order: spec.ends[0]: there is no step 'delivered' (known: placed)",
                "process.yaml:13: order: spec.dues[0].until: there is no step 'delivered' (known: placed)",
            ],
        ),
        (
            "  dues:",
            "  stuckAfter: soon\n  dues:",
            ["process.yaml:12: order: spec.stuckAfter: write a duration such as 90s, 15m, 4h, 3d or 1h30m"],
        ),
        (
            "event: order.delivered",
            "event: truck.seen",
            [
                "process.yaml:8: order: spec.steps[1].event: truck.seen does not concern the object 'order' (add 'order' to the objects of truck.seen)"
            ],
        ),
        (
            "  opens: placed\n",
            "  opens: placed\n  link: https://erp.example.com/{order_id}\n",
            [
                "process.yaml:10: order: spec.link: there is no name to fill in called 'order_id' (known: amount, case, site)"
            ],
        ),
        ("  opens: placed\n", "", ["process.yaml:4: order: spec.opens: opens is missing"]),
        (
            "field: promised_at",
            "field: promised_at, precision: day",
            [
                "process.yaml:13: order: spec.dues[0]: where does that day end? (add a timezone, Europe/Berlin say)"
            ],
        ),
        (
            "field: promised_at",
            "field: promised_at, timezone: Europe/Berlim",
            [
                "process.yaml:13: order: spec.dues[0].timezone: a time zone says where a day ends, and this is no day (add precision: day, or remove it)",
                "process.yaml:13: order: spec.dues[0].timezone: there is no time zone 'Europe/Berlim' (did you mean 'Europe/Berlin'?)",
            ],
        ),
        (
            "field: promised_at",
            'cutOffs: {times: ["25:00"], timezone: UTC}',
            ["process.yaml:13: order: spec.dues[0].cutOffs.times[0]: write a time of the day such as 16:30"],
        ),
        (
            "field: promised_at",
            'cutOffs: {times: ["16:00"], timezone: UTC, by: amount}',
            [
                "process.yaml:13: order: spec.dues[0].cutOffs: by and each belong together (add the one that is missing)",
                "process.yaml:13: order: spec.dues[0].cutOffs.by: 'amount' is a decimal, not a string (name a field of type string)",
            ],
        ),
        (
            "field: promised_at",
            "field: promised_at, renewedBy: [delivered]",
            [
                "process.yaml:13: order: spec.dues[0].renewedBy[0]: there is no field of order.delivered called 'promised_at' (known: order_id, carrier, source)"
            ],
        ),
        (
            "field: promised_at",
            "within: 4h, renewedBy: [placed]",
            [
                "process.yaml:13: order: spec.dues[0].renewedBy: only a due time that stands in a field can be promised anew (name the field, or remove it)"
            ],
        ),
        (
            "event: order.delivered}",
            "event: order.delivered, time: unknown}",
            [
                "process.yaml:13: order: spec.dues[0].until: nobody knows when 'delivered' happened (name a step whose time is known)"
            ],
        ),
        (
            "event: order.placed, filter: amount > 0}",
            "event: order.placed, time: unknown}",
            [
                "process.yaml:7: order: spec.steps[0].time: nobody knows when 'placed' happened, so that it can only end a case (add 'placed' to ends, or leave time out)",
                "process.yaml:13: order: spec.dues[0].step: nobody knows when 'placed' happened (name a step whose time is known)",
            ],
        ),
        (
            "event: order.delivered}",
            "event: order.delivered, done: open}",
            [
                "process.yaml:8: order: spec.steps[1]: a step has either an event or done (name the event that reports it, or the remainder of which nothing is left)"
            ],
        ),
        (
            "event: order.delivered}",
            "done: open, filter: amount > 1}\n  remainders: {open: lines - amount}",
            [
                "process.yaml:8: order: spec.steps[1].filter: filter belongs to an event, this step has none (remove it)",
                "process.yaml:9: order: spec.remainders.open: there is no quantity 'amount'",
                "process.yaml:9: order: spec.remainders.open: there is no quantity 'lines'",
            ],
        ),
        (
            "  dues:",
            (
                "  quantities: {a: {step: placed, field: amount}, b: {step: placed, field: lines}, c: {step: placed, field: site}}\n"
                "  remainders: {a: a, left: a - b, wrong: a * b}\n  dues:"
            ),
            [
                "process.yaml:12: order: spec.quantities.c.field: 'site' is a string: it cannot be added up (name an integer or a decimal)",
                "process.yaml:13: order: spec.remainders.a: 'a' is a quantity already (give one of the two another name)",
                "process.yaml:13: order: spec.remainders.left: quantities in EUR and no unit do not add up (give their fields the same unit)",
                "process.yaml:13: order: spec.remainders.wrong: 'a * b' is no sum and difference of quantities (write ordered - shipped, say)",
            ],
        ),
        (
            "steps:",
            "stepz:",
            [
                "process.yaml:4: order: spec.steps: steps is missing ('stepz' looks like it)",
                "process.yaml:6: order: spec.stepz: there is no key 'stepz' here (did you mean 'steps'?)",
            ],
        ),
    ],
)
def test_each_problem_of_a_process_is_named(right: str, wrong: str, problems: list[str]) -> None:
    """Steps, attributes and due times that do not fit."""
    assert lint(process=PROCESS.replace(right, wrong, 1)) == problems


@pytest.mark.parametrize(
    ("right", "wrong", "problems"),
    [
        (
            "order: order_id}\n  dim",
            "order: id}\n  dim",
            [
                "events.yaml:12: order.placed: spec.objects.order: there is no field 'id' (known: order_id, site, amount, lines, express, promised_at)"
            ],
        ),
        (
            "order: order_id}\n  dim",
            "order: amount}\n  dim",
            [
                "events.yaml:12: order.placed: spec.objects.order: 'amount' is a decimal: it cannot be an id (make it a string)"
            ],
        ),
        (
            "dimensions: [site]",
            "dimensions: [site, lines]",
            [
                "events.yaml:13: order.placed: spec.dimensions[1]: 'lines' is an integer: only strings can be dimensions (make it a string)"
            ],
        ),
        (
            "lines: {type: integer}",
            "lines: {type: int}",
            [
                "events.yaml:9: order.placed: spec.fields.lines.type: 'int' is not possible here (write integer)"
            ],
        ),
        (
            "lines: {type: integer}",
            "lines: {type: integer, scale: 2}",
            ["events.yaml:9: order.placed: spec.fields.lines: only a decimal has a scale, not integer"],
        ),
        (
            "lines: {type: integer}",
            "source: {type: string}",
            [
                "events.yaml:9: order.placed: spec.fields.source: a field cannot be called 'source' (it is the envelope's own: filters and dimensions can name it without a field)"
            ],
        ),
        (
            "lines: {type: integer}",
            "no-lines: {type: integer, requird: true}",
            [
                "events.yaml:9: order.placed: spec.fields.no-lines.requird: there is no key 'requird' here (did you mean 'required'?)"
            ],
        ),
        (
            "name: truck.seen",
            "name: truck seen",
            [
                "events.yaml:26: truck seen: metadata.name: 'truck seen' cannot be a type (write words like order.placed)"
            ],
        ),
        (
            "lines: {type: integer}",
            "lines: {unit: kg}",
            ["events.yaml:9: order.placed: spec.fields.lines.type: type is missing"],
        ),
        (
            "lines: {type: integer}",
            "lines: integer",
            [
                "events.yaml:9: order.placed: spec.fields.lines: this should be a mapping (write it like {key: value})"
            ],
        ),
        (
            "fields: {plate: {type: string}}",
            "fields: {plate: {type: string}}\n  link: https://yard.example.com/{plate}/{id}?p={plat}",
            [
                "events.yaml:29: truck.seen: spec.link: there is no name to fill in called 'plat' (did you mean 'plate'?)"
            ],
        ),
        (
            "fields: {plate: {type: string}}",
            "fields: {plate: {type: string}}\n  times: {posted: plate, recorded: seen_at}",
            [
                "events.yaml:29: truck.seen: spec.times.posted: 'plate' is a string: it cannot say when (name a field of type timestamp)",
                "events.yaml:29: truck.seen: spec.times.recorded: there is no field 'seen_at' (known: plate)",
            ],
        ),
        (
            "fields: {plate: {type: string}}",
            "fields: {plate: {type: string}}\n  link: javascript:alert(1)",
            [
                "events.yaml:29: truck.seen: spec.link: 'javascript:alert(1)' is no address of the web (begin it with https:// (or http://))"
            ],
        ),
        (
            "name: truck.seen",
            "name: 42",
            ["events.yaml:26: metadata.name: this should be text (put it in quotes)"],
        ),
        (
            "plate: {type: string}",
            "plate: {type: string, required: yes}",
            ["events.yaml:28: truck.seen: spec.fields.plate.required: this should be true or false"],
        ),
    ],
)
def test_each_problem_of_an_event_type_is_named(right: str, wrong: str, problems: list[str]) -> None:
    """Fields, objects and dimensions that do not fit."""
    assert lint(events=EVENTS.replace(right, wrong, 1)) == problems


def test_a_metric_of_all_kpis_is_no_name_for_one() -> None:
    """``/metrics`` has names of its own."""
    text = kpi(M + "{agg: count, event: order.placed}\nunit: status", name="status")
    assert lint(text) == [
        "k.yaml:3: status: metadata.name: its metric would be sightline_kpi_status, which tells of all KPIs (rename it)"
    ]


def test_a_broken_document_does_not_make_its_readers_wrong() -> None:
    """What refers to a document without a usable shape is not reported as well."""
    assert lint(events=EVENTS.replace("fields:\n    order_id", "feelds:\n    order_id", 1)) == [
        "events.yaml:4: order.placed: spec.fields: fields is missing ('feelds' looks like it)",
        "events.yaml:5: order.placed: spec.feelds: there is no key 'feelds' here (did you mean 'fields'?)",
    ]


def test_without_the_library_only_the_subset_is_known() -> None:
    """A filter beyond what is translated needs the CEL library; with it, nothing is wrong."""
    text = kpi(M + "{agg: count, event: order.placed, filter: lines % 2 == 0}")
    assert lint(text) == []
    documents = [document for part in (EVENTS, text) for document in read_text(part, "a.yaml")[0]]
    (problem,) = check(documents)[1]
    assert problem.message.startswith("not in the subset of CEL that is translated: ")


def test_a_folder_that_is_wrong_does_not_load(tmp_path: Path) -> None:
    """All problems come at once, in one error."""
    (tmp_path / "events.yaml").write_text(EVENTS)
    (tmp_path / "kpis.yaml").write_text(kpi("type: simple") + "---\n" + kpi("type: simpel"))
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(tmp_path)
    assert [str(problem) for problem in caught.value.problems] == [
        "kpis.yaml:4: k: spec.measure: measure is missing",
        "kpis.yaml:12: k: spec.type: 'simpel' is no type of KPI (did you mean 'simple'?)",
    ]
    assert caught.value.message.startswith("the catalogue has 2 problems:\n")


def test_a_folder_without_a_catalogue_says_how_to_get_one(tmp_path: Path) -> None:
    """Neither an empty folder nor a missing one is a stack trace."""
    assert [problem.message for problem in lint_folder(tmp_path)] == ["there is no catalogue here"]
    assert [problem.remedy for problem in lint_folder(tmp_path / "x")] == ["sightline init writes one"]
