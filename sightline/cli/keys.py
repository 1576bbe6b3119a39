"""``keys``: API keys, for all but the single machine."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from sightline.cli.output import Json, console, print_json

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    scope: Annotated[list[str] | None, typer.Option(help="read, write or admin; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Create a key and show it, once."""
    from sightline.access import create_key

    key = asyncio.run(create_key(name, scope or ["read"]))
    if as_json:
        print_json(key)
        return
    console.print(f"[bold]{key['key']}[/]")
    console.print(f"[dim]id {key['id']}; scopes {', '.join(key['scopes'])}; it is not shown again[/]")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List keys, without their secrets."""
    from sightline.access import list_keys

    keys = asyncio.run(list_keys())
    if as_json:
        print_json(keys)
        return
    table = Table("id", "name", "scopes", "created", "revoked", box=None, header_style="dim")
    for key in keys:
        table.add_row(key["id"], key["name"], ", ".join(key["scopes"]), key["created"], key["revoked"] or "")
    console.print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `sightline keys list` shows it.")],
) -> None:
    """Make a key useless from now on."""
    from sightline.access import revoke_key

    asyncio.run(revoke_key(key_id))
    console.print(f"revoked {key_id}")
