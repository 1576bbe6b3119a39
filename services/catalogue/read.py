"""YAML files → documents that know where each of their values stands.

Read as YAML 1.2's core schema: ``no`` is a word, ``2024-05-01`` is text, only ``true`` and ``false`` are booleans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from services.catalogue.problems import Problem

Path_ = tuple[str | int, ...]
TESTS = "tests"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is faster
    """The core schema: no timestamps, no sexagesimal numbers, no yes and no."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own protocol


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first) if _first else None
    )


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its ``data`` (JSON's types) and the line (from 1) of each value by path."""

    file: str
    data: Any
    lines: dict[Path_, int] = field(repr=False)

    @property
    def name(self) -> str:
        """``metadata.name``, as far as there is one."""
        metadata = self.data.get("metadata") if isinstance(self.data, dict) else None
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return name if isinstance(name, str) else ""

    def line(self, path: Path_) -> int:
        """Where the value of ``path`` stands, or the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def value(self, path: Path_) -> Any:
        """The value at ``path``; None where there is none."""
        found = self.data
        for key in path:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def problem(self, path: Path_, message: str, remedy: str = "") -> Problem:
        """A problem with the value at ``path``."""
        value = self.value(path)
        shown = "" if value is None or isinstance(value, dict | list) else str(value)
        return Problem(self.file, self.line(path), self.name, dotted(path), shown, message, remedy)


def dotted(path: Path_) -> str:
    """``spec.steps[2].event``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def catalogue_files(folder: Path) -> list[Path]:
    """The YAML files of a catalogue, in order of their names; those under ``tests/`` are not part of it."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in {".yaml", ".yml"} and path.is_file() and not _elsewhere(path.relative_to(folder))
    )


def _elsewhere(path: Path) -> bool:
    return TESTS in path.parts[:-1] or any(part.startswith(".") for part in path.parts)


def read_folder(folder: Path) -> tuple[list[Document], list[Problem]]:
    """All documents of a catalogue, and what could not be read."""
    if not folder.is_dir():
        return [], [
            Problem(str(folder), 0, "", "", "", "there is no such folder", "sightline init writes one")
        ]
    documents: list[Document] = []
    problems: list[Problem] = []
    for path in catalogue_files(folder):
        found, wrong = read_file(path, str(path.relative_to(folder)))
        documents += found
        problems += wrong
    if not documents and not problems:
        problems.append(
            Problem(str(folder), 0, "", "", "", "there is no catalogue here", "sightline init writes one")
        )
    return documents, problems


def read_file(path: Path, name: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a file, and what is no YAML in it; ``name`` is how problems call the file."""
    try:
        return read_text(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        return [], [Problem(name, 1, "", "", "", f"cannot be read: {error}", "write it in UTF-8")]


def read_text(text: str, name: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a YAML text."""
    documents: list[Document] = []
    problems: list[Problem] = []
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = cast("yaml.Node", loader.get_node())
            lines: dict[Path_, int] = {}
            for path, line in _repeated(node, (), lines):
                problems.append(
                    Problem(
                        name,
                        line,
                        "",
                        dotted(path),
                        "",
                        "this key stands here twice",
                        "remove one of the two",
                    )
                )
            data = loader.construct_document(node)
            if data is not None:
                documents.append(Document(name, data, lines))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        problems.append(
            Problem(name, line, "", "", "", f"this is no YAML: {message}", "check indentation and quotes")
        )
    finally:
        loader.dispose()
    return documents, problems


def _repeated(node: yaml.Node, path: Path_, lines: dict[Path_, int]) -> Iterator[tuple[Path_, int]]:
    """Fill ``lines``; yield keys that stand twice in one mapping."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            if inner in lines:
                yield inner, key.start_mark.line + 1
            lines[inner] = key.start_mark.line + 1
            yield from _repeated(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*path, index), lines)
