"""``sources`` and ``reconcile``: what is expected of other systems, and whether all of it has come."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table

from sightline.cli.output import Json, console, print_json
from sightline.cli.query import Url, asked, get, moment

if TYPE_CHECKING:
    from services.reconciling import Differences

GLYPHS = {
    "complete": "[dim]●[/] complete",
    "never_heard": "[dim]?[/] never heard",
    "silent": "[yellow]▲[/] silent",
    "overdue": "[yellow]▲[/] batch overdue",
    "gap": "[yellow]▲[/] events missing",
}
_MANY = 2_000


def sources(
    source: Annotated[str | None, typer.Argument(help="One source in full.", show_default="all")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List the declared sources: how complete each is, when it is expected, what is missing."""
    path = "/api/v1/sources" if source is None else f"/api/v1/sources/{quote(source, safe='')}"
    data = get(url, path)
    if as_json:
        print_json(data)
        return
    table = Table("source", "state", "complete until", "last heard", "expected", box=None, header_style="dim")
    table.add_column("owner", overflow="fold")
    for one in data["sources"] if source is None else [data]:
        times = [moment(one[name]) for name in ("complete_until", "heard", "expected")]
        table.add_row(escape(one["source"]), GLYPHS[one["state"]], *times, escape(one["owner"]))
    console.print(table)
    if source is not None:
        _print_one(data)


def _print_one(data: dict[str, Any]) -> None:
    if data["contact"]:
        console.print(f"contact: {escape(data['contact'])}")
    numbers = data["numbers"]
    if numbers is not None:
        console.print(f"numbers: up to {numbers['highest'] or '-'}, {numbers['missing']:,} missing")
        for gap in numbers["gaps"]:
            console.print(f"  {gap['first']} to {gap['last']}, since {moment(gap['since'])}")
    for batch in data["batches"]:
        said = "" if batch["records"] is None else f" of {batch['records']:,}"
        off = f", [yellow]{batch['difference']:+,}[/]" if batch["difference"] else ""
        console.print(
            f"batch until {moment(batch['complete_until'])}: {batch['counted']:,}{said} events{off}"
        )
    zone = ZoneInfo(data["timezone"])
    for total in data["totals"] or ():
        what = total["event"] if total["field"] is None else f"{total['event']}.{total['field']}"
        theirs = "-" if total["theirs"] is None else f"{total['theirs']:,.10g}"
        off = f", [yellow]{total['difference']:+,.10g}[/]" if total["difference"] else ""
        day = datetime.fromtimestamp(total["start"] / 1000, zone).date()
        console.print(f"{day} {escape(what)}: ours {total['ours']:,.10g}, theirs {theirs}{off}")


def reconcile(
    source: Annotated[str, typer.Argument(help="The source whose list it is.")],
    ids: Annotated[Path, typer.Option("--ids", help="The list: one id a line; .gz is unpacked.")],
    type_: Annotated[str | None, typer.Option("--type", help="Compare events of this type alone.")] = None,
    day: Annotated[
        str | None, typer.Option(help="Compare those of this day of the source's time zone: 2026-03-02.")
    ] = None,
    field: Annotated[str, typer.Option(help="What the list holds: `id`, or a field of the events.")] = "id",
    limit: Annotated[int, typer.Option(help="How many ids of each kind are named.")] = 1_000,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Name the ids of a source's list that are missing here, and those here that are not in it."""
    from services.reconciling import Listed, compare
    from sightline.importing import check_there

    check_there(ids)
    here = _here(url, f"/api/v1/sources/{quote(source, safe='')}/ids", type=type_, day=day, field=field)
    found = asyncio.run(compare(Listed(_ids(ids)), _ids(ids), here, limit))
    if as_json:
        print_json(
            {name: getattr(found, name) for name in found.__slots__}  # a dataclass of JSON's own types
        )
    else:
        _print(found)
    raise typer.Exit(1 if found.missing_count or found.surplus_count else 0)


def _ids(path: Path) -> Iterator[str]:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield line.strip()


async def _here(url: str | None, path: str, **params: str | None) -> AsyncIterator[list[str]]:
    """The ids there, some thousand at a time."""
    with asked(url, path, **params) as response:
        batch: list[str] = []
        for line in response.iter_lines():
            batch.append(json.loads(line))
            if len(batch) == _MANY:
                yield batch
                batch = []
        yield batch


def _print(found: Differences) -> None:
    console.print(f"{found.listed:,} listed, {found.here:,} events here")
    for word, count, names in (
        ("ids missing", found.missing_count, found.missing),
        ("ids surplus", found.surplus_count, found.surplus),
    ):
        if not count:
            console.print(f"[green]no {word}[/]")
            continue
        console.print(f"[red]{count:,} {word}[/]")
        for name in names:
            console.print(f"  {escape(name)}", soft_wrap=True)
        if count > len(names):
            console.print(f"  [dim]… and {count - len(names):,} more: raise --limit[/]")
