"""``init``, ``lint`` and ``test``: the catalogue, from its first file to its checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sightline.cli.output import Json, console, print_json

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
