"""``import``: real history, as a run of its own beside the live one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.output import Json


def import_(
    mapping: Annotated[Path, typer.Argument(help="The import mapping (YAML); see docs/importing.md.")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or the folder that holds them.")],
    catalogue: Annotated[
        Path | None, typer.Option(help="The catalogue's folder.", show_default="the mapping's folder")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Name of the run.", show_default="the mapping's")] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="End there and leave out what came later: 2018-09-05T22:22:01, in the mapping's zone."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring history in from CSV or NDJSON files. Repeating an import replaces that run."""
    from sightline.importing import run_import

    run_import(mapping, paths, catalogue=catalogue, run=run, as_of=as_of, as_json=as_json)
