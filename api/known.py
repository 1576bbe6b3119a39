"""What a request may name, checked against the run's catalogue; what is not known is a problem that helps."""

from __future__ import annotations

from collections.abc import Iterable

from services.catalogue.problems import did_you_mean
from services.domain.catalogue import Catalogue, Kpi
from services.domain.facts import ENGINE_CODES
from services.errors import InvalidInput, NotFound
from services.importing.mapping import MapCode
from services.intake.explain import Code
from services.live import RunView

CODES = tuple(dict.fromkeys([*(one.value for one in (*Code, *MapCode)), *ENGINE_CODES]))
"""Why something may have become a dead letter."""


def known_kpi(catalogue: Catalogue, name: str) -> Kpi:
    """The KPI called ``name``; ``NotFound`` where there is none."""
    if name not in catalogue.kpis:
        raise NotFound(
            f"no KPI is called {name!r}",
            field="name",
            value=name,
            remedy=did_you_mean(name, catalogue.kpis) or "GET /api/v1/kpis lists them",
        )
    return catalogue.kpis[name]


def known_dimensions(kpi: Kpi, scope: Iterable[str]) -> None:
    """Raises ``InvalidInput`` for a dimension that the KPI does not have."""
    for dimension in scope:
        if dimension not in kpi.dimensions:
            raise InvalidInput(
                f"{kpi.name} has no dimension {dimension!r}",
                field="scope",
                value=dimension,
                remedy=did_you_mean(dimension, kpi.dimensions) or "it has none: leave the scope out",
            )


def known_scope(view: RunView, kpi: str, scope: dict[str, str]) -> None:
    """Raises ``NotFound`` for a value that ``kpi`` was never told at in this run, where it was told at any."""
    told = [dict(key[1]) for key, _, _ in view.values() if key[0] == kpi]
    for dimension, value in scope.items():
        values = sorted({each[dimension] for each in told if dimension in each})
        if values and value not in values:
            raise NotFound(
                f"{kpi} was never told at {dimension} {value!r}",
                field="scope",
                value=f"{dimension}:{value}",
                remedy=did_you_mean(value, values),
            )


def known_code(code: str | None) -> None:
    """Raises ``InvalidInput`` for a reason for which nothing is ever refused."""
    if code is not None and code not in CODES:
        raise InvalidInput(
            f"nothing is refused as {code!r}",
            field="code",
            value=code,
            remedy=f"use one of: {', '.join(CODES)}",
        )


def known_process(
    catalogue: Catalogue, process: str | None, step: str | None, attributes: Iterable[str]
) -> None:
    """Raises ``NotFound`` for a process that does not exist, ``InvalidInput`` for a step or an attribute that no
    case of it has; without a process, that no case has.
    """
    if process is not None and process not in catalogue.processes:
        raise NotFound(
            f"there is no process {process!r}",
            field="process",
            value=process,
            remedy=did_you_mean(process, catalogue.processes) or "the catalogue has none",
        )
    chosen = [catalogue.processes[process]] if process is not None else list(catalogue.processes.values())
    steps = [each.name for one in chosen for each in one.steps]
    _among("step", "step", [] if step is None else [step], steps)
    _among("attribute", "filter", attributes, [name for one in chosen for name in one.attributes])


def _among(word: str, field: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise InvalidInput(
                f"no case has the {word} {name!r}",
                field=field,
                value=name,
                remedy=did_you_mean(name, known) or f"leave {field} out: there is no {word} at all",
            )
