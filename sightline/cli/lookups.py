"""``lookups``: master data of a running Sightline, over its API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from sightline.cli.output import Json, console, print_json
from sightline.cli.query import Url, get, send

app = typer.Typer(help="Look-ups: their rows, what they lack, new rows.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The look-up, as the catalogue calls it.")]
_TYPES = {".csv": "text/csv", ".json": "application/json", ".ndjson": "application/x-ndjson"}


@app.command("list")
def list_(url: Url = None, as_json: Json = False) -> None:
    """List every look-up: rows, and what it could not map."""
    data = get(url, "/api/v1/lookups")
    if as_json:
        print_json(data)
        return
    table = Table(
        "look-up", "source", "key", "rows", "unmapped", "keys missing", box=None, header_style="dim"
    )
    for one in data["lookups"]:
        missing = one["unmapped_keys"]
        table.add_row(
            one["name"],
            one["source"],
            ", ".join(one["key"]),
            f"{one['rows']:,}",
            f"{one['unmapped']:,}",
            f"[yellow]{missing:,}[/]" if missing else "0",
        )
    console.print(table)
    for one in data["refused"]:
        where = f"record {one['offset']} of the topic{' (' + one['lookup'] + ')' if one['lookup'] else ''}"
        console.print(f"[yellow]refused[/] {escape(where)}: {escape(one['message'])}")


@app.command()
def show(
    name: Name,
    key: Annotated[list[str] | None, typer.Option(help="Only this key; once per part.")] = None,
    at: Annotated[str | None, typer.Option(help="Only rows that held then: 2024-05-04T10:00:00Z.")] = None,
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show the rows of a look-up."""
    data = get(url, f"/api/v1/lookups/{name}", key=key, at=at, limit=limit)
    if as_json:
        print_json(data)
        return
    columns = list(dict.fromkeys(column for row in data["rows"] for column in row["row"]))
    table = Table(*columns, box=None, header_style="dim")
    for row in data["rows"]:
        table.add_row(*(escape(row["row"].get(column, "")) for column in columns))
    console.print(table)
    if data["next"] is not None:
        console.print(f"[dim]… of {data['lookup']['rows']:,}[/]")


@app.command()
def unmapped(
    name: Name,
    limit: Annotated[int, typer.Option(help="How many.")] = 50,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show which keys had no row: how often, since when, and whether they have one by now."""
    data = get(url, f"/api/v1/lookups/{name}/unmapped", limit=limit)
    if as_json:
        print_json(data)
        return
    table = Table("key", "day", "times", "first event", "last event", "now", box=None, header_style="dim")
    for one in data["keys"]:
        table.add_row(
            escape(", ".join(one["key"])),
            one["day"] or "",
            f"{one['count']:,}",
            _time(one["first"]),
            _time(one["last"]),
            "mapped" if one["mapped"] else "[yellow]missing[/]",
        )
    console.print(table if data["keys"] else f"[green]nothing is missing[/] in {escape(name)}")


@app.command()
def load(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV, JSON or NDJSON with rows.", exists=True, dir_okay=False)],
    replace: Annotated[bool, typer.Option(help="These are all rows: what is not among them goes.")] = False,
    correct: Annotated[bool, typer.Option(help="Rows that hold already may change.")] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Add rows to a look-up; all of them or, where one is wrong, none."""
    kind = _TYPES.get(file.suffix.lower(), "text/csv")
    method = "PUT" if replace else "POST"
    path = f"/api/v1/lookups/{name}?correct={str(correct).lower()}"
    data: dict[str, Any] = send(method, url, path, file.read_bytes(), kind)
    problems = data["problems"]
    if as_json:
        print_json(data)
    elif problems:
        for one in problems:
            remedy = f" ({one['remedy']})" if one["remedy"] else ""
            where = f"row {one['row']}: {one['column']}: {one['value']!r}"
            console.print(escape(f"{where}: {one['message']}{remedy}"))
        console.print(
            f"[red]nothing was changed[/]: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
        )
    else:
        said = [
            f"{data[word]:,} {word}" for word in ("added", "corrected", "removed", "unchanged") if data[word]
        ]
        console.print(f"[green]{escape(name)}[/]: {', '.join(said) or 'no rows'}")
        if data["backdated"]:
            console.print(
                f"{data['backdated']:,} begin in the past: they hold for events that come from now on"
            )
    raise typer.Exit(1 if problems else 0)


def _time(at: int) -> str:
    from services.intake.amounts import rfc3339

    return rfc3339(max(at, 0))
