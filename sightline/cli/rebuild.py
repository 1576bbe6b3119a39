"""``rebuild``: what the processors hold, held against the log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sightline.cli.output import Json, console, print_json
from sightline.cli.query import moment

if TYPE_CHECKING:
    from services.rebuilding import Comparison


def rebuild(
    limit: Annotated[int, typer.Option(help="How many deviations to list.")] = 20, as_json: Json = False
) -> None:
    """Fold every run anew from the log, beside what runs, and compare the two; changes nothing."""
    from sightline.rebuilding import rebuild as fold_anew

    found = asyncio.run(fold_anew())
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found))
    else:
        _print(found, limit)
    raise typer.Exit(1 if found.deviations else 0)


def _print(found: Comparison, limit: int) -> None:
    records = sum(max(0, one.last - one.first + 1) for one in found.partitions)
    console.print(
        f"folded {records:,} records of {len(found.partitions)} partitions, as of their last snapshots"
    )
    cut = [one for one in found.partitions if not one.whole]
    if cut:
        since = max((one.since for one in cut if one.since is not None), default=None)
        console.print(f"[yellow]▲[/] the log begins at {moment(since)} UTC: what is older cannot be compared")
    if found.skipped:
        named = ", ".join(map(str, found.skipped))
        console.print(f"[yellow]▲[/] not compared, for want of a snapshot: partitions {named}")
    if not found.deviations:
        console.print(f"[green]equal[/]: {found.values:,} values")
        return
    table = Table("run", "KPI", "scope", "held", "rebuilt", box=None, header_style="dim")
    for one in found.deviations[:limit]:
        scope = ", ".join(f"{name}={value}" for name, value in one.scope.items())
        table.add_row(one.run, one.kpi, escape(scope), _number(one.held), _number(one.rebuilt))
    console.print(table)
    console.print(f"[red]{len(found.deviations):,} of {found.values:,} values differ[/]")


def _number(number: tuple[float | None, int]) -> str:
    value, samples = number
    return f"{'-' if value is None else f'{value:,.6g}'} ({samples:,})"
