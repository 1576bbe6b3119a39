"""A mapping's YAML → a checked mapping, or all that is wrong with it by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.catalogue.load import load_catalogue
from services.catalogue.problems import Problem, did_you_mean
from services.catalogue.read import Document, Path_, read_file, read_folder
from services.catalogue.shape import is_mapping
from services.domain.catalogue import Catalogue, EventType
from services.domain.filters import Evaluator
from services.errors import CatalogueError, InvalidInput
from services.importing.documents import EventSpec, ImportDocument


def load_mapping(path: Path, catalogue: Catalogue) -> ImportDocument:
    """The mapping in ``path``, fit for ``catalogue``. Raises ``CatalogueError`` with all problems."""
    documents, problems = read_file(path, path.name)
    if problems:
        raise CatalogueError(problems)
    if len(documents) != 1:
        raise InvalidInput(
            f"{path} holds {len(documents)} documents",
            field="mapping",
            remedy="put one mapping into one file",
        )
    [document] = documents
    mapping, found = _checked(document, catalogue)
    if mapping is None or found:
        raise CatalogueError(found)
    return mapping


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """The mapping that a source names, and the folder that its look-ups are in."""

    source: str
    mapping: ImportDocument
    folder: Path


def load_folder(folder: Path, evaluator: Evaluator | None = None) -> tuple[Catalogue, list[SourceMapping]]:
    """The catalogue at ``folder``, and the mappings there that its sources name. Raises ``CatalogueError`` with all
    that is wrong with them. ``evaluator`` as of ``load_catalogue``.
    """
    catalogue = load_catalogue(folder, evaluator)
    mappings, problems = source_mappings(folder, catalogue)
    if problems:
        raise CatalogueError(sorted(problems))
    return catalogue, mappings


def source_mappings(folder: Path, catalogue: Catalogue) -> tuple[list[SourceMapping], list[Problem]]:
    """The mappings in ``folder`` that sources of ``catalogue`` name, and what is wrong with them."""
    wanted = {source.mapping: source for source in catalogue.sources.values() if source.mapping is not None}
    documents = [one for one in read_folder(folder)[0] if is_mapping(one) and one.name in wanted]
    found: list[SourceMapping] = []
    problems: list[Problem] = []
    for document in documents:
        source = wanted[document.name]
        mapping, wrong = _checked(document, catalogue)
        problems += wrong
        if mapping is None:
            continue
        problems += _foreign_sources(document, mapping, source.name)
        mapping = in_zone_of_its_source(mapping, catalogue)
        found.append(SourceMapping(source.name, mapping, (folder / document.file).parent))
    return found, problems


def in_zone_of_its_source(mapping: ImportDocument, catalogue: Catalogue) -> ImportDocument:
    """With the time zone of its source, where the catalogue declares that and the mapping says none."""
    source = catalogue.sources.get(mapping.spec.source)
    if source is None or "timezone" in mapping.spec.model_fields_set:
        return mapping
    spec = mapping.spec.model_copy(update={"timezone": source.timezone})
    return mapping.model_copy(update={"spec": spec})


def _checked(document: Document, catalogue: Catalogue) -> tuple[ImportDocument | None, list[Problem]]:
    try:
        mapping = ImportDocument.model_validate(document.data)
    except ValidationError as error:
        return None, sorted({_problem(document, dict(one)) for one in error.errors()})
    return mapping, sorted(_misfits(document, mapping, catalogue))


def _foreign_sources(document: Document, mapping: ImportDocument, source: str) -> Iterator[Problem]:
    """A source speaks for itself alone."""
    places: list[tuple[Path_, str | None]] = [(("spec", "source"), mapping.spec.source)]
    for at, file in enumerate(mapping.spec.files):
        for number, event in enumerate(file.events):
            places.append((("spec", "files", at, "events", number, "source"), event.source))
    for path, name in places:
        if name not in {None, source}:
            message = f"the source {source!r} names this mapping, which makes events of {name!r}"
            yield document.problem(path, message, f"write source: {source}, or let {name!r} name it")


def _problem(document: Document, error: dict[str, Any]) -> Problem:
    path: Path_ = tuple(part for part in error["loc"] if not str(part).startswith("<"))
    key = str(path[-1]) if path else ""
    match error["type"]:
        case "extra_forbidden":
            return document.problem(path, f"there is no key {key!r} here", "see docs/importing.md")
        case "missing":
            return document.problem(path, f"{key} is missing")
        case "value_error":
            return document.problem(path, str(error["ctx"]["error"]))
        case _:
            return document.problem(path, str(error["msg"]).replace("Input should be", "this should be"))


def _misfits(document: Document, mapping: ImportDocument, catalogue: Catalogue) -> Iterator[Problem]:
    """What a mapping alone cannot know: event types, their fields, look-ups by name."""
    spec = mapping.spec
    for at, file in enumerate(spec.files):
        here: Path_ = ("spec", "files", at)
        for alias, join in file.lookups.items():
            if join.in_ not in spec.lookups:
                place = (*here, "lookups", alias, "in")
                yield document.problem(
                    place, f"there is no look-up {join.in_!r}", did_you_mean(join.in_, spec.lookups)
                )
        for number, event in enumerate(file.events):
            there = (*here, "events", number)
            known = catalogue.events.get(event.type)
            if known is None:
                remedy = did_you_mean(event.type, catalogue.events)
                yield document.problem(
                    (*there, "type"), f"the catalogue has no event type {event.type!r}", remedy
                )
                continue
            yield from _misfit_images(document, there, event, known)
            for name in event.data:
                if name not in known.fields:
                    message = f"{event.type!r} has no field {name!r}"
                    yield document.problem((*there, "data", name), message, did_you_mean(name, known.fields))
            for name, field in known.fields.items():
                if field.required and name not in event.data:
                    message = f"{event.type!r} requires the field {name!r}"
                    yield document.problem((*there, "data"), message, f"say where {name} comes from")


def _misfit_images(document: Document, place: Path_, event: EventSpec, known: EventType) -> Iterator[Problem]:
    """A mapping says where the rows before and after stand if and only if the event type has them."""
    if known.images is not None and event.images is None:
        message = f"events of {event.type!r} carry the row before and after a change"
        remedy = "say where they stand: images: {before: before, after: after}"
        yield document.problem((*place, "type"), message, remedy)
    if known.images is None and event.images is not None:
        message = f"events of {event.type!r} carry no rows before and after a change"
        yield document.problem((*place, "images"), message, f"remove it, or declare images at {event.type}")
