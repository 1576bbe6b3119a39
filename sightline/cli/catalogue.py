"""``init``, ``lint``, ``test``, ``diff`` and ``apply``: the catalogue, from its first file to its changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sightline.cli.output import Json, console, print_json
from sightline.cli.query import Url, asked, send

if TYPE_CHECKING:
    from services.catalogue.difference import Change, Difference
    from services.domain.catalogue import Catalogue

Folder = Annotated[Path, typer.Argument(help="The catalogue's folder.", show_default="this folder")]


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write it; must not hold a catalogue yet.")],
) -> None:
    """Write a small, commented catalogue to start from."""
    from services.catalogue.template import write_template

    for path in write_template(folder):
        console.print(f"[green]wrote[/] {escape(str(path))}")
    next_ = ", ".join(f"[bold]sightline {word} {escape(str(folder))}[/]" for word in ("lint", "test", "up"))
    console.print(f"\nNext: {next_}")


def lint(folder: Folder = Path(), as_json: Json = False) -> None:
    """Explain what is wrong in a catalogue: file, line, field, value and remedy."""
    from sightline.catalogue import lint_folder

    problems = lint_folder(folder)
    if as_json:
        print_json([problem.to_dict() for problem in problems])
    else:
        for problem in problems:
            console.print(escape(str(problem)))
        if not problems:
            console.print(f"[green]no problems[/] in {escape(str(folder))}")
    raise typer.Exit(1 if problems else 0)


def test(folder: Folder = Path(), as_json: Json = False) -> None:
    """Run the catalogue's fixture events and compare the KPIs with what its tests expect."""
    from sightline.catalogue import test_folder

    outcomes = test_folder(folder)
    if as_json:
        print_json([outcome.to_dict() for outcome in outcomes])
    else:
        for outcome in outcomes:
            console.print(
                f"[green]✓[/] {escape(outcome.name)}"
                if outcome.passed
                else f"[red]✗[/] {escape(outcome.name)}"
            )
            for failure in outcome.failures:
                console.print(f"    {escape(str(failure))}")
        failed = sum(not outcome.passed for outcome in outcomes)
        console.print(f"{len(outcomes) - failed} passed, {failed} failed")
    raise typer.Exit(1 if any(not outcome.passed for outcome in outcomes) else 0)


def diff(
    folder: Folder = Path(),
    against: Annotated[
        Path | None, typer.Option(help="Compare with the catalogue in this folder, not with what is served.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Say what a changed catalogue means for the one in force: what is new, goes on, begins anew or leaves."""
    from sightline.catalogue import compare_folder, load_folder

    current = served(url) if against is None else load_folder(against)[0]
    print_difference(compare_folder(folder, current), as_json=as_json)


def apply(folder: Folder = Path(), url: Url = None, as_json: Json = False) -> None:
    """Bring a changed catalogue into a running Sightline, and say what it means; what goes on loses nothing."""
    import msgspec

    from services.catalogue.difference import Difference
    from services.changing import pack
    from sightline.catalogue import load_folder

    catalogue, mappings = load_folder(folder)
    body = pack(folder, catalogue, mappings)
    found = msgspec.convert(send("PUT", url, "/api/v1/catalogue", body, "application/zip"), Difference)
    print_difference(found, as_json=as_json)
    if not as_json:
        console.print(
            f"in force: [bold]{found.after}[/]" + (", as before" if found.before == found.after else "")
        )


def served(url: str | None) -> Catalogue:
    """The catalogue in force where ``url`` says; raises as ``asked`` does."""
    from services.catalogue.canonical import from_text

    with asked(url, "/api/v1/catalogue") as response:
        response.read()
        return from_text(response.text)


_SIGNS = {
    "unchanged": "[red]![/]",
    "new": "[green]+[/]",
    "words": "[dim]·[/]",
    "meaning": "[yellow]~[/]",
    "removed": "[red]-[/]",
}
_STARTS = {
    "cells": "from what is measured already",
    "cases": "from the cases that are remembered",
    "corrections": "from the events that are remembered",
    "nothing": "from what comes then",
}


def print_difference(found: Difference, *, as_json: bool) -> None:
    """Every document that changes, and how many do not."""
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found))
        return
    same = 0
    for change in found.changes:
        if change.outcome == "unchanged" and not change.forgets:
            same += 1
            continue
        sign = _SIGNS[change.outcome]
        console.print(f"{sign} [bold]{change.kind} {escape(change.name)}[/]  {escape(_what(change))}")
        for reason in change.because:
            console.print(f"    {escape(reason)}", style="dim")
    console.print(f"{len(found.changes) - same} change, {same} stay as they are")


def _what(change: Change) -> str:
    """What becomes of a document, in words."""
    kpi, fields = change.version != (None, None), ", ".join(change.fields)
    begins = f"begins {_STARTS[change.start]}" if change.start is not None else ""
    if change.outcome == "meaning" and kpi:
        said = f"new version {change.version[1]}, {begins}" + (f": {fields}" if fields else "")
    elif change.outcome == "words" and kpi:
        said = f"same version: {fields}"
    elif change.outcome == "new":
        said = ", ".join(filter(None, ["new", begins]))
    else:
        said = fields or change.outcome
    return said + (" (its cases are forgotten)" if change.forgets else "")
