"""``map``: try an import mapping before anything depends on it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer
from rich.markup import escape

from sightline.cli.output import Json, console, print_json, print_rejected

if TYPE_CHECKING:
    from services.importing.trial import Trial

app = typer.Typer(help="Try mappings of other systems' data.", no_args_is_help=True)


@app.callback()
def _map() -> None:
    """Try mappings of other systems' data."""


@app.command("try")
def try_(
    mapping: Annotated[Path, typer.Argument(help="The mapping (YAML); see docs/importing.md.")],
    paths: Annotated[list[Path], typer.Argument(help="Files, or the folder that holds them.")],
    catalogue: Annotated[
        Path | None, typer.Option(help="The catalogue's folder.", show_default="the mapping's folder")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask the Sightline there for the cases that the files do not open.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many events, and how many refusals, are shown.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the events that a mapping makes of files, what it rejects, and how many find their case. Writes nothing."""
    from services.adapters.cel import CelEvaluator
    from services.catalogue.load import load_catalogue
    from services.importing.load import in_zone_of_its_source, load_mapping
    from services.importing.trial import try_mapping
    from sightline.importing import catalogue_beside, check_there

    check_there(mapping, *paths)
    found = load_catalogue(catalogue or catalogue_beside(mapping), CelEvaluator())
    knows = None if url is None else _Server(url).knows
    meant = in_zone_of_its_source(load_mapping(mapping, found), found)
    trial = asyncio.run(try_mapping(meant, paths, found, CelEvaluator(), limit=limit, knows=knows))
    if as_json:
        print_json(trial.to_dict())
    else:
        _print(trial)
    raise typer.Exit(1 if trial.codes else 0)


class _Server:
    def __init__(self, url: str) -> None:
        self._url = url

    async def knows(self, process: str, case: str) -> bool:
        """Whether the Sightline there has events of the case."""
        from services.errors import NotFound
        from sightline.cli.query import get

        try:
            get(self._url, f"/api/v1/cases/{quote(process, safe='')}/{quote(case)}")
        except NotFound:
            return False
        return True


def _print(trial: Trial) -> None:
    for event in trial.events:
        console.print(escape(json.dumps(event, ensure_ascii=False)), soft_wrap=True)
    console.print(f"[bold]{trial.rows:,} rows[/] make {trial.made:,} events")
    for kind, count in sorted(trial.by_type.items()):
        console.print(f"  {count:>9,}  {escape(kind)}")
    for process, share in trial.cases.items():
        if share.percent is None:
            console.print(f"  {process}: {share.opened:,} cases opened")
            continue
        text = f"  {process}: {share.found:,} of {share.events:,} later events found their case ({share.percent:.1f} %)"
        strays = f"; none for {', '.join(share.strays)}" if share.strays else ""
        console.print(escape(text + strays))
    print_rejected(trial.codes, trial.refused)
