"""What goes on across a change of the catalogue: what OBSERVE decides by at the barrier, and ``diff`` before it.

Cells go on by the id of their measure, slots of history by the version of their KPI: both are digests of all that can
change a number (``compile.py``). Cases go on where what they have been through means the same.
"""

from __future__ import annotations

from dataclasses import replace

from services.domain.catalogue import Catalogue, FieldType, Process
from services.domain.program import Program

MeasureKey = tuple[str, str]
"""(cube, measure): what names the cells of a measure."""


def measures_of(program: Program | None) -> frozenset[MeasureKey]:
    """The measures whose cells a program keeps; of no program none."""
    cubes = () if program is None else program.cubes
    return frozenset((cube.id, measure.id) for cube in cubes for measure in cube.measures)


def cases_go_on(before: Program, after: Program, process: str) -> bool:
    """Whether the cases of a process can go on: it has the same steps, attributes, due times and quantities, and the
    fields that its cases learn from hold the same types of values.

    How it is related to others is kept by the linkers (``passing.py``), and no part of a case. ``KeyError`` where
    ``after`` has no such process.
    """
    old, new = before.catalogue.processes.get(process), after.catalogue.processes[process]
    return (
        old is not None
        and _lived(old) == _lived(new)
        and _learnt(before.catalogue, old) == _learnt(after.catalogue, new)
    )


def _lived(process: Process) -> Process:
    return replace(process, description="", relations={})


def _learnt(catalogue: Catalogue, process: Process) -> list[tuple[str, str, FieldType, int]]:
    """The types of what a case keeps of its events; what is no field is of the envelope, and a string."""
    fields = {step.name: catalogue.events[step.event].fields for step in process.steps if step.event}
    return [
        (step, name, fields[step][name].type, fields[step][name].scale)
        for step in fields
        for name in process.fields_of(step)
        if name in fields[step]
    ]
