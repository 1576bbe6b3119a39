"""Compiling: what is shared, what is versioned, what belongs together."""

from __future__ import annotations

from dataclasses import replace

from services.domain.catalogue import (
    Agg,
    Catalogue,
    EventType,
    Field,
    FieldType,
    Kpi,
    KpiType,
    MeasureSpec,
    Process,
    Step,
    Window,
    WindowKind,
)
from services.domain.compile import compile_catalogue, families_of
from services.domain.filters import compile_filter
from services.domain.identity import hash64
from services.domain.program import EventFeed, OpenFeed, Program

HOUR = 3_600_000
PLACED = EventType(
    "order.placed",
    "",
    {
        "order_id": Field("order_id", FieldType.STRING),
        "site": Field("site", FieldType.STRING),
        "customer": Field("customer", FieldType.STRING),
        "amount": Field("amount", FieldType.DECIMAL, scale=2),
    },
    {"order": "order_id"},
)
DONE = EventType("order.done", "", {"order_id": Field("order_id", FieldType.STRING)}, {"order": "order_id"})
ORDER = Process(
    "order",
    "order",
    (Step("placed", "order.placed", "amount > 0"), Step("done", "order.done")),
    "placed",
    ("done",),
    {"site": ("placed", "site")},
)
ROLLING = Window(WindowKind.ROLLING, HOUR)
COUNT = MeasureSpec(Agg.COUNT, event="order.placed")
SUM = MeasureSpec(Agg.SUM, event="order.placed", field="amount")


def kpi(name: str, type_: KpiType = KpiType.SIMPLE, **more: object) -> Kpi:
    base = Kpi(name, name, "me@example.com", type_, ROLLING, "1h", "orders", ("site",))
    return replace(base, **more)  # type: ignore[arg-type]  # the keyword arguments of a test


def program(*kpis: Kpi, order: Process = ORDER) -> Program:
    events = {event.name: event for event in (PLACED, DONE)}
    catalogue = Catalogue(events, {"order": order}, {one.name: one for one in kpis}, "digest")
    return compile_catalogue(catalogue, compile_filter)


def test_identical_measures_of_one_cube_are_folded_once() -> None:
    """A ratio over a named KPI of the same window shares that KPI's measure."""
    compiled = program(
        kpi("orders", measure=COUNT),
        kpi("revenue", measure=SUM),
        kpi("mean", KpiType.RATIO, numerator="revenue", denominator="orders"),
    )
    (cube,) = compiled.cubes
    assert len(cube.measures) == 2
    assert compiled.kpis["mean"].parts["denominator"] == compiled.kpis["orders"].parts["value"]
    assert cube.dimensions == ("site",)
    assert cube.pane_ms == 5 * 60_000


def test_a_measure_lent_to_another_window_lives_in_another_cube() -> None:
    """A ratio reads a named KPI's measure within its own window, in panes of its own."""
    day = Window(WindowKind.ROLLING, 24 * HOUR)
    compiled = program(
        kpi("orders", measure=COUNT),
        kpi("share", KpiType.RATIO, numerator="orders", denominator=COUNT, window=day),
    )
    assert len(compiled.cubes) == 2
    assert compiled.kpis["share"].parts["numerator"] != compiled.kpis["orders"].parts["value"]


def test_what_references_connect_is_judged_in_one_place() -> None:
    """Families follow references, and a family's judge follows its name."""
    kpis = [
        kpi("z", measure=COUNT),
        kpi("m", KpiType.DERIVED, expr="z * 2"),
        kpi("alone", measure=COUNT),
        kpi("b", KpiType.RATIO, numerator="z", denominator=COUNT),
    ]
    compiled = program(*kpis)
    assert families_of(compiled.catalogue) == {"z": "b", "m": "b", "b": "b", "alone": "alone"}
    assert compiled.kpis["m"].judge == hash64(b"b") % 4
    assert compiled.kpis["m"].inputs == ("z",)


def test_a_version_changes_with_what_changes_numbers_and_with_nothing_else() -> None:
    """Titles, owners, targets and neighbours leave a KPI's version alone; filters, windows and processes do not."""
    base = kpi("waiting", KpiType.LEVEL, process="order", of="waiting", step="placed")
    before = program(base)
    told = program(
        replace(base, title="Waiting", owner="you@example.com", minimum_samples=5), kpi("x", measure=COUNT)
    )
    assert told.kpis["waiting"].version == before.kpis["waiting"].version
    assert told.kpis["waiting"].parts == before.kpis["waiting"].parts
    filtered = program(replace(base, filter='site == "W01"'))
    assert filtered.kpis["waiting"].version != before.kpis["waiting"].version
    reshaped = program(base, order=replace(ORDER, steps=(Step("placed", "order.placed"), ORDER.steps[1])))
    assert reshaped.kpis["waiting"].version != before.kpis["waiting"].version
    assert program(replace(base, unit="cases")).kpis["waiting"].version == before.kpis["waiting"].version


def test_levels_and_all_time_are_carried() -> None:
    """A level's and an all-time KPI's old panes go into a running cell; others leave."""
    compiled = program(
        kpi("open", KpiType.LEVEL, process="order", of="open"),
        kpi("ever", measure=COUNT, window=Window(WindowKind.ALL_TIME)),
        kpi("now", measure=COUNT),
    )
    carried = {measure.feed: cube.carry for cube in compiled.cubes for measure in cube.measures}
    assert carried[OpenFeed("order")] is True
    assert sorted(cube.carry for cube in compiled.cubes) == [False, True, True]


def test_panes_last_as_long_as_their_slot_can_be_reopened() -> None:
    """Kept are the window, and a slot of history plus the time in which late events reopen it."""
    (cube,) = program(kpi("orders", measure=COUNT, reopen_ms=24 * HOUR)).cubes
    assert cube.horizon_ms == 26 * HOUR


def test_groupings_are_the_total_each_dimension_and_all() -> None:
    """The sets of dimensions that values are computed for."""
    two = program(kpi("orders", measure=COUNT, dimensions=("site", "source"))).kpis["orders"]
    assert two.groupings == ((), ("site",), ("source",), ("site", "source"))
    assert program(kpi("orders", measure=COUNT, dimensions=())).kpis["orders"].groupings == ((),)


def test_the_percentile_is_read_from_a_measure_that_all_percentiles_share() -> None:
    """The median and the 90th percentile are two readings of one sketch."""
    p90 = MeasureSpec(Agg.PERCENTILE, event="order.placed", field="amount", percentile=90)
    compiled = program(
        kpi("p90", measure=p90),
        kpi("p50", measure=replace(p90, percentile=50)),
        kpi("spread", KpiType.DERIVED, expr="p90 - p50"),
    )
    assert compiled.kpis["p90"].parts == compiled.kpis["p50"].parts
    assert compiled.kpis["p90"].percentiles == {"value": 90}
    assert compiled.kpis["p90"].version != compiled.kpis["p50"].version


def test_a_steps_filter_is_compiled_with_the_program() -> None:
    """OBSERVE asks it which events of the type make the step."""
    compiled = program(kpi("revenue", measure=SUM))
    assert compiled.step_filters["order", "placed"].source == "amount > 0"
    assert compiled.step_filters["order", "placed"].fields == {"amount"}
    assert compiled.cubes[0].measures[0].feed == EventFeed("order.placed")
