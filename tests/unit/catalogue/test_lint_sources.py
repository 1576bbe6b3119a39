"""What lint says of sources: of themselves, and of how they fit event types, mappings and KPIs."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.catalogue.lint import check
from services.catalogue.read import read_text
from services.domain.catalogue import WindowKind
from sightline.catalogue import lint_folder, load_folder

SOURCE = """\
apiVersion: sightline/v1
kind: Source
metadata: {name: crm, owner: a@b}
spec:
  timezone: Europe/Berlin
  rhythm: {every: 15m}
"""
EVENT = """\
---
apiVersion: sightline/v1
kind: EventType
metadata: {name: asked}
spec:
  fields: {amount: {type: decimal}, by: {type: string}}
  sources: [crm]
"""
KPI = """\
---
apiVersion: sightline/v1
kind: Kpi
metadata: {name: gap, owner: a@b}
spec: {type: reconciliation, source: crm, event: asked}
"""


def lint(text: str) -> list[str]:
    """The problems of one file, without its name."""
    documents, problems = read_text(text, "c.yaml")
    return [str(problem).removeprefix("c.yaml:") for problem in [*problems, *check(documents)[1]]]


def test_a_source_that_fits_has_no_problem() -> None:
    """With the event types by which it speaks of itself, and a KPI that compares in its own days."""
    documents, _ = read_text(SOURCE + EVENT + KPI, "c.yaml")
    catalogue, problems = check(documents)
    assert problems == []
    assert {"sightline.batch", "sightline.totals"} <= catalogue.events.keys()
    gap = catalogue.kpis["gap"]
    window = gap.window
    assert (window.kind, window.period, window.timezone) == (WindowKind.PREVIOUS, "day", "Europe/Berlin")
    assert (gap.grain, gap.unit, gap.scale) == ("1d", "percent", 100)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (", owner: a@b", "", "3: crm: metadata.owner: a source without an owner is refused"),
        (
            "Europe/Berlin",
            "Europe/Berlim",
            "there is no time zone 'Europe/Berlim' (did you mean 'Europe/Berlin'?)",
        ),
        ("{every: 15m}", "{every: 15m, at: '02:00'}", "a rhythm has either every (a stream) or at (a batch)"),
        ("{every: 15m}", "{at: '02:00', hours: '06:00-22:00'}", "hours belong to a stream"),
        ("{every: 15m}", "{at: '2:00'}", 'spec.rhythm.at: write a time of day in quotes, "02:00" say'),
        ("{every: 15m}", "{every: 15m, hours: '6'}", 'write hours in quotes, "06:00-22:00" say'),
        ("{every: 15m}", "{every: 15m, days: []}", "a rhythm without a day is none"),
        ("{every: 15m}", "{every: 15m, days: [mom]}", "'mom' is not possible here"),
        ("  rhythm:", "  mapping: orders\n  rhythm:", "6: crm: spec.mapping: there is no mapping 'orders'"),
        ("sources: [crm]", "sources: [crmm]", "there is no source 'crmm' (did you mean 'crm'?)"),
        ("sources: [crm]", "sources: [crmm]", "no event type is sent by 'crm' (did you mean 'crmm'?)"),
        ("name: asked", "name: sightline.asked", "those that begin with 'sightline.' are Sightline's own"),
    ],
)
def test_what_is_wrong_with_a_source_is_named(before: str, after: str, expected: str) -> None:
    """Line, field and remedy."""
    text = SOURCE + EVENT
    assert before in text
    assert [problem for problem in lint(text.replace(before, after)) if expected in problem]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("source: crmm, event: asked", "spec.source: there is no source 'crmm' (did you mean 'crm'?)"),
        ("source: crm, event: aksed", "spec.event: there is no event type 'aksed' (did you mean 'asked'?)"),
        (
            "source: crm, event: asked, field: by",
            "spec.field: only numbers can be added up, 'by' is a string",
        ),
        ("source: crm, event: asked, field: amonut", "called 'amonut' (did you mean 'amount'?)"),
        ("source: crm, event: asked, dimensions: [by]", "its totals have no dimensions (leave them out)"),
        (
            "source: crm, event: told",
            "spec.event: told is not sent by 'crm' (add 'crm' to the sources of told)",
        ),
    ],
)
def test_what_is_wrong_with_a_reconciliation_is_named(spec: str, expected: str) -> None:
    """Each with its remedy, and nothing else."""
    other = EVENT.replace("asked", "told").replace("sources: [crm]", "sources: []")
    [problem] = lint(SOURCE + EVENT + other + KPI.replace("source: crm, event: asked", spec))
    assert expected in problem


def test_a_reconciliation_may_aim_at_a_tenth_of_a_percent() -> None:
    """Its gap is small by nature: nobody means ten percent."""
    aim = "event: asked, target: {value: 0.1, direction: at_most}"
    assert lint(SOURCE + EVENT + KPI.replace("event: asked", aim)) == []


def test_sources_are_linted_only_where_one_is_declared() -> None:
    """A catalogue that names systems without declaring them goes on as before."""
    assert lint(EVENT) == []


def test_the_mapping_of_a_source_is_linted_with_the_catalogue(tmp_path: Path) -> None:
    """Its event types and fields, and that it speaks for its source alone."""
    mapping = """\
apiVersion: sightline/v1
kind: Import
metadata: {name: orders}
spec:
  source: shop
  files:
    - {file: a, events: [{type: asked, id: "{n}", time: t, data: {amuont: x}}]}
"""
    (tmp_path / "c.yaml").write_text(SOURCE + "  mapping: orders\n" + EVENT)
    (tmp_path / "m.yaml").write_text(mapping)
    assert [str(problem) for problem in lint_folder(tmp_path)] == [
        (
            "m.yaml:5: orders: spec.source: the source 'crm' names this mapping, which makes events of 'shop' "
            "(write source: crm, or let 'shop' name it)"
        ),
        (
            "m.yaml:7: orders: spec.files[0].events[0].data.amuont: 'asked' has no field 'amuont' "
            "(did you mean 'amount'?)"
        ),
    ]
    (tmp_path / "m.yaml").write_text(mapping.replace("shop", "crm").replace("amuont", "amount"))
    assert lint_folder(tmp_path) == []
    _, [found] = load_folder(tmp_path)
    assert (found.source, found.mapping.spec.timezone) == ("crm", "Europe/Berlin")
