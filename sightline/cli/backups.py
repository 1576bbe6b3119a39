"""``backup`` and ``restore``: an embedded installation in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sightline.cli.output import Json, console, print_json


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; must not exist.")], as_json: Json = False
) -> None:
    """Copy the embedded log and its database into one file, also while Sightline runs."""
    from sightline.backups import back_up

    manifest = back_up(file)
    if as_json:
        print_json({"file": str(file), "time": manifest.time, "epoch": manifest.epoch, "ends": manifest.ends})
        return
    console.print(f"[green]wrote[/] {escape(str(file))} ({file.stat().st_size / 1e6:,.1f} MB)")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `sightline backup` wrote.")],
) -> None:
    """Bring log and database back from a backup, to places where there are none yet."""
    from sightline.backups import restore as bring_back
    from sightline.cli.query import moment

    manifest = bring_back(file)
    console.print(f"[green]restored[/] {escape(str(file))}, as of {moment(manifest.time)} UTC")
    console.print("Next: [bold]sightline up FOLDER[/]; sources may send again what they have sent since then")
