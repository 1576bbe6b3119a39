"""The format of an import mapping: ``kind: Import``. The reference in ``docs/importing.md`` follows these models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from services.catalogue.documents import Metadata, Model

SortOrder = Literal["eventTime", "recordedTime", "none"]
FileFormat = Literal["csv", "ndjson"]


class Value(Model):
    """Where a value comes from: exactly one of `column`, `value`, `text` and `cel`; and how it is read."""

    column: str | None = Field(None, description="A column, or `alias.column` of a look-up.")
    value: str | int | float | bool | None = Field(
        None, description="A constant; write amounts in quotes, so that they stay exact."
    )
    text: str | None = Field(
        None, description="A template such as `{order_id}/{item}`; empty where one of its columns is."
    )
    cel: str | None = Field(None, description="A CEL expression over the row; see *Expressions*.")
    map: dict[str, str] | None = Field(
        None, description="Replace values: from → to. What is not named stays as it is."
    )
    default: str | None = Field(None, description="Stands in where the value is empty.")
    time_format: str | None = Field(None, description="The format of a time, where it is not the mapping's.")
    timezone: str | None = Field(None, description="The zone of a time, where it is not the mapping's.")
    end_of_day: bool = Field(
        False, description="The last millisecond of that day in its zone: when a date is due."
    )
    decimal_comma: bool = Field(False, description="Numbers are written 1.234,50.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Value:
        given = [name for name in ("column", "value", "text", "cel") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("a value is exactly one of column, value, text and cel")
        return self


def _value(value: object) -> str:
    return "<column>" if isinstance(value, str) else "<value>"


ValueSpec = Annotated[
    Annotated[str, Tag("<column>")] | Annotated[Value, Tag("<value>")], Discriminator(_value)
]


def value_of(spec: str | Value) -> Value:
    """A bare word is a column."""
    return Value.model_validate({"column": spec}) if isinstance(spec, str) else spec


class Keep(Model):
    """Which of several rows with the same key a look-up keeps."""

    smallest: str | None = Field(None, description="The row with the smallest value in this column.")
    largest: str | None = Field(None, description="The row with the largest value in this column.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Keep:
        if (self.smallest is None) == (self.largest is None):
            raise ValueError("keep is first, last, {smallest: COLUMN} or {largest: COLUMN}")
        return self


class FileSource(Model):
    """A file and how it is read."""

    file: str = Field(
        description="The file's name; may hold `*`. `.gz` is unpacked; found among the paths given to `import`."
    )
    format: FileFormat | None = Field(
        None, description="`csv` or `ndjson`; by default what the name ends in."
    )
    delimiter: str = Field(
        ",", min_length=1, max_length=1, description="What separates the columns of a CSV."
    )
    encoding: str = Field("utf-8", description="The encoding of the text.")


class LookupSpec(FileSource):
    """A file whose rows are found by key, to add their columns to others."""

    key: str | list[str] = Field(description="The column, or columns, that rows are found by.")
    columns: list[str] | None = Field(None, description="The columns to keep in memory; all unless said.")
    keep: Annotated[
        Annotated[Literal["first", "last"], Tag("<word>")] | Annotated[Keep, Tag("<keep>")],
        Discriminator(lambda value: "<word>" if isinstance(value, str) else "<keep>"),
    ] = Field(
        "first", description="Which of several rows with one key: `first`, `last`, `{smallest: COLUMN}` …"
    )


class JoinSpec(Model):
    """Adds a look-up's columns to each row, as `alias.column`."""

    in_: str = Field(alias="in", description="The look-up's name.")
    by: str | list[str] = Field(
        description="The column, or columns, with the key; may be `alias.column` of a look-up above."
    )


class ImagesSpec(Model):
    """Where an object carries a row before and after a change, as Debezium's do: names of objects in it."""

    before: str = Field("before", description="The object with the row before; `before` unless said.")
    after: str = Field("after", description="The object with the row after; `after` unless said.")
    op: str = Field(
        "op",
        description="The column that says what was done (c, r, u or d), where there is one; `op` unless said.",
    )


class EventSpec(Model):
    """One event that a row may give."""

    type: str = Field(description="The event type, of the catalogue.")
    id: str = Field(description="A template such as `placed/{order_id}`, unique within the source.")
    time: ValueSpec = Field(description="When it happened.")
    recorded: ValueSpec | None = Field(None, description="When the source recorded it.")
    subject: str | None = Field(None, description="A template: what the event is about.")
    source: str | None = Field(None, description="The source, where it is not the mapping's.")
    when: str | None = Field(None, description="CEL: which rows give this event; all unless said.")
    data: dict[str, ValueSpec] = Field(
        default_factory=dict, description="The event's fields, each a column or a value."
    )
    images: ImagesSpec | None = Field(
        None, description="`data` is read twice: of the row before a change, and of the row after it."
    )


class FileSpec(FileSource):
    """A file whose rows become events."""

    lookups: dict[str, JoinSpec] = Field(
        default_factory=dict,
        description="Alias → look-up, in order: a later one may use what an earlier one added.",
    )
    events: list[EventSpec] = Field(min_length=1, description="The events that a row may give.")


class ImportSpec(Model):
    """Files, and what their rows mean."""

    source: str = Field(description="The CloudEvents source of the events.")
    timezone: str = Field("UTC", description="The zone of times that name none.")
    time_format: str = Field(
        "iso",
        description="How times are written: `iso`, `epoch_d`, `epoch_s`, `epoch_ms`, `epoch_us` or a strptime format.",
    )
    empty: list[str] = Field(default_factory=lambda: [""], description="Texts that mean: no value.")
    sort: SortOrder = Field(
        "eventTime", description="The order in which events are appended; `none` keeps that of the files."
    )
    lookups: dict[str, LookupSpec] = Field(default_factory=dict, description="Look-up tables by name.")
    files: list[FileSpec] = Field(min_length=1, description="The files, read in this order.")


class ImportDocument(Model):
    """How a data set's files become events."""

    api_version: Literal["sightline/v1"] = Field(description="The version of this format.")
    kind: Literal["Import"] = Field(description="What the document describes.")
    metadata: Metadata = Field(description="Its name is the run's, unless `--run` says another.")
    spec: ImportSpec = Field(description="Files, and what their rows mean.")
