"""Checks of conversions of quantities, and of windows that have to be mature."""

from __future__ import annotations

from collections.abc import Iterator

from services.catalogue.known import Known, one_of
from services.catalogue.problems import Problem
from services.catalogue.read import Document, Path_
from services.domain.catalogue import Kpi, Process

SPEC: Path_ = ("spec",)


def check_cohort(document: Document, kpi: Kpi, process: Process, known: Known) -> Iterator[Problem]:
    """The quantities of a conversion: they exist, and divide."""
    if kpi.per is None:
        return
    for key, name in (("quantity", kpi.quantity or ""), ("per", kpi.per)):
        yield from one_of(document, (*SPEC, key), "quantity", name, process.quantities)
    units = {name: _unit(name, process, known) for name in (kpi.quantity or "", kpi.per)}
    if len(set(units.values())) > 1 and None not in units.values():
        above, below = (unit or "no unit" for unit in units.values())
        message = f"{kpi.quantity!r} is in {above}, {kpi.per!r} in {below}: that is no share"
        yield document.problem((*SPEC, "per"), message, "name quantities of the same unit")


def _unit(name: str, process: Process, known: Known) -> str | None:
    """What a quantity is in; None where that is not known."""
    quantity = process.quantities.get(name)
    step = next((one for one in process.steps if quantity is not None and one.name == quantity.step), None)
    fields = known.event_fields(step.event) if step is not None else None
    field = fields.get(quantity.field) if fields is not None and quantity is not None else None
    return None if field is None else field.unit or ""
