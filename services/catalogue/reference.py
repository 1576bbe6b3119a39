"""The tables of ``docs/catalogue.md``, from the models: the documentation is checked against them."""

from __future__ import annotations

from pydantic import BaseModel

from services.catalogue import documents, fixtures

SECTIONS: dict[str, type[BaseModel]] = {
    "Every document": documents.EventTypeDocument,
    "metadata": documents.KpiMetadata,
    "EventType": documents.EventTypeSpec,
    "EventType: a field": documents.FieldSpec,
    "EventType: corrections": documents.CorrectableSpec,
    "EventType: a reversal": documents.ReversesSpec,
    "EventType: rows before and after a change": documents.ImagesSpec,
    "EventType: a unit that events say": documents.UnitOf,
    "EventType: a field from a look-up": documents.FieldLookupSpec,
    "EventType: a converted field": documents.ConvertSpec,
    "EventType: a part of the local time": documents.FieldCalendarSpec,
    "Lookup": documents.LookupSpec,
    "Lookup: a column": documents.ColumnSpec,
    "Lookup: a file": documents.LookupFileSpec,
    "Lookup: aliases": documents.AliasesSpec,
    "Lookup: a hierarchy": documents.TreeSpec,
    "Calendar": documents.CalendarSpec,
    "Calendar: what is different somewhere": documents.ScheduleSpec,
    "Process": documents.ProcessSpec,
    "Process: a step": documents.StepSpec,
    "Process: a relation": documents.RelationSpec,
    "Process: a due time": documents.DueSpec,
    "Process: cut-offs": documents.CutOffsSpec,
    "Process: a quantity": documents.QuantitySpec,
    "Process: a balance": documents.BalanceSpec,
    "Source": documents.SourceSpec,
    "Source: a rhythm": documents.RhythmSpec,
    "Source: a sequence": documents.SequenceSpec,
    "Kpi: what all types share": documents.KpiSpec,
    "A window": documents.WindowSpec,
    "A target": documents.TargetSpec,
    "A measure": documents.MeasureSpec,
    "simple": documents.SimpleSpec,
    "cumulative": documents.CumulativeSpec,
    "ratio": documents.RatioSpec,
    "derived": documents.DerivedSpec,
    "conversion": documents.ConversionSpec,
    "duration": documents.DurationSpec,
    "level": documents.LevelSpec,
    "reconciliation": documents.ReconciliationSpec,
    "A test file": fixtures.TestFile,
    "A test": fixtures.Case,
    "An event of a test": fixtures.EventFixture,
    "An expectation": fixtures.Expectation,
}
"""Heading → the model whose keys its table lists."""


def table(model: type[BaseModel]) -> str:
    """A Markdown table of a model's own keys; what all KPIs share has a table of its own."""
    shared = set() if model is documents.KpiSpec else set(documents.KpiSpec.model_fields)
    kept = {
        name: field
        for name, field in model.model_fields.items()
        if name not in shared or not issubclass(model, documents.KpiSpec)
    }
    rows = [
        f"| `{field.alias or name}`{' (required)' if field.is_required() else ''} | {field.description} |"
        for name, field in kept.items()
    ]
    return "\n".join(["| key | what it says |", "|---|---|", *rows])
