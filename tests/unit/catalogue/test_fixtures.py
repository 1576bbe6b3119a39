"""``sightline test``: fixture events against expectations, and how a difference is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.fixtures import run_tests
from services.catalogue.template import write_template
from services.errors import CatalogueError, NotFound
from tests.unit.catalogue.wrong import EVENTS, ORDERS, PROCESS, kpi

MOMENT = "write a duration from start, such as 5m, or an instant with its zone"
OPEN = kpi("type: level\nprocess: order\nof: open\ndimensions: [site]", "open_orders")
OVERDUE = kpi("type: level\nprocess: order\nof: overdue\ndue: promised", "overdue")
MISSED = kpi("type: simple\nmeasure: {agg: count, process: order, due: promised, outcome: missed}", "missed")
P50 = kpi(
    "type: simple\nmeasure: {agg: percentile, event: order.placed, field: amount, percentile: 50}", "p50"
)


def outcomes(folder: Path, tests: str, *kpis: str) -> list[tuple[str, tuple[str, ...]]]:
    """What comes of ``tests`` (YAML) over the small catalogue."""
    (folder / "tests").mkdir()
    (folder / "tests" / "t.yaml").write_text(tests)
    for index, text in enumerate((EVENTS, PROCESS, ORDERS, *kpis)):
        (folder / f"{index}.yaml").write_text(text)
    return [(outcome.name, outcome.failures) for outcome in run_tests(folder)]


def test_the_templates_own_tests_pass(tmp_path: Path) -> None:
    """What ``sightline init`` writes, ``sightline test`` likes."""
    write_template(tmp_path)
    results = run_tests(tmp_path)
    assert [(one.file, one.name, one.failures) for one in results] == [
        ("tests/orders.yaml", "an order is open until it is delivered", ()),
        ("tests/orders.yaml", "a broken promise shows", ()),
    ]
    assert results[0].to_dict()["passed"] is True


def test_a_difference_names_file_line_kpi_time_and_scope(tmp_path: Path) -> None:
    """As a person would say it: what it is, what was expected."""
    found = outcomes(
        tmp_path,
        """\
start: 2024-05-06T08:00:00Z
tests:
  - name: two orders
    events:
      - {at: 0m, repeat: 2, every: 1m, type: order.placed, data: {order_id: "A{n}", site: W01, amount: 5}}
    expect:
      - {at: 5m, kpi: orders, value: 3, status: off_plan, samples: 2}
      - {at: 2024-05-06T08:05:00Z, kpi: orders, scope: {site: W02}, value: 1}
      - {at: 5m, kpi: order, value: 1}
      - {at: 5m, kpi: orders, value: 2, tolerance: 0, reason: no_target}
""",
    )
    assert found == [
        (
            "two orders",
            (
                "tests/t.yaml:7: orders at 5m for the total: value is 2, expected 3",
                "tests/t.yaml:7: orders at 5m for the total: status is on_plan, expected off_plan",
                "tests/t.yaml:8: orders at 2024-05-06T08:05:00Z for site=W02: value is none, expected 1",
                "tests/t.yaml:9: order at 5m for the total: there is no such KPI",
            ),
        )
    ]


def test_time_passes_between_events(tmp_path: Path) -> None:
    """A promise is missed when its time comes, with no event then; and it is no longer overdue once it is met."""
    found = outcomes(
        tmp_path,
        """\
tests:
  - name: a promise is missed, then kept after all
    events:
      - {at: 0m, type: order.placed, data: {order_id: A1, site: W01, amount: "5", promised_at: 2h}}
      - {at: 5h, type: order.delivered, data: {order_id: A1}}
    expect:
      - {at: 1h, kpi: overdue, value: 0}
      - {at: 1h, kpi: open_orders, scope: {site: W01}, value: 1}
      - {at: 2h30m, kpi: overdue, value: 1}
      - {at: 2h30m, kpi: missed, value: 1}
      - {at: 6h, kpi: overdue, value: 0}
      - {at: 6h, kpi: open_orders, value: 0}
""",
        OPEN,
        OVERDUE,
        MISSED,
    )
    assert found == [("a promise is missed, then kept after all", ())]


def test_events_may_arrive_late_and_twice(tmp_path: Path) -> None:
    """``arrives`` sets when an event is received; the same id counts once."""
    found = outcomes(
        tmp_path,
        """\
tests:
  - name: late and twice
    events:
      - {at: 0m, arrives: 10m, id: x, type: order.placed, data: {order_id: A1, amount: "5"}}
      - {at: 0m, arrives: 11m, id: x, type: order.placed, data: {order_id: A1, amount: "5"}}
    expect:
      - {at: 9m, kpi: orders, value: 0}
      - {at: 12m, kpi: orders, value: 1}
""",
    )
    assert found == [("late and twice", ())]


def test_sketches_are_near_enough_within_their_error(tmp_path: Path) -> None:
    """A percentile is right within 1 %, unless a tolerance says otherwise."""
    tests = """\
tests:
  - name: median
    events:
      - {at: 0m, repeat: 9, type: order.placed, data: {order_id: "A{n}", amount: "{n}0.00"}}
    expect:
      - {at: 1m, kpi: p50, value: 50}
      - {at: 1m, kpi: p50, value: 52}
      - {at: 1m, kpi: p50, value: 52, tolerance: 3}
"""
    ((_, failures),) = outcomes(tmp_path, tests, P50)
    assert [failure.partition(": value")[0] for failure in failures] == [
        "tests/t.yaml:7: p50 at 1m for the total"
    ]


def test_a_refused_event_fails_its_test(tmp_path: Path) -> None:
    """With the words in which the intake refuses it, and its line."""
    tests = """\
tests:
  - name: a wrong one
    events:
      - {at: 0m, type: order.placed, data: {site: W01}}
    expect:
      - {at: 1m, kpi: orders, value: 0}
"""
    ((_, failures),) = outcomes(tmp_path, tests)
    assert len(failures) == 1
    assert failures[0].startswith("tests/t.yaml:4: the event is refused: ")
    assert "order_id" in failures[0]


def test_a_test_file_is_checked_like_a_catalogue(tmp_path: Path) -> None:
    """Unknown keys and wrong times are explained with their lines."""
    tests = """\
tests:
  - name: wrong
    event: []
    expect:
      - {at: soon, kpi: orders, value: 0}
"""
    assert outcomes(tmp_path, tests) == [
        (
            "the file can be read",
            (
                "tests/t.yaml:3: tests[0].event: there is no key 'event' here (did you mean 'events'?)",
                "tests/t.yaml:5: tests[0].expect[0].at: " + MOMENT,
            ),
        )
    ]


def test_no_tests_and_a_wrong_catalogue_are_errors(tmp_path: Path) -> None:
    """There is nothing to run."""
    (tmp_path / "kpis.yaml").write_text(EVENTS + "---\n" + ORDERS)
    with pytest.raises(NotFound, match="there are no tests"):
        run_tests(tmp_path)
    (tmp_path / "kpis.yaml").write_text(ORDERS)
    with pytest.raises(CatalogueError, match=r"there is no event type 'order\.placed'"):
        run_tests(tmp_path)


def test_numbers_are_shown_in_their_unit_and_scale(tmp_path: Path) -> None:
    """Times come out in the KPI's unit, whatever the agg; scale multiplies any number."""
    found = outcomes(
        tmp_path,
        """\
tests:
  - name: units
    events:
      - {at: 0m, type: order.placed, data: {order_id: A1, amount: "2500", promised_at: 1h}}
      - {at: 90m, type: order.delivered, data: {order_id: A1}}
    expect:
      - {at: 2h, kpi: hours, value: 1.5}
      - {at: 2h, kpi: late, value: 30}
      - {at: 2h, kpi: thousands, value: 2.5}
      - {at: 2h, kpi: taken, value: 1}
      - {at: 2h, kpi: twice, value: 3}
""",
        kpi(
            "type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h",
            "hours",
            window="{rolling: 6h}",
        ),
        kpi(
            "type: simple\nmeasure: {agg: avg, process: order, due: promised, field: lateness}\nunit: min",
            "late",
            window="{rolling: 6h}",
        ),
        kpi(
            "type: simple\nmeasure: {agg: sum, event: order.placed, field: amount}\nunit: kEUR\nscale: 0.001",
            "thousands",
            window="{rolling: 6h}",
        ),
        kpi(
            "type: duration\nprocess: order\nfrom: placed\nto: delivered\nagg: count\nunit: orders",
            "taken",
            window="{rolling: 6h}",
        ),
        kpi("type: derived\nexpr: hours\nscale: 2\nunit: half-hours", "twice", window="{rolling: 6h}"),
    )
    assert found == [("units", ())]
