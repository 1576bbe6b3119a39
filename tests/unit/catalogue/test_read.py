"""Reading YAML with positions, and the values it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.canonical import from_text, load_program, to_text, with_digest
from services.catalogue.load import load_catalogue
from services.catalogue.read import catalogue_files, read_text
from services.catalogue.words import metric_name, parse_duration
from services.domain.catalogue import Agg, Catalogue, WindowKind
from tests.unit.catalogue.wrong import EVENTS, ORDERS, PROCESS, kpi

DEMO = Path(__file__).parents[3] / "examples" / "demo"


def catalogue(tmp_path: Path, *texts: str) -> Catalogue:
    for index, text in enumerate((EVENTS, PROCESS, ORDERS, *texts)):
        (tmp_path / f"{index}.yaml").write_text(text)
    return load_catalogue(tmp_path)


def test_values_are_read_as_they_look() -> None:
    """YAML's old surprises are gone: no is a word, a date is text, 1:30 is text, 017 is text."""
    (document,), problems = read_text(
        "a: no\nb: 2024-05-01\nc: 1:30\nd: true\ne: 017\nf: 1e3\ng: ~\n", "x.yaml"
    )
    assert problems == []
    assert document.data == {
        "a": "no",
        "b": "2024-05-01",
        "c": "1:30",
        "d": True,
        "e": "017",
        "f": 1000.0,
        "g": None,
    }
    assert document.line(("c",)) == 3
    assert document.line(("c", "nowhere")) == 3


def test_tests_and_hidden_files_are_no_part_of_the_catalogue(tmp_path: Path) -> None:
    """Everything else with .yaml or .yml is, in order of names."""
    for name in ("b.yaml", "a.yml", "tests/t.yaml", "more/c.yaml", ".git/x.yaml", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in catalogue_files(tmp_path)] == [
        "a.yml",
        "b.yaml",
        "more/c.yaml",
    ]


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90s", 90_000), ("15m", 900_000), ("1h30m", 5_400_000), ("1.5h", 5_400_000), ("2w", 1_209_600_000)],
)
def test_durations(text: str, ms: int) -> None:
    """Number and unit, once or several times."""
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "15", "m", "15 m", "15min", "-3m", "0.1ms"])
def test_what_is_no_duration(text: str) -> None:
    """Refused with what to write."""
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_defaults_follow_from_what_is_said(tmp_path: Path) -> None:
    """Titles, units, scales and grains need not be written where they follow."""
    mean = "type: simple\nmeasure: {agg: avg, event: order.placed, field: amount}"
    share = "type: ratio\nunit: percent\nnumerator: orders\ndenominator: {agg: count, event: order.delivered}"
    time = "type: duration\nprocess: order\nfrom: placed\nto: delivered\nunit: h"
    late = "type: simple\nmeasure: {agg: avg, process: order, due: promised, field: lateness}\nunit: min"
    level = kpi("type: level\nprocess: order\nof: open", "open").replace("  window: {rolling: 1h}\n", "")
    found = catalogue(
        tmp_path,
        kpi(mean, "order_value"),
        kpi(share, "share", window="{rolling: 7d}"),
        kpi(time, "time", window="{calendar: month, timezone: Europe/Berlin}"),
        kpi(late, "late", window="{toDate: day}"),
        level,
    ).kpis
    assert (found["order_value"].title, found["order_value"].unit, found["order_value"].grain) == (
        "Order value",
        "EUR",
        "5m",
    )
    assert (found["share"].scale, found["share"].grain) == (100.0, "1h")
    assert (found["time"].scale, found["time"].grain, found["time"].agg) == (1.0, "1d", Agg.AVG)
    assert (found["late"].scale, found["late"].grain) == (1.0, "1h")
    assert (found["open"].window.kind, found["open"].unit, found["open"].scale) == (
        WindowKind.ALL_TIME,
        "count",
        1.0,
    )
    assert found["orders"].unit == "count"


def test_the_canonical_text_is_the_catalogue() -> None:
    """Nothing is lost on the way into the log and back, and the digest names the content."""
    demo = load_catalogue(DEMO)
    assert from_text(to_text(demo)) == demo
    assert with_digest(from_text(to_text(demo))).digest == demo.digest
    program = load_program(to_text(demo))
    assert program.digest == demo.digest
    assert set(program.kpis) == set(demo.kpis)
    assert load_program(to_text(demo)) is program


def test_a_foreign_text_is_no_catalogue() -> None:
    """Whatever else stands in the log is refused with a ValueError."""
    with pytest.raises(ValueError, match="this is no catalogue"):
        from_text("{}")


def test_metrics_are_named_with_their_unit() -> None:
    """Once, and in Prometheus's alphabet."""
    assert metric_name("revenue", "EUR") == "sightline_kpi_revenue_eur"
    assert metric_name("on_time_percent", "percent") == "sightline_kpi_on_time_percent"
    assert metric_name("pick_time", "min") == "sightline_kpi_pick_time_minutes"
    assert metric_name("speed", "km/h") == "sightline_kpi_speed_km_h"
    assert metric_name("factor", "") == "sightline_kpi_factor"
