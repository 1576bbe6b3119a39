"""How the command line speaks: tables and sentences for people on a terminal, JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from services.errors import SightlineError

if TYPE_CHECKING:
    from services.importing.run import Refusal

# A terminal wraps by itself; what goes into a pipe must keep its lines.
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(data: Any) -> None:
    """``data`` as indented JSON on standard output."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def fail(error: SightlineError) -> None:
    """Tell a person what is wrong and what to do next."""
    errors.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.field is not None:
        given = "" if error.value is None else f" = {error.value!r}"
        errors.print(f"  [dim]field[/]  {escape(error.field + given)}")
    if error.remedy:
        errors.print(f"  [dim]try[/]    {escape(error.remedy)}")


def print_rejected(codes: Counter[str], refused: Iterable[Refusal]) -> None:
    """How many records were rejected for which reason, and the first of them."""
    if not codes:
        console.print("[green]nothing was rejected[/]")
        return
    console.print(f"[red]{codes.total():,} rejected[/]")
    for code, count in codes.most_common():
        console.print(f"  {count:>9,}  {escape(str(code))}")
    for one in refused:
        console.print(f"  {escape(one.place)}: {escape(one.message)}", style="dim")
