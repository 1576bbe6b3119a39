"""One document at a time: does it have the shape of its kind? Pydantic's findings in our own words."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from services.catalogue.documents import API_VERSION, DOCUMENTS, AnyDocument, KpiDocument
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_
from services.domain.catalogue import KpiType

# Documents of other parts of the product that may live in the same folder.
FOREIGN_KINDS = ("Import", "ImportMapping", "Mapping", "Test")

# What things are called elsewhere.
_ELSEWHERE = {
    "agg": {
        "median": "use agg: percentile with percentile: 50",
        "average": "use agg: avg",
        "mean": "use agg: avg",
        "count_distinct": "use agg: distinct",
        "unique": "use agg: distinct",
    },
    "type": {
        "int": "write integer",
        "str": "write string",
        "text": "write string",
        "bool": "write boolean",
        "float": "write decimal, and its scale",
        "number": "write decimal, and its scale",
        "money": "write decimal, and its scale",
        "datetime": "write timestamp",
        "date": "write timestamp",
    },
}
# What pydantic calls a wrong kind of value, in our words: message and remedy.
_KINDS = {
    "string_type": ("this should be text", "put it in quotes"),
    "model_type": ("this should be a mapping", "write it like {key: value}"),
    "dict_type": ("this should be a mapping", "write it like {key: value}"),
    "list_type": ("this should be a list", "write it like [one, two]"),
    "bool_type": ("this should be true or false", ""),
    "float_type": ("this should be a number", "write it without quotes"),
    "int_type": ("this should be a whole number", "write it without quotes"),
}
_KPI_TYPES = [kind.value for kind in KpiType]


def is_foreign(document: Document) -> bool:
    """Whether a YAML document in the folder is none of the catalogue's business."""
    if not isinstance(document.data, dict):
        return False
    if document.data.get("kind") in FOREIGN_KINDS:
        return True
    return not {"apiVersion", "kind", "metadata", "spec"} & document.data.keys()


def is_mapping(document: Document) -> bool:
    """Whether it is an import mapping, which sources may name."""
    return isinstance(document.data, dict) and document.data.get("kind") == "Import"


def read_shape(document: Document) -> tuple[AnyDocument | None, list[Problem]]:
    """The document's model, or what keeps it from being one."""
    if not isinstance(document.data, dict):
        return None, [
            document.problem((), "a document is a mapping", "begin with apiVersion, kind, metadata, spec")
        ]
    kind = document.data.get("kind")
    if kind is None:
        return None, [
            document.problem(("kind",), "the kind is missing", f"write one of {', '.join(DOCUMENTS)}")
        ]
    if kind not in list(DOCUMENTS):
        message = f"{kind!r} is no kind of document"
        return None, [document.problem(("kind",), message, did_you_mean(str(kind), DOCUMENTS))]
    try:
        return DOCUMENTS[kind].model_validate(document.data), []
    except ValidationError as error:
        return None, explain_all(document, DOCUMENTS[kind], error)


def explain_all(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Why ``document`` is no ``model``."""
    return sorted({_problem(document, model, dict(one)) for one in error.errors(include_url=False)})


def _problem(document: Document, model: type[BaseModel], error: dict[str, Any]) -> Problem:
    path = _path(document, error["loc"])
    message, remedy = _explain(document, model, path, error)
    return document.problem(path, message, remedy)


def _path(document: Document, loc: tuple[int | str, ...]) -> Path_:
    """Where in the document: without the names of union members and validators' own words."""
    parts = [part for part in loc if not (isinstance(part, str) and part.startswith("<"))]
    if parts and parts[-1] == "[key]":
        parts.pop()
    if document.value(("kind",)) == "Kpi" and parts == ["spec"] and loc[-1] == "spec":
        return ("spec", "type") if isinstance(document.value(("spec",)), dict) else ("spec",)
    return tuple(parts)


def _explain(
    document: Document, model: type[BaseModel], path: Path_, error: dict[str, Any]
) -> tuple[str, str]:
    """Message and remedy."""
    key = str(path[-1]) if path else ""
    match error["type"]:
        case "extra_forbidden":
            found = f"there is no key {key!r} here", did_you_mean(key, _keys_at(document, model, path[:-1]))
        case "missing":
            found = _missing(document, path, key)
        case "union_tag_not_found" | "union_tag_invalid":
            found = _no_type(document.value(path))
        case "enum" | "literal_error":
            found = _not_possible(document.value(path), key, error["ctx"]["expected"])
        case "value_error":
            found = str(error["ctx"]["error"]), ""
        case "string_too_short":
            found = f"{key} is empty", "say whose it is" if key == "owner" else ""
        case kind:
            found = _KINDS.get(kind) or (str(error["msg"]).replace("Input should be", "this should be"), "")
    return found


def _no_type(kind: object) -> tuple[str, str]:
    if kind is None:
        return "the type of KPI is missing", f"write one of {', '.join(_KPI_TYPES)}"
    return f"{kind!r} is no type of KPI", did_you_mean(str(kind), _KPI_TYPES)


def _not_possible(value: object, key: str, expected: str) -> tuple[str, str]:
    if key == "apiVersion":
        return f"this format is {API_VERSION}", f"write {API_VERSION}"
    allowed = expected.replace("'", "").replace(" or ", ", ").split(", ")
    remedy = _ELSEWHERE.get(key, {}).get(str(value)) or did_you_mean(str(value), allowed)
    return f"{value!r} is not possible here", remedy


def _missing(document: Document, path: Path_, key: str) -> tuple[str, str]:
    if key == "owner":
        if document.value(("kind",)) == "Source":
            return (
                "a source without an owner is refused",
                "add owner to metadata: who answers for this system",
            )
        return "a KPI without an owner is refused", "add owner to metadata: who answers for this number"
    present = document.value(path[:-1])
    near = did_you_mean(key, present) if isinstance(present, dict) else ""
    hint = near if near.startswith("did you mean") else ""
    return (
        f"{key} is missing",
        f"{hint.removeprefix('did you mean ').removesuffix('?')} looks like it" if hint else "",
    )


def _keys_at(document: Document, model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that the model of this place has."""
    models = [model]
    for part in path:
        models = [inner for one in models for inner in _inside(document, one, part)]
    return [field.alias or name for one in models for name, field in one.model_fields.items()]


def _inside(document: Document, model: type[BaseModel], part: int | str) -> Iterator[type[BaseModel]]:
    if isinstance(part, int):
        yield model
        return
    for name, field in model.model_fields.items():
        if part in {name, field.alias}:
            found = list(_models(field.annotation))
            if model is KpiDocument and part == "spec":
                wanted = document.value(("spec", "type"))
                found = [one for one in found if _tag(one) == wanted]
            yield from found
            return
    yield model  # a key of a mapping by name, such as a field's


def _tag(model: type[BaseModel]) -> str:
    return str(get_args(model.model_fields["type"].annotation)[0])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {Union, types.UnionType} or get_args(annotation):
        for one in get_args(annotation):
            if not isinstance(one, str):
                yield from _models(one)
