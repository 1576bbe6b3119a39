"""The catalogues that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.adapters.cel import CelEvaluator
from services.catalogue.canonical import load_program, to_text
from services.catalogue.fixtures import run_tests
from services.catalogue.load import lint_folder, load_catalogue

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("folder", ["demo", "olist/catalogue"])
def test_an_example_has_no_problems_and_enough_to_show(folder: str) -> None:
    """At least twelve KPIs, each compiled without the CEL library's help."""
    assert lint_folder(EXAMPLES / folder, CelEvaluator()) == []
    program = load_program(to_text(load_catalogue(EXAMPLES / folder)))
    assert len(program.kpis) >= 12


def test_the_demos_tests_pass() -> None:
    """Its KPIs say what a person would of a few events; each KPI that has a target is asked at least once."""
    outcomes = run_tests(EXAMPLES / "demo")
    assert len(outcomes) >= 15
    assert [(one.name, one.failures) for one in outcomes if one.failures] == []
    asked = "".join(path.read_text() for path in (EXAMPLES / "demo" / "tests").glob("*.yaml"))
    kpis = load_catalogue(EXAMPLES / "demo").kpis.values()
    assert [kpi.name for kpi in kpis if kpi.target and f"kpi: {kpi.name}," not in asked] == []
