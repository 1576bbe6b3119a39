"""``doctor`` and ``config``: what is set, and whether it works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sightline.cli.output import Json, console, print_json


def doctor(
    folder: Annotated[
        Path, typer.Argument(help="The catalogue's folder.", show_default="this folder")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Check what Sightline needs here: log, database, catalogue, port; says what to do about each fault."""
    from sightline.diagnosis import diagnose

    findings = asyncio.run(diagnose(folder))
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        for finding in findings:
            mark = "[green]✓[/]" if finding.ok else "[red]✗[/]"
            console.print(f"{mark} [bold]{finding.part}[/]  {escape(finding.message)}")
            if finding.remedy and not finding.ok:
                console.print(f"    [dim]try[/] {escape(finding.remedy)}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


def config(as_json: Json = False) -> None:
    """Show every setting: its environment variable, its value and what it means."""
    from rich.table import Column, Table

    from services.settings import describe, read_settings

    entries = describe(read_settings())
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    table = Table(
        Column("variable", no_wrap=True, min_width=max(len(entry.variable) for entry in entries)), box=None
    )
    table.header_style = "dim"
    for header in ("value", "meaning"):
        table.add_column(header, overflow="fold")
    for entry in entries:
        value = escape(str(entry.value))
        table.add_row(
            entry.variable, value if entry.is_default else f"[bold]{value}[/]", escape(entry.description)
        )
    console.print(table)
